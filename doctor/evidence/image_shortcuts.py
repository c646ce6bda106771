"""How well the class of an image is told by what is not in it: its coding, camera, size, light, and its file's name."""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_targets import content_keys, image_target
from doctor.evidence.image_traits import traits_of
from doctor.evidence.one_feature import FOLDS, Feature, folds_of
from doctor.evidence.sample import codes_of
from doctor.evidence.shortcuts import MAX_LEVELS, MIN_STRENGTH, PERMUTED_ROWS, Cue, Shortcuts
from doctor.evidence.strength import permuted, strongest
from doctor.evidence.targets import Target
from doctor.model import Thumbnail

Array = np.ndarray[Any, Any]

KINDS = {
    "quality": "quality",
    "coding": "coding",
    "camera": "camera",
    "size": "pixels",
    "bytes": "file size",
    "brightness": "light",
}
"""Traits that are cues, and how a cue of theirs is called."""
SHOWN = 4
RIDGE = 0.1
"""Penalty per image on the weights by which the size of a file is expected."""
LEAST_SPREAD = 1e-3


class ImageShortcuts(Shortcuts, frozen=True, kw_only=True):
    """The cues of a collection of images that tell something of their classes."""

    COST: ClassVar[int] = 10

    facts: ImageFacts
    labels: Array

    def pictures(self, cue: Cue) -> Sequence[Thumbnail]:
        """Show images of the class that is told, and of others."""
        of_class = self.labels == cue.strength.view
        groups = (np.flatnonzero(chosen & self.facts.readable)[:SHOWN] for chosen in (of_class, ~of_class))
        made = (
            self.facts.thumbnail(int(index), str(self.labels[index]), number)
            for number, group in enumerate(groups)
            for index in group
        )
        return [picture for picture in made if picture is not None]

    @classmethod
    def measure(cls, facts: ImageFacts) -> "ImageShortcuts":  # type: ignore[override]  # of images, not of a table
        """Try each cue, and permute the classes where one tells something."""
        target = image_target(facts)
        fold = folds_of(content_keys(facts, target.rows))
        cues, kinds = [], []
        for kind, feature in _features(facts, target, fold):
            kinds.append(kind)
            if feature.levels < 2:
                continue
            found = strongest(feature, target, fold)
            if found.lower >= MIN_STRENGTH:
                chance = permuted(feature, target, fold, found, PERMUTED_ROWS)
                cues.append(Cue(kind=kind, column=None, strength=found, chance=chance, levels=feature.levels))
        return cls(
            target=target.name,
            rows=len(target.rows),
            looked_at=tuple(kinds),
            cues=tuple(cues),
            facts=facts,
            labels=facts.labels,
        )


def _features(facts: ImageFacts, target: Target, fold: Array) -> Iterator[tuple[str, Feature]]:
    rows = target.rows
    traits = traits_of(facts)
    traits["bytes"] = _unexplained_bytes(facts, target, fold)
    for trait, kind in KINDS.items():
        values = traits[trait] if trait == "bytes" else traits[trait][rows]
        if values.dtype == object:
            codes = np.where(values == None, -1, codes_of(values))  # noqa: E711  # cell by cell
            if len(np.unique(codes)) <= MAX_LEVELS:
                yield kind, Feature.of_levels(codes, target.class_count)
        else:
            yield kind, Feature.of_numbers(values)
    stems = [PurePosixPath(facts.files[row].name).stem for row in rows.tolist()]
    words = np.array([_word(stem) for stem in stems], dtype=object)
    if (shared := _shared(words, target)) is not None:
        yield "word", Feature.of_levels(shared, target.class_count)


def _unexplained_bytes(facts: ImageFacts, target: Target, fold: Array) -> Array:
    """Return by how much each file is larger than its picture lets one expect, as a logarithm.

    Fine structure takes bytes, so the size of a file follows from what it shows; a plane through the descriptors of
    images of other folds says how much it should be.
    """
    rows = target.rows
    pixels = facts.width[rows].astype(np.float64) * facts.height[rows]
    tones = (facts.contrast, facts.entropy, facts.brightness, np.nan_to_num(facts.sharpness))
    inputs = np.column_stack([facts.descriptor[rows], *(tone[rows] for tone in tones), np.log(np.maximum(1, pixels))])
    inputs = (inputs - inputs.mean(axis=0)) / np.maximum(inputs.std(axis=0), LEAST_SPREAD)
    sizes = np.log(np.maximum(1, facts.bytes[rows]).astype(np.float64))
    left = np.zeros(len(rows))
    for number in range(FOLDS):
        test = fold == number
        known, middle = inputs[~test], sizes[~test].mean()
        curve = known.T @ known + RIDGE * max(1, len(known)) * np.eye(inputs.shape[1])
        left[test] = sizes[test] - middle - inputs[test] @ np.linalg.solve(curve, known.T @ (sizes[~test] - middle))
    return left


def _word(stem: str) -> str:
    """Return the letters before the first digit of a name."""
    return re.split(r"[0-9]", stem, maxsplit=1)[0].strip("-_. ").lower()


def _shared(words: Array, target: Target) -> Array | None:
    """Number the words of names; None where they are many, or where each word goes with one class, as a name of it."""
    codes = codes_of(words)
    levels = int(codes.max()) + 1
    if not 2 <= levels <= MAX_LEVELS:
        return None
    pairs = np.unique(np.column_stack([codes, target.values]), axis=0)
    return codes if np.bincount(pairs[:, 0]).max() > 1 else None
