"""Columns in which one value stands in nearly every row."""

from collections import Counter

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import Profile
from doctor.evidence.sample import Array, Sample
from doctor.subjects import sql
from doctor.subjects.table import Table

MAX_DISTINCT = 50
NOTED_SHARE = 0.95


class Dominant(Struct, frozen=True, kw_only=True):
    """A column's commonest value.

    Attributes
    ----------
    rows : int
        Rows that hold it.
    distinct : int
        Different values of the column.
    """

    name: str
    value: str
    rows: int
    present: int
    missing: int
    distinct: int

    @property
    def share(self) -> float:
        """Of the rows with a value."""
        return self.rows / self.present


class Dominance(Struct, frozen=True, kw_only=True):
    """The columns of which one value has at least 95 % of the rows that have any, and how many columns there are."""

    columns: tuple[Dominant, ...]
    of: int

    @classmethod
    def measure(cls, table: Table, profile: Profile, sample: Sample) -> "Dominance":
        """Choose candidates on the drawn rows and count them over all."""
        candidates: list[tuple[int, object]] = []
        for place, column in enumerate(profile.columns):
            if not column.present or column.distinct > MAX_DISTINCT:
                continue
            value, share = _commonest(sample.columns[column.name])
            if value is not None and share >= NOTED_SHARE:
                candidates.append((place, value))
        counts = _counted(table, profile, candidates) if sample.rows < table.rows else {}
        found = []
        for place, value in candidates:
            column = profile.columns[place]
            values = sample.columns[column.name]
            rows = counts.get(place, int((values == value).sum()))
            # Of many rows the profile only estimates how many values differ.
            distinct = 1 if rows == column.present else max(2, column.distinct)
            found.append(
                Dominant(
                    name=column.name,
                    value=f"{value:g}" if isinstance(value, float) else str(value),
                    rows=rows,
                    present=column.present,
                    missing=column.missing,
                    distinct=distinct,
                )
            )
        return cls(columns=tuple(column for column in found if column.share >= NOTED_SHARE), of=len(profile.columns))


def _commonest(values: Array) -> tuple[object, float]:
    present = values[values != None] if values.dtype == object else values[~np.isnan(values)]  # noqa: E711  # element by element
    if not len(present):
        return None, 0.0
    if values.dtype == object:
        # Not numpy's strings, which are all as wide as the longest: one long text would take the memory of a thousand.
        words = Counter(map(str, present))
        word = min(words, key=lambda each: (-words[each], each))
        return word, words[word] / len(present)
    levels, counts = np.unique(present, return_counts=True)
    first = int(counts.argmax())
    return float(levels[first]), float(counts[first] / len(present))


def _counted(table: Table, profile: Profile, candidates: list[tuple[int, object]]) -> dict[int, int]:
    if not candidates:
        return {}
    facts = []
    for place, value in candidates:
        column = profile.columns[place]
        name = sql.column(column.name)
        compared = name if isinstance(value, str) else sql.call("epoch", name) if column.kind == "time" else name
        same = sql.cast_text(compared) if isinstance(value, str) else exp.cast(compared, "double")
        facts.append(sql.count_if(same.eq(sql.literal(value))))
    answer = table.ask(table.select(*facts))[0]
    return {place: int(count) for (place, _), count in zip(candidates, answer, strict=True)}
