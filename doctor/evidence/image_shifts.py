"""How the images of the first split differ from those of each other one in traits that are not what they show."""

from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.arrangement import Setting
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_traits import traits_of
from doctor.evidence.shifts import Contrast, contrast
from doctor.evidence.sides import MAX_ROWS, Side
from doctor.subjects.images import Images

Array = np.ndarray[Any, Any]

CLASS = "class"
SHOWN = 4


class ImageShifts(Struct, frozen=True, kw_only=True):
    """The contrasts of a collection, one per later split.

    Attributes
    ----------
    contrasts : tuple of Contrast
        Their columns are traits, by the keys of `image_traits.WORDS`; their target is the class, where there is one.
    facts : ImageFacts
    traits : dict of str to ndarray
        As of `traits_of`.
    """

    COST: ClassVar[int] = 3

    contrasts: tuple[Contrast, ...]
    facts: ImageFacts
    traits: dict[str, Array]

    def typical(self, split: str, trait: str) -> list[int]:
        """Return images of a split that stand in its middle in a trait, nearest first."""
        values = self.traits[trait]
        mine = np.flatnonzero((self.facts.splits == split) & self.facts.readable)
        if values.dtype == object:
            levels, counts = np.unique(values[mine].astype(str), return_counts=True)
            return [int(n) for n in mine if str(values[n]) == levels[counts.argmax()]][:SHOWN]
        known = mine[np.isfinite(values[mine])]
        apart = np.abs(values[known] - np.median(values[known])) if len(known) else np.array([])
        return [int(n) for n in known[np.argsort(apart, kind="stable")][:SHOWN]]

    @classmethod
    def measure(cls, images: Images, facts: ImageFacts) -> "ImageShifts":
        """Compare trait by trait.

        Raises
        ------
        NotApplicable
            Where there is only one split.
        """
        splits = list(images.splits)
        if len(splits) < 2:
            raise NotApplicable("the images are in one split, so there is nothing to compare")
        traits = traits_of(facts)
        sides = [_side(split, facts, traits) for split in splits]
        pairs = [(sides[0], later) for later in sides[1:] if sides[0].drawn and later.drawn]
        return cls(
            contrasts=tuple(contrast(Setting.plain(pair), list(traits), CLASS) for pair in pairs),
            facts=facts,
            traits=traits,
        )


def _side(split: str, facts: ImageFacts, traits: dict[str, Array]) -> Side:
    """Take the readable images of a split, as many as are looked at; copies of one file count once."""
    mine = np.flatnonzero((facts.splits == split) & facts.readable)
    # By a hash of what is in them, so that neither names nor the order of the files decide.
    _, first = np.unique(facts.content[mine].astype(str), return_index=True)
    drawn = mine[first[:MAX_ROWS]]
    columns = {name: values[drawn] for name, values in traits.items()}
    columns[CLASS] = facts.labels[drawn]
    return Side(name=split, rows=len(mine), columns=columns, row=drawn)
