"""Images with the same content that stand under several classes."""

from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.image_facts import MAX_THUMBNAILS, ImageFacts
from doctor.model import Location, ReviewFiles, Safety, Thumbnail

MAX_GROUPS, SHOWN = 1000, 5
MIN_LEVELS = 16
"""Grey levels of a small picture, with fewer of which drawings may be alike by nature."""


class ImageConflict(Struct, frozen=True, kw_only=True):
    """Images that are the same and have different classes.

    Attributes
    ----------
    indices : tuple of int
        Places in `ImageFacts.files`; those with the rarer classes of the group first.
    labels : tuple of str
        Their classes.
    wrong : int
        Images without the commonest class of the group.
    """

    indices: tuple[int, ...]
    labels: tuple[str, ...]
    wrong: int


class ImageConflicts(Struct, frozen=True, kw_only=True):
    """Groups of images with the same bytes, or the same pixels, and more than one class, over all splits.

    Attributes
    ----------
    labelled : int
        Readable images that have a class.
    groups : tuple of ImageConflict
        Those with the most images first.
    facts : ImageFacts
    """

    COST: ClassVar[int] = 2

    labelled: int
    groups: tuple[ImageConflict, ...]
    facts: ImageFacts

    @property
    def indices(self) -> list[int]:
        """Places of the images in these groups."""
        return [index for group in self.groups for index in group.indices]

    @property
    def place(self) -> Location:
        """Where they are."""
        return self.facts.place(self.indices)

    @property
    def review(self) -> ReviewFiles:
        """Have a person settle the groups."""
        return ReviewFiles(
            files=tuple(self.facts.names(self.indices)),
            safety=Safety.MANUAL,
            summary="settle on one class for each group of equal images",
        )

    @property
    def pictures(self) -> list[Thumbnail]:
        """Show two images of each of the first groups."""
        made = [
            self.facts.thumbnail(index, label, number)
            for number, group in enumerate(self.groups[: MAX_THUMBNAILS // 2])
            for index, label in list(zip(group.indices, group.labels, strict=True))[:2]
        ]
        return [picture for picture in made if picture is not None]

    @property
    def told(self) -> dict[str, Any]:
        """What a finding says of them."""
        names, first = self.facts.names, self.groups[0]
        return {
            "images": self.images,
            "groups": len(self.groups),
            "labelled": self.labelled,
            "wrong": self.wrong,
            "floor": self.wrong / self.labelled,
            "first": self.facts.first(first.indices[:2]),
            "classes": " and ".join(dict.fromkeys(first.labels)),
            "files": names(self.indices),
            "examples": [{"files": names(group.indices), "labels": group.labels} for group in self.groups[:SHOWN]],
        }

    @property
    def images(self) -> int:
        """Images in these groups."""
        return sum(len(group.indices) for group in self.groups)

    @property
    def wrong(self) -> int:
        """Images that whoever sees only the picture must get wrong."""
        return sum(group.wrong for group in self.groups)

    @classmethod
    def measure(cls, facts: ImageFacts) -> "ImageConflicts":
        """Group images by what is in them; blank ones are alike by nature and left out.

        Raises
        ------
        NotApplicable
            Where the images have no classes.
        """
        labels = facts.labels
        has = np.array([label is not None for label in labels], dtype=bool) & facts.readable
        if not has.any():
            raise NotApplicable("nothing tells the classes of the images; say so with --image-labels")
        places = np.flatnonzero(has & ~facts.blank)
        groups: dict[object, list[int]] = {}
        for place in places.tolist():
            groups.setdefault(_pixels(facts, place), []).append(place)
        found = [_conflict(group, labels) for group in groups.values() if len({labels[n] for n in group}) > 1]
        found.sort(key=lambda group: (-len(group.indices), group.indices))
        return cls(labelled=int(has.sum()), groups=tuple(found[:MAX_GROUPS]), facts=facts)


def _pixels(facts: ImageFacts, place: int) -> object:
    """Return what images with the same pixels share, however they are stored: small pictures equal to the last level.

    Where these hold fewer levels than tell pictures apart, only the bytes count.
    """
    small = facts.small[place]
    if len(np.unique(small)) < MIN_LEVELS:
        return facts.content[place]
    return (
        small.tobytes(),
        facts.descriptor[place].tobytes(),
        int(facts.width[place]),
        int(facts.height[place]),
    )


def _conflict(group: list[int], labels: np.ndarray) -> ImageConflict:
    names = [str(labels[place]) for place in group]
    times = {name: names.count(name) for name in names}
    order = sorted(range(len(group)), key=lambda n: (times[names[n]], names[n], group[n]))
    return ImageConflict(
        indices=tuple(group[n] for n in order),
        labels=tuple(names[n] for n in order),
        wrong=len(group) - max(times.values()),
    )
