"""What the same column holds in different splits: what it can be read as, and how its levels are spelled."""

import re
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.cell_texts import is_number, stripped
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Array, Sample
from doctor.subjects.table import Kind, Table

MAX_LEVELS = 200
FEW = 5


class SplitColumn(Struct, frozen=True, kw_only=True):
    """A column in two splits.

    Attributes
    ----------
    absent : str
        The split that lacks it; empty where both have it.
    numbers : dict of str to float
        Share of numbers among the values of each split, of text.
    respelled : dict of str to str
        Levels of the later split that the earlier one does not have, each with the level there that it equals but for
        case, blanks and punctuation.
    respelled_rows, later_rows : int
        Rows of the later split with such a level, and with any.
    """

    name: str
    earlier: str
    later: str
    absent: str = ""
    numbers: dict[str, float] = {}
    respelled: dict[str, str] = {}
    respelled_rows: int = 0
    later_rows: int = 0


class SplitSchemas(Struct, frozen=True, kw_only=True):
    """Columns that are not the same in two splits, and what decides how grave that is."""

    target: str | None
    columns: tuple[SplitColumn, ...]

    @classmethod
    def measure(cls, table: Table, roles: Roles, sample: Sample) -> "SplitSchemas":
        """Compare the splits with the first of them.

        Raises
        ------
        NotApplicable
            When the table is not divided.
        """
        if len(table.splits) < 2:
            raise NotApplicable("the table is not divided into splits")
        earlier, *others = table.splits
        found = []
        for column in table.columns:
            for later in others:
                pair = SplitColumn(name=column.name, earlier=earlier, later=later)
                if absent := next((split for split in (earlier, later) if split not in column.splits), ""):
                    found.append(_with(pair, absent=absent))
                elif column.kind is Kind.TEXT:
                    values = sample.columns[column.name]
                    one, other = values[sample.split == earlier], values[sample.split == later]
                    found += _compared(pair, one, other)
        return cls(target=roles.target, columns=tuple(found))


def _with(pair: SplitColumn, **facts: object) -> SplitColumn:
    from msgspec.structs import replace

    return replace(pair, **facts)


def _compared(pair: SplitColumn, one: Array, other: Array) -> list[SplitColumn]:
    counts = [Counter(value for value in values if value is not None) for values in (one, other)]
    if not all(counts):
        return []
    shares = [_numbers(values) for values in counts]
    first, second = counts
    numbers = dict(zip((pair.earlier, pair.later), shares, strict=True)) if min(shares) < 0.5 < max(shares) else {}
    few = len(first) <= MAX_LEVELS and len(second) <= MAX_LEVELS
    others = respelled(second.keys() - first.keys(), first) if few else {}
    if not numbers and not others:
        return []
    rows = sum(second[level] for level in others)
    total = sum(second.values())
    return [_with(pair, numbers=numbers, respelled=others, respelled_rows=rows, later_rows=total)]


def respelled(new: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return which new levels are known ones but for case, blanks and punctuation."""
    plain = {_bare(level): level for level in sorted(known, reverse=True)}
    return {level: plain[_bare(level)] for level in sorted(new) if _bare(level) in plain}


def _numbers(counts: Counter[str]) -> float:
    return sum(n for value, n in counts.items() if is_number(stripped(value))) / counts.total()


def _bare(level: str) -> str:
    """Write a level without case, blanks and punctuation, but with what tells levels apart: <=50K is not >50K."""
    words = re.sub(r"[\s\W_]+", " ", level.casefold()).strip()
    signs = "".join(sign for sign in level if sign in "<>=+%")
    return f"{'-' if stripped(level).startswith('-') else ''}{words} {signs}"
