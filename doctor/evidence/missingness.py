"""How often each column has no value, by class of the target, over all rows."""

from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace
from sqlglot import exp

from doctor.evidence.profile import COLUMNS_PER_STATEMENT, Profile
from doctor.evidence.roles import Roles
from doctor.evidence.significance import binomial_upper_tail, wilson_upper
from doctor.evidence.targets import Target, Task
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table


class Presence(Struct, frozen=True, kw_only=True):
    """A column's values and holes by class, over the rows that have a label and a split that has the column.

    Attributes
    ----------
    present, missing : tuple of int
        Rows per class of `Missingness.classes`.
    """

    column: str
    present: tuple[int, ...]
    missing: tuple[int, ...]


class Side(Struct, frozen=True, kw_only=True):
    """The rows with, or those without, a value of a column, and the class that they are most surely of.

    Attributes
    ----------
    has_value : bool
        Which of the two sides.
    certainty : float
        Lower 95 % bound of (share of the class on this side - base share) / (1 - base share).
    p : float
        Exact binomial test against the base share, times the sides and classes that were looked at.
    whole_lower : float
        Lower 95 % bound of the score of "on this side, hence of this class; else not", over the best constant guess.
    errors : int
        Rows in which that rule is wrong.
    """

    column: str
    has_value: bool
    label: int
    hits: int
    rows: int
    base_share: float
    certainty: float
    p: float
    whole_lower: float
    errors: int

    @property
    def purity(self) -> float:
        """Share of the class on this side."""
        return self.hits / self.rows


class Missingness(Struct, frozen=True, kw_only=True):
    """Presence of every column that has both values and holes.

    Attributes
    ----------
    classes : tuple of str
        The classes of the target, most frequent first; the quarters of a quantity, ascending.
    named : int
        So many of the classes stand for themselves, the last of more for all others.
    """

    COST: ClassVar[int] = 2

    target: str
    task: Task
    classes: tuple[str, ...]
    named: int
    rows: int
    columns: tuple[Presence, ...]

    def purest(self, column: Presence, max_base_share: float) -> Side | None:
        """Return the side of a column that most surely is of one class; None where no class may be looked at.

        Parameters
        ----------
        column : Presence
            One of `columns`.
        max_base_share : float
            Classes with a larger share of all rows are left out.
        """
        sums = [have + lack for have, lack in zip(column.present, column.missing, strict=True)]
        total = sum(sums)
        classes = [i for i in range(self.named) if 0 < sums[i] <= max_base_share * total]
        sides = [
            _side(column, has_value, label, sums[label], total) for has_value in (True, False) for label in classes
        ]
        known = [side for side in sides if side is not None]
        best = max(known, key=lambda side: (side.certainty, side.hits, -side.label), default=None)
        return replace(best, p=min(1.0, best.p * len(known))) if best else None

    @classmethod
    def measure(cls, table: Table, roles: Roles, profile: Profile, target: Target) -> "Missingness":
        """Read the columns with holes once."""
        told = {target.name, *roles.annotators}
        partly = [facts.name for facts in profile.columns if 0 < facts.missing < facts.rows and facts.name not in told]
        counts: dict[str, dict[tuple[str, str], int]] = {}
        totals: dict[tuple[str, str], int] = {}
        for start in range(0, max(1, len(partly)), COLUMNS_PER_STATEMENT):
            chunk = partly[start : start + COLUMNS_PER_STATEMENT]
            for split, label, rows, *present in table.ask(_by_class(table, target, chunk)):
                totals[split, str(label)] = int(rows)
                for name, count in zip(chunk, present, strict=True):
                    counts.setdefault(name, {})[split, str(label)] = int(count)
        labels = _labels(totals, target)
        place = {label: min(index, len(labels[0]) - 1) for index, label in enumerate(labels[1])}
        columns = []
        for name in partly:
            splits = set(table.column(name).splits)
            present, missing = [0] * len(labels[0]), [0] * len(labels[0])
            for (split, label), rows in totals.items():
                if split in splits:
                    found = counts[name][split, label]
                    present[place[label]] += found
                    missing[place[label]] += rows - found
            columns.append(Presence(column=name, present=tuple(present), missing=tuple(missing)))
        return cls(
            target=target.name,
            task=target.task,
            classes=labels[0],
            named=len(labels[0]) - int(len(labels[1]) > len(labels[0])),
            rows=sum(totals.values()),
            columns=tuple(columns),
        )


def _side(column: Presence, has_value: bool, label: int, class_rows: int, total: int) -> Side | None:
    counts = column.present if has_value else column.missing
    hits, rows = counts[label], sum(counts)
    if rows == 0:
        return None
    base = class_rows / total
    purity_lower = 1 - wilson_upper(rows - hits, rows)
    errors = rows - hits + class_rows - hits
    return Side(
        column=column.column,
        has_value=has_value,
        label=label,
        hits=hits,
        rows=rows,
        base_share=base,
        certainty=(purity_lower - base) / (1 - base),
        p=binomial_upper_tail(hits, rows, base),
        errors=errors,
        whole_lower=1 - wilson_upper(errors, total) * total / min(class_rows, total - class_rows),
    )


def _labels(totals: dict[tuple[str, str], int], target: Target) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the classes and the labels as the engine writes them, in the same order."""
    if target.task is Task.REGRESSION:
        quarters = ("lowest quarter", "second quarter", "third quarter", "highest quarter")
        return quarters, ["0", "1", "2", "3"]
    sizes: dict[str, int] = {}
    for (_, label), rows in totals.items():
        sizes[label] = sizes.get(label, 0) + rows
    order = sorted(sizes, key=lambda label: (-sizes[label], label))
    if len(order) <= len(target.classes) and not target.lumped:
        return tuple(order), order
    named = order[: len(target.classes) - 1]
    return (*named, "any other class"), order


def _by_class(table: Table, target: Target, columns: list[str]) -> sql.Select:
    name: Any = sql.column(target.name)
    if target.task is Task.REGRESSION:
        if table.column(target.name).kind is Kind.TIME:
            name = sql.call("epoch", name)
        elif not table.column(target.name).numeric:
            name = exp.TryCast(this=sql.call("replace", name, ",", ""), to=exp.DataType.build("DOUBLE"))
        label: sql.Expression = exp.case()
        for index, cut in enumerate(target.cuts):
            label = label.when(name <= sql.literal(cut), sql.literal(index))  # type: ignore[attr-defined]  # a Case
        label = label.else_(sql.literal(len(target.cuts)))  # type: ignore[attr-defined]  # a Case
    else:
        label = exp.cast(name, "VARCHAR")
    where = name.is_(exp.null()).not_()
    if target.split is not None:
        where = where.and_(sql.column(sql.SPLIT).eq(sql.literal(target.split)))
    wanted = [sql.call("count", sql.column(column)) for column in columns]
    split = sql.column(sql.SPLIT)
    return table.select(split, label, sql.call("count", exp.Star()), *wanted).where(where).group_by("1", "2")
