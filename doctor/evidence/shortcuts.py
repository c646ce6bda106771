"""How well the target is told by what should say nothing of it: order, files, lengths, holes, who labelled, whence.

Each cue predicts rows that it was not fitted on. A cue that seems to tell something is held against permuted targets.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.annotators import ANNOTATOR_NAMES
from doctor.evidence.chronology import sampled_times, time_columns
from doctor.evidence.keys import Keys
from doctor.evidence.late_words import words_in
from doctor.evidence.one_feature import Feature, folds_of
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample, codes_of
from doctor.evidence.strength import Strength, permuted, strongest
from doctor.evidence.targets import Target, Task, mid_ranks
from doctor.model import Thumbnail
from doctor.subjects.table import Table

MIN_STRENGTH = 0.2
"""Lower bound from which a cue is held against permuted targets."""
PERMUTED_ROWS = 5_000
PERIODS = range(2, 9)
"""Rows after which an order may begin anew, such as one of each class by turns."""
SAME_ORDER = 0.9
"""Rank correlation from which a column is in the order of the rows, and is what there is to look at."""
SORTED_CHANGES = 0.1
"""Changes of the label over those in random order, below which the rows stand class by class."""
TOGETHER = 0.5
"""Share of neighbours in the file that belong to one entity, from which its rows stand together."""
MAX_LEVELS = 200
_WHENCE = """
    source sources site scanner device machine batch plate lab laboratory instrument camera recorder microphone operator
    interviewer collector crawler feed dump shard file filename filepath path folder directory url uri domain website
    hospital clinic center centre
