"""What each column holds: counts, range, common values and the kind of thing it seems to be."""

from typing import Any

from msgspec import Struct

from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

COLUMNS_PER_STATEMENT = 200


class ColumnProfile(Struct, frozen=True, kw_only=True):
    """Facts about one column over all rows of the splits that have it.

    Attributes
    ----------
    distinct : int
        Different values, missing not counted; estimated (HyperLogLog) where `distinct_exact` is false.
    """

    name: str
    kind: Kind
    rows: int
    missing: int
    distinct: int
    distinct_exact: bool = False
    minimum: object = None
    maximum: object = None
    mean: float | None = None
    std: float | None = None

    @property
    def missing_share(self) -> float:
        """Missing values per row, 0 to 1."""
        return self.missing / self.rows if self.rows else 0.0

    @property
    def distinct_share(self) -> float:
        """Different values per present value, 0 to 1."""
        present = self.rows - self.missing
        return min(1.0, self.distinct / present) if present else 0.0


class Profile(Struct, frozen=True, kw_only=True):
    """The profile of every column of a table."""

    rows: int
    columns: tuple[ColumnProfile, ...]

    def __getitem__(self, name: str) -> ColumnProfile:
        return next(column for column in self.columns if column.name == name)

    @classmethod
    def measure(cls, table: Table) -> "Profile":
        """Read the table once."""
        profiles = []
        for start in range(0, len(table.columns), COLUMNS_PER_STATEMENT):
            chunk = table.columns[start : start + COLUMNS_PER_STATEMENT]
            answer = table.ask(table.select(*(fact for column in chunk for fact in _facts(column))))[0]
            profiles += [_profile(table, column, answer[6 * i : 6 * i + 6]) for i, column in enumerate(chunk)]
        return cls(rows=table.rows, columns=tuple(profiles))


def _facts(column: Column) -> list[sql.Expression]:
    name = sql.column(column.name)
    ordered = name if column.kind is not Kind.OTHER else sql.literal(None)
    number = name if column.numeric else sql.literal(None)
    return [
        sql.call("count", name), sql.call("approx_count_distinct", name),
        sql.call("min", ordered), sql.call("max", ordered), sql.call("avg", number), sql.call("stddev_samp", number),
    ]  # fmt: skip


def _profile(table: Table, column: Column, facts: tuple[Any, ...]) -> ColumnProfile:
    present, distinct, low, high, mean, std = facts
    rows = sum(table.splits[split] for split in column.splits)
    return ColumnProfile(
        name=column.name, kind=column.kind, rows=rows, missing=rows - int(present), distinct=int(distinct),
        minimum=low, maximum=high, mean=mean, std=std,
    )  # fmt: skip
