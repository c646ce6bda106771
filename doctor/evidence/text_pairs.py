"""Rows whose texts are equal or nearly equal, within each split and across splits."""

from itertools import combinations
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.repeated_rows import RepeatedRows
from doctor.evidence.roles import Roles
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.text_columns import TextColumns
from doctor.evidence.text_counts import Alike, TextCounts
from doctor.evidence.text_matches import MIN_SHARED
from doctor.evidence.text_rows import TextRows
from doctor.model import Advise, DropRows, Safety, facts_of
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]


class TextTwins(Struct, frozen=True, kw_only=True):
    """What is alike within one split.

    Attributes
    ----------
    rows, read_rows : int
        Of the split, and those of them that hold texts and were read.
    equal : Alike
        Rows with the words of an earlier row; those that equal an earlier one in every column are not counted.
    near : Alike
        Rows whose text nearly equals that of an earlier row which stays; equal texts are counted once.
    inside : Alike
        Rows whose text stands in a longer one which stays; those of `near` are not counted, equal texts once.
    """

    split: str
    rows: int
    read_rows: int
    equal: Alike
    near: Alike
    inside: Alike


class TextCrossing(Struct, frozen=True, kw_only=True):
    """Rows of `later` whose texts are those of rows in `earlier`, or nearly so.

    Attributes
    ----------
    later_rows, read_rows : int
        Of the later split, and those of them that hold texts and were read.
    equal_rows : int
        Those of `alike` that have the same words.
    alike : Alike
        Rows of the later split; those that are copies in all features are left out. `numbers` are rows of the earlier
        one.
    later_numbers : ndarray of int64
        The rows of the later split, counted from 0 in the table.
    """

    earlier: str
    later: str
    later_rows: int
    read_rows: int
    equal_rows: int
    alike: Alike
    later_numbers: Array

    @property
    def sure_rows(self) -> float:
        """Rows that no coincidence explains, as far as the drawn ones tell."""
        return self.alike.rows * self.alike.surprising_share

    @property
    def judged(self) -> dict[str, Any]:
        """What a finding says of it."""
        return {
            "near_rows": self.alike.rows,
            "probed_rows": self.read_rows,
            "share": self.alike.rows / self.read_rows,
            **facts_of(self, "earlier", "later", "equal_rows", "later_rows"),
            **self.alike.judged(stays="original"),
        }


class TextPairs(Struct, frozen=True, kw_only=True):
    """What is alike in a table.

    Attributes
    ----------
    columns : tuple of str
        The columns of texts; rows are alike where all of these are.
    drawn_one_of : int
        1 where all rows were read.
    compared_pairs : int
        Pairs whose runs of words were compared.
    all_compared : bool
        False where too many met.
    counts : TextCounts
        What they rest on.
    """

    COST: ClassVar[int] = 30

    columns: tuple[str, ...]
    min_shared: float
    splits: tuple[TextTwins, ...]
    crossings: tuple[TextCrossing, ...]
    drawn_one_of: int
    compared_pairs: int
    all_compared: bool
    counts: TextCounts

    def removal(self, crossed: TextCrossing) -> DropRows | Advise:
        """Return the repair that leaves the earlier rows out, where all pairs are known."""
        rows = crossed.alike.numbers
        if self.drawn_one_of > 1 or not self.all_compared or not rows:
            summary = f"look at the pairs, then drop the copies from {crossed.earlier}"
            return Advise(safety=Safety.MANUAL, summary=summary)
        summary = f"drop the texts from {crossed.earlier} that nearly stand in {crossed.later}"
        return DropRows(split=crossed.earlier, rows=rows, safety=Safety.UNSAFE, summary=summary)

    @classmethod
    def measure(
        cls, table: Table, texts: TextColumns, hashes: RowHashes, repeated: RepeatedRows, roles: Roles
    ) -> "TextPairs":
        """Sketch the texts, compare those that may be alike, and count.

        Raises
        ------
        NotApplicable
            Where no column of texts is in every split.
        """
        everywhere = [column for column in texts.columns if set(column.splits) == set(table.splits)]
        columns = [column for column in everywhere if column.name != roles.target]
        if not columns:
            raise NotApplicable("no column of texts is in every split")
        counts = TextCounts(table, TextRows.read(table, columns), hashes, repeated)
        names = list(table.splits)
        twins = [
            TextTwins(
                split=name,
                rows=table.splits[name],
                read_rows=counts.read_rows(number),
                equal=counts.equal_within(number),
                near=counts.near_within(number),
                inside=counts.inside_within(number),
            )
            for number, name in enumerate(names)
        ]
        crossings = []
        for earlier, later in combinations(range(len(names)), 2):
            alike, equal_rows, later_numbers = counts.across(earlier, later)
            crossings.append(
                TextCrossing(
                    earlier=names[earlier],
                    later=names[later],
                    later_rows=table.splits[names[later]],
                    read_rows=counts.read_rows(later),
                    equal_rows=equal_rows,
                    alike=alike,
                    later_numbers=later_numbers,
                )
            )
        return cls(
            columns=tuple(column.name for column in columns),
            min_shared=MIN_SHARED,
            splits=tuple(twins),
            crossings=tuple(crossings),
            drawn_one_of=counts.rows.drawn_one_of,
            compared_pairs=counts.near.compared,
            all_compared=counts.near.all_compared and counts.inside.all_compared,
            counts=counts,
        )