"""
WHENCE = frozenset(_WHENCE.split())
TAGS = frozenset({"id", "name", "no", "nr", "number", "code", "key"})
PATHS = frozenset("file filename filepath path folder directory image".split())  # noqa: SIM905  # as those above

Array = np.ndarray[Any, Any]


class Cue(Struct, frozen=True, kw_only=True):
    """One thing that should say nothing.

    Attributes
    ----------
    kind : str
        "order", "turn" (the row's place in a short cycle), "file", "length", "holes", "annotator", "source" or "name"
        (a part of a file's name); of images "quality", "coding", "camera", "pixels", "file size", "light" or "word" (of
        the file's name).
    column : str or None
        Whose value it is; None where it is no column's.
    chance : float
        Share of permuted targets that it tells at least as well (one added to both counts).
    levels : int
        Its different values.
    best_column : float
        Of "holes": the strength of the one column whose holes tell most.
    """

    kind: str
    column: str | None
    strength: Strength
    chance: float
    levels: int
    best_column: float = 0.0


class Shortcuts(Struct, frozen=True, kw_only=True):
    """The cues of a table that tell something."""

    COST: ClassVar[int] = 40

    target: str
    rows: int
    looked_at: tuple[str, ...]
    cues: tuple[Cue, ...]

    def pictures(self, cue: Cue) -> Sequence[Thumbnail]:
        """Show what a cue tells; of rows there is nothing to be seen."""
        return ()

    @classmethod
    def measure(
        cls, table: Table, roles: Roles, keys: Keys, profile: Profile, sample: Sample, target: Target
    ) -> "Shortcuts":
        """Try each cue, and permute the target where one tells something."""
        fold = folds_of(sample.key[target.rows])
        cues = []
        kinds: list[str] = []
        for kind, column, feature, single in _features(table, roles, keys, sample, target):
            kinds.append(kind)
            if feature.levels < 2:
                continue
            found = strongest(feature, target, fold)
            if found.lower < MIN_STRENGTH:
                continue
            if kind in ("order", "turn", "file") and _explained(table, profile, roles, keys, sample, target):
                continue
            chance = permuted(feature, target, fold, found, PERMUTED_ROWS)
            best = max((strongest(one, target, fold).strength for one in single), default=0.0)
            cues.append(
                Cue(kind=kind, column=column, strength=found, chance=chance, levels=feature.levels, best_column=best)
            )
        return cls(target=target.name, rows=len(target.rows), looked_at=tuple(dict.fromkeys(kinds)), cues=tuple(cues))


Named = tuple[str, str | None, Feature, list[Feature]]


def _features(table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target) -> Iterator[Named]:
    rows = target.rows
    numbers = sample.row[rows]
    yield "order", None, Feature.of_numbers(numbers.astype(np.float64)), []
    for period in PERIODS:
        yield "turn", None, Feature.of_levels(numbers % period, target.class_count), []
    yield from _files(table, numbers, target)
    columns = [column for column in table.columns if column.name not in (target.name, roles.item)]
    holes = [_missing(sample.columns[column.name][rows]) for column in columns]
    partly = [hole for hole in holes if 0 < np.count_nonzero(hole) < len(hole)]
    if len(partly) > 1:
        counted = np.sum(partly, axis=0).astype(np.float64)
        singles = [Feature.of_levels(hole.astype(np.int64), target.class_count) for hole in partly]
        yield "holes", None, Feature.of_numbers(counted), singles
    for column in columns:
        values = sample.columns[column.name][rows]
        shape = keys.shapes.get(column.name)
        if shape is not None and shape.prose:
            lengths = [np.nan if value is None else float(len(value)) for value in values]
            yield "length", column.name, Feature.of_numbers(np.array(lengths)), []
        elif (kind := _kind(column.name, roles)) is not None:
            read = _name_parts(values) if set(words_in(column.name)) & PATHS and values.dtype == object else values
            codes = np.where(_missing(read), -1, codes_of(read))
            if len(np.unique(codes)) <= MAX_LEVELS:
                told = "name" if read is not values else kind
                yield told, column.name, Feature.of_levels(codes, target.class_count), []


def _kind(name: str, roles: Roles) -> str | None:
    plain = name.strip().lower()
    if ANNOTATOR_NAMES.fullmatch(plain) or (len(roles.annotators) == 1 and name in roles.annotators):
        return "annotator"
    words = [word for word in words_in(name) if not word.isdecimal()]
    if len(words) > 1 and words[-1] in TAGS:
        words.pop()
    return "source" if words and words[-1] in WHENCE else None


def _missing(values: Array) -> Array:
    if values.dtype == object:
        return np.array([value is None for value in values])
    missing: Array = np.isnan(values)
    return missing


def _files(table: Table, numbers: Array, target: Target) -> Iterator[Named]:
    """Tell rows by their file, where the training rows lie in several; one file for each class is a layout."""
    parts = [part for part in table.parts if target.split in (None, part.split) and part.rows]
    if len(parts) < 2 or (target.split is None and len(table.splits) > 1):
        return
    begins = np.array(sorted(part.first_row for part in parts))
    codes = np.searchsorted(begins, numbers, side="right") - 1
    if target.task is Task.CLASSIFICATION:
        pairs = np.unique(np.column_stack([codes, target.values]), axis=0)
        if np.bincount(pairs[:, 0]).max() == 1:
            return
    yield "file", None, Feature.of_levels(codes, target.class_count), []


def _name_parts(values: Array) -> Array:
    """Return what a file's name says besides its number: its folder, and the letters before the first digit."""
    parts = []
    for value in values:
        path = PurePosixPath(str(value).replace("\\", "/"))
        stem = re.split(r"[0-9]", path.stem, maxsplit=1)[0].strip("-_. ").lower()
        parts.append(None if value is None else f"{path.parent.name}/{stem}")
    return np.array(parts, dtype=object)


def _explained(table: Table, profile: Profile, roles: Roles, keys: Keys, sample: Sample, target: Target) -> bool:
    """Whether other checks speak of the order of the rows: of time, row numbers, entities, or sorted classes."""
    numbers = sample.row[target.rows]
    order = np.argsort(numbers)
    if target.task is Task.CLASSIFICATION and _class_by_class(target.values[order]):
        return True
    for key in keys.entities:
        values = sample.columns[key.column][target.rows][order]
        if key.pattern:
            found = (re.search(key.pattern, value) if value is not None else None for value in values)
            values = np.array([match[1] if match else None for match in found], dtype=object)
        owner = codes_of(values)
        if np.mean(owner[1:] == owner[:-1]) >= TOGETHER:
            return True
    forms = time_columns(table, profile, roles, keys, roles.time)
    for column in table.columns:
        if column.name == target.name:
            continue
        if column.name in forms:
            values = sampled_times(table, column.name, forms[column.name], sample.columns)[target.rows]
        else:
            values = sample.columns[column.name][target.rows]
        if values.dtype != object and _in_order(values, numbers):
            return True
    return False


def _class_by_class(labels: Array) -> bool:
    shares = np.bincount(labels) / len(labels)
    changes = np.count_nonzero(labels[1:] != labels[:-1])
    return bool(changes <= max(len(shares) - 1, SORTED_CHANGES * (len(labels) - 1) * (1 - (shares**2).sum())))


def _in_order(values: Array, numbers: Array) -> bool:
    known = np.isfinite(values)
    if np.count_nonzero(known) < 10 or np.ptp(values[known]) == 0:
        return False
    correlation = np.corrcoef(mid_ranks(values[known]), mid_ranks(numbers[known].astype(np.float64)))[0, 1]
    return bool(abs(correlation) >= SAME_ORDER)
