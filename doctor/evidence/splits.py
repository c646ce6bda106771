"""Which rows of one split are copies of rows of another."""

import math
from itertools import combinations
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.repeated_rows import SPARE_BITS, RepeatedRows, crossing
from doctor.evidence.roles import Roles
from doctor.evidence.surprisal import Surprisal
from doctor.model import Location, facts_of
from doctor.subjects import sql
from doctor.subjects.table import Table

MAX_EXAMPLES = 5


class Copy(Struct, frozen=True, kw_only=True):
    """A row of the later split and the first row of the earlier one that equals it, as a person counts rows."""

    row: int
    original: int
    copies: int
    bits: float
    verbatim: bool
    file: str | None = None


class Crossing(Struct, frozen=True, kw_only=True):
    """Rows of `later` whose features occur in `earlier`.

    Attributes
    ----------
    copied_rows : int
        Rows of the later split with a copy in the earlier one, text folded.
    same_label_rows : int or None
        Those of them with a copy of the same label; None where no label is known in both.
    verbatim_share : float
        Share of `copied_rows` that are equal to the letter, from `groups_read` groups drawn by hash.
    surprising_share : float
        Share of `copied_rows` that no coincidence explains.
    null_share : float
        Share of the earlier split's rows that have a copy within it: what a random cut of it would show.
    """

    earlier: str
    later: str
    earlier_rows: int
    later_rows: int
    copied_rows: int
    same_label_rows: int | None
    verbatim_share: float
    surprising_share: float
    null_share: float
    bound_bits: float
    median_bits: float
    groups_read: int
    examples: tuple[Copy, ...]

    @property
    def share(self) -> float:
        """Copied rows per row of the later split."""
        return self.copied_rows / self.later_rows if self.later_rows else 0.0

    @property
    def place(self) -> Location:
        """Where its examples are."""
        file = self.examples[0].file if self.examples else None
        return Location(split=self.later, rows=tuple(one.row for one in self.examples), file=file)

    @property
    def judged(self) -> dict[str, Any]:
        """What a finding says of it."""
        examples = [facts_of(one, "row", "original", "copies", "verbatim", "bits") for one in self.examples]
        return {**facts_of(self), "share": self.share, "examples": examples}


class Splits(Struct, frozen=True, kw_only=True):
    """What each pair of splits shares.

    Attributes
    ----------
    features : tuple of str
        The columns that were compared.
    crossings : tuple of Crossing
        One per pair of splits, the earlier in train, validation, test first.
    """

    features: tuple[str, ...]
    crossings: tuple[Crossing, ...]

    @classmethod
    def measure(cls, table: Table, repeated: RepeatedRows, surprisal: Surprisal, roles: Roles) -> "Splits":
        """Join the repeated rows by hash, count per hash, read the drawn ones and compare them exactly."""
        pairs = pairs_of(table)
        labelled = roles.target is not None
        return cls(
            features=repeated.features,
            crossings=tuple(
                _crossing(table, repeated, surprisal, pair, labelled and _both(table, roles, pair)) for pair in pairs
            ),
        )


def pairs_of(table: Table) -> list[tuple[str, str]]:
    """Return the pairs of splits, in order.

    Raises
    ------
    NotApplicable
        When there is only one split.
    """
    filled = [split for split, rows in table.splits.items() if rows]
    if len(filled) < 2:
        raise NotApplicable("there is only one split")
    return list(combinations(filled, 2))


def _both(table: Table, roles: Roles, pair: tuple[str, str]) -> bool:
    return roles.target is not None and set(pair) <= set(table.column(roles.target).splits)


def _crossing(
    table: Table, repeated: RepeatedRows, surprisal: Surprisal, pair: tuple[str, str], labelled: bool
) -> Crossing:
    earlier, later = pair
    first = sql.quoted(earlier)
    total = "SELECT coalesce(sum(copies), 0) FROM ({})"
    copied = int(table.ask(total.format(crossing(repeated.relation, pair, "feature_hash")))[0][0])
    with_label = crossing(repeated.relation, pair, "hash(feature_hash, label_hash)")
    agreeing = int(table.ask(total.format(with_label))[0][0]) if labelled else None
    inner = f'SELECT count(*) AS k FROM "{repeated.relation}" WHERE split = {first} GROUP BY feature_hash HAVING k > 1'
    twins = int(table.ask(f"SELECT coalesce(sum(k), 0) FROM ({inner})")[0][0])
    met = repeated.meetings[pair]
    weights = np.array([one.copies for one in met], dtype=float)
    verbatim = _equal(repeated, [one.original for one in met], [one.copy for one in met])
    bits = surprisal.bits(repeated.contents.at([one.copy for one in met], surprisal.columns))
    n, m = table.splits[earlier], table.splits[later]
    bound = math.log2(n * m) + SPARE_BITS
    surprising = bits > bound
    ranked = sorted(range(len(met)), key=lambda i: (not surprising[i], -met[i].copies, met[i].mark))[:MAX_EXAMPLES]
    return Crossing(
        earlier=earlier,
        later=later,
        earlier_rows=n,
        later_rows=m,
        copied_rows=copied,
        same_label_rows=agreeing,
        null_share=twins / n if n else 0.0,
        verbatim_share=_share(weights, verbatim),
        surprising_share=_share(weights, surprising),
        bound_bits=bound,
        median_bits=float(np.median(bits)) if met else 0.0,
        groups_read=len(met),
        examples=tuple(
            Copy(
                row=table.place(met[i].copy)[1],
                file=str(table.place(met[i].copy)[0]),
                original=table.place(met[i].original)[1],
                copies=met[i].copies,
                bits=float(bits[i]),
                verbatim=bool(verbatim[i]),
            )
            for i in ranked
        ),
    )


def _share(weights: np.ndarray[Any, Any], chosen: np.ndarray[Any, Any]) -> float:
    return float(weights[chosen].sum() / weights.sum()) if len(weights) else 0.0


def _equal(repeated: RepeatedRows, one: list[int], other: list[int]) -> np.ndarray[Any, Any]:
    left, right = (repeated.contents.at(rows, repeated.features) for rows in (one, other))
    equal = np.ones(len(one), dtype=bool)
    for name in repeated.features:
        same = left[name] == right[name]
        both_missing = (left[name] != left[name]) & (right[name] != right[name])
        equal &= np.asarray(same | both_missing, dtype=bool)
    return equal
