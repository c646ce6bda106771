"""Rows with the same text and different labels, beyond those that are equal in all features."""

from typing import Any

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.classes import Classes
from doctor.evidence.conflicts import MAX_MEMBERS, Conflict
from doctor.evidence.repeated_rows import MAX_GROUPS_READ
from doctor.evidence.roles import Roles
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.sample import codes_of
from doctor.evidence.text_pairs import TextPairs
from doctor.subjects import sql
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]


class TextConflicts(Struct, frozen=True, kw_only=True):
    """Groups of rows with one text and several labels, over all splits.

    Attributes
    ----------
    columns : tuple of str
        The columns of texts.
    beside : tuple of str
        Other features, on which the label may hang.
    labelled_rows : int
        Rows that have a label.
    groups, rows : int
        Groups with several labels, and the rows in them.
    wrong_rows : int
        Rows that whoever sees only the texts must get wrong, less those that are equal in all features and so are
        counted by `Conflicts`.
    surprising_share : float
        Share of the groups whose text no coincidence explains, of `groups_read` drawn by hash.
    surprising : tuple of Conflict
        The drawn groups of such texts, the most surprising first.
    """

    columns: tuple[str, ...]
    beside: tuple[str, ...]
    target: str
    labelled_rows: int
    groups: int
    rows: int
    wrong_rows: int
    surprising_share: float
    bound_bits: float
    groups_read: int
    surprising: tuple[Conflict, ...]

    @property
    def floor(self) -> float:
        """Share of the labelled rows that no model of these texts can get right, beside those of `Conflicts`."""
        return self.wrong_rows / self.labelled_rows if self.labelled_rows else 0.0

    @classmethod
    def measure(
        cls, table: Table, classes: Classes, pairs: TextPairs, hashes: RowHashes, roles: Roles
    ) -> "TextConflicts":
        """Count labels among the rows of each text that several rows have.

        Raises
        ------
        NotApplicable
            Where several people labelled each item.
        """
        if roles.annotators:
            raise NotApplicable("several people labelled each item; labels/low-agreement judges that")
        counts = pairs.counts
        several = np.bincount(counts.rows.text)[counts.rows.text] > 1
        rows, text = counts.rows.row[several], counts.rows.text[several]
        said, features = _labels(table, classes.target, hashes, rows)
        known = np.array([label is not None for label in said], dtype=bool)
        rows, text, said, features = rows[known], text[known], said[known], features[known]
        label = codes_of(np.array([_folded(value) for value in said.tolist()], dtype=object))
        within = _wrong(np.column_stack([text, codes_of(features)]), label)
        open_rows = _wrong(text[:, None], label)
        extra = np.zeros(int(text.max(initial=-1)) + 1, dtype=np.int64)
        for group, wrong in open_rows.items():
            extra[group[0]] += wrong
        for group, wrong in within.items():
            extra[group[0]] -= wrong
        found = np.flatnonzero(extra > 0)
        drawn = found[np.argsort(counts.rows.whole[found], kind="stable")[:MAX_GROUPS_READ]]
        bits, bound = counts.bits_of(drawn)
        groups = []
        for number, own in sorted(
            zip(drawn.tolist(), bits.tolist(), strict=True), key=lambda pair: (-pair[1], pair[0])
        ):
            if own > bound:
                groups.append(_conflict(table, rows, said, label, text == number, own))
        told = {*pairs.columns, classes.target}
        return cls(
            columns=pairs.columns,
            beside=tuple(name for name in hashes.features if name not in told),
            target=classes.target,
            labelled_rows=sum(classes.counts.values()),
            groups=len(found),
            rows=int(np.isin(text, found).sum()),
            wrong_rows=int(extra[found].sum()),
            surprising_share=float((bits > bound).mean()) if len(bits) else 0.0,
            bound_bits=bound,
            groups_read=len(drawn),
            surprising=tuple(groups),
        )


def _labels(table: Table, target: str, hashes: RowHashes, rows: Array) -> tuple[Array, Array]:
    """Return the label of each row as it stands, and the hash of its features."""
    if not len(rows):
        return np.empty(0, dtype=object), np.empty(0, dtype=np.uint64)
    with table.engine.lent("wanted", {"row": rows}) as lent:
        answer = table.engine.arrays(
            f'SELECT wanted."row" AS number, CAST(data.{sql.name(target)} AS VARCHAR) AS said, '
            f"marks.feature_hash AS mark FROM {sql.name(table.relation)} data "
            f'JOIN {sql.name(lent)} wanted ON data.{sql.ROW} = wanted."row" '
            f'JOIN {sql.name(hashes.relation)} marks ON marks."row" = wanted."row"'
        )
    numbers = np.asarray(answer["number"])
    order = np.argsort(numbers)[np.argsort(np.argsort(rows))]
    said = np.ma.getdata(answer["said"]).astype(object)
    said[np.ma.getmaskarray(answer["said"])] = None
    return said[order], np.asarray(answer["mark"])[order]


def _folded(label: str) -> str:
    return label.strip().lower().rstrip(".")


def _wrong(groups: Array, label: Array) -> dict[tuple[int, ...], int]:
    """Return, for each group, the rows without its commonest label."""
    if not len(label):
        return {}
    cells, times = np.unique(np.column_stack([groups, label]), axis=0, return_counts=True)
    most: dict[tuple[int, ...], int] = {}
    total: dict[tuple[int, ...], int] = {}
    for cell, count in zip(map(tuple, cells[:, :-1].tolist()), times.tolist(), strict=True):
        most[cell] = max(most.get(cell, 0), count)
        total[cell] = total.get(cell, 0) + count
    return {cell: total[cell] - most[cell] for cell in total}


def _conflict(table: Table, rows: Array, said: Array, label: Array, own: Array, bits: float) -> Conflict:
    alike = np.bincount(label[own])[label[own]]
    order = np.lexsort((rows[own], alike))[:MAX_MEMBERS]
    numbers = rows[own][order].tolist()
    return Conflict(
        numbers=tuple(numbers),
        rows=table.numbers(numbers),
        file=str(table.place(numbers[0])[0]),
        labels=tuple(str(value) for value in said[own][order]),
        copies=int(own.sum()),
        bits=bits,
    )
