"""Rows with the same features and different labels, and how much of the target they leave undecided."""

import math
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.classes import Classes
from doctor.evidence.repeated_rows import MAX_GROUPS_READ, SPARE_BITS, Contents, RepeatedRows
from doctor.evidence.roles import Roles
from doctor.evidence.surprisal import Surprisal
from doctor.subjects.table import Table

MAX_MEMBERS = 10
"""Rows listed of one group; who compares them needs no more."""


class Conflict(Struct, frozen=True, kw_only=True):
    """A group of equal rows whose labels differ.

    Attributes
    ----------
    numbers : tuple of int
        `sql.ROW` of the first of them, those with the rarer labels of the group first.
    rows : tuple of int
        The same rows as a person counts them.
    file : str
        The file that holds the first of them.
    labels : tuple of str
        Their labels, as they stand.
    copies : int
        Labelled rows of the group.
    bits : float
        How unlikely it is that two rows agree like this by chance.
    """

    numbers: tuple[int, ...]
    rows: tuple[int, ...]
    file: str
    labels: tuple[str, ...]
    copies: int
    bits: float


class Conflicts(Struct, frozen=True, kw_only=True):
    """Groups of rows with equal features and more than one label, over all splits.

    Attributes
    ----------
    labelled_rows : int
        Rows that have a label.
    groups : int
        Groups with more than one label.
    rows : int
        Labelled rows in these groups.
    wrong_rows : int
        Rows that whoever sees only the features must get wrong: those without the commonest label of their group.
    surprising_share : float
        Share of `wrong_rows` whose group no coincidence explains, from `groups_read` groups drawn by hash.
    bound_bits : float
        Bits above which equal rows are no coincidence among so many pairs.
    surprising : tuple of Conflict
        The drawn groups above the bound, the most surprising first.
    natural : tuple of Conflict
        Some of the others, the largest first.
    """

    target: str
    labelled_rows: int
    groups: int
    rows: int
    wrong_rows: int
    surprising_share: float
    bound_bits: float
    median_bits: float
    groups_read: int
    surprising: tuple[Conflict, ...]
    natural: tuple[Conflict, ...]

    @property
    def floor(self) -> float:
        """Share of the labelled rows that no model of these features can get right."""
        return self.wrong_rows / self.labelled_rows if self.labelled_rows else 0.0

    @classmethod
    def measure(
        cls, table: Table, classes: Classes, repeated: RepeatedRows, surprisal: Surprisal, roles: Roles
    ) -> "Conflicts":
        """Count labels within the groups of equal rows that are stored already.

        Raises
        ------
        NotApplicable
            Where there is no class to conflict in, or where each item was labelled by several people.
        """
        if roles.annotators:
            raise NotApplicable("several people labelled each item; labels/low-agreement judges that")
        grouped = _grouped(repeated.relation)
        count, rows, wrong = table.ask(f"SELECT count(*), sum(times), sum(times - most) FROM ({grouped})")[0]
        # The order does not depend on where the rows stand.
        drawn = table.ask(f"SELECT * FROM ({grouped}) ORDER BY hash(mark), mark LIMIT {MAX_GROUPS_READ}")
        labelled = sum(classes.counts.values())
        bound = math.log2(max(1, labelled * (labelled - 1) / 2)) + SPARE_BITS
        bits, found = _read(table, classes.target, repeated, surprisal, drawn)
        weights = np.array([times - most for _, times, most, _ in drawn], dtype=float)
        surprising = bits > bound
        ranked = sorted(range(len(found)), key=lambda i: (-round(found[i].bits, 6), found[i].numbers))
        largest = sorted(range(len(found)), key=lambda i: (-found[i].copies, found[i].numbers))
        return cls(
            target=classes.target,
            labelled_rows=labelled,
            groups=int(count),
            rows=int(rows or 0),
            wrong_rows=int(wrong or 0),
            surprising_share=float(weights[surprising].sum() / weights.sum()) if len(drawn) else 0.0,
            bound_bits=bound,
            median_bits=float(np.median(bits)) if len(drawn) else 0.0,
            groups_read=len(drawn),
            surprising=tuple(found[i] for i in ranked if surprising[i]),
            natural=tuple(found[i] for i in largest if not surprising[i])[:MAX_MEMBERS],
        )


def _grouped(relation: str) -> str:
    """Write the query for groups with several labels; a missing label says nothing."""
    counted = (
        f'SELECT feature_hash, label_hash, count(*) AS times, min("row") AS first FROM "{relation}" '
        "WHERE label_hash <> hash(NULL) GROUP BY ALL"
    )
    return (
        "SELECT feature_hash AS mark, sum(times) AS times, max(times) AS most, min(first) AS first "
        f"FROM ({counted}) GROUP BY feature_hash HAVING count(*) > 1"
    )


def _read(
    table: Table,
    target: str,
    repeated: RepeatedRows,
    surprisal: Surprisal,
    drawn: list[tuple[int, int, int, int]],
) -> tuple[np.ndarray[Any, Any], list[Conflict]]:
    """Return the bits of the drawn groups, and the groups with their rows and labels."""
    if not drawn:
        return np.array([]), []
    listed = ", ".join(str(mark) for mark, *_ in drawn)
    counted = (
        'SELECT feature_hash, "row", count(*) OVER (PARTITION BY feature_hash, label_hash) AS alike '
        f'FROM "{repeated.relation}" WHERE feature_hash IN ({listed}) AND label_hash <> hash(NULL)'
    )
    answer = table.ask(
        f'SELECT feature_hash, "row" FROM ({counted}) '
        f'QUALIFY row_number() OVER (PARTITION BY feature_hash ORDER BY alike, "row") <= {MAX_MEMBERS} '
        'ORDER BY feature_hash, alike, "row"'
    )
    members: dict[int, list[int]] = {}
    for mark, row in answer:
        members.setdefault(mark, []).append(row)
    wanted = [row for rows in members.values() for row in rows]
    contents = Contents.read(table, repeated.source, wanted, (*surprisal.columns, target))
    firsts = [members[mark][0] for mark, *_ in drawn]
    bits = surprisal.bits(contents.at(firsts, surprisal.columns))
    return bits, [
        Conflict(
            numbers=tuple(members[mark]),
            rows=table.numbers(members[mark]),
            file=str(table.place(members[mark][0])[0]),
            labels=tuple(map(_shown, contents.at(members[mark], (target,))[target])),
            copies=int(times),
            bits=float(own),
        )
        for (mark, times, _, _), own in zip(drawn, bits, strict=True)
    ]


def _shown(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)
