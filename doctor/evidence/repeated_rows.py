"""Rows whose features occur more than once, within a split or across splits, with how surprising each repetition is."""

import math
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.row_hashes import RowHashes, fold
from doctor.evidence.sample import coded
from doctor.evidence.surprisal import Surprisal
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

Array = np.ndarray[Any, Any]

MAX_GROUPS_READ = 500
MAX_ROWS_KEPT = 50_000
MAX_EXAMPLES = 5
MAX_ROWS_SHOWN = 10
SPARE_BITS = 10
"""Bits beyond the logarithm of the number of pairs: one coincidence in 2^10 tables of this size."""


class Example(Struct, frozen=True, kw_only=True):
    """A group of equal rows: how many, the first of them as a person counts rows, in which file, and its bits.

    Where each row is a document in a file of its own, `files` names that of each.
    """

    copies: int
    rows: tuple[int, ...]
    bits: float
    file: str | None = None
    files: tuple[str, ...] = ()


class Repeats(Struct, frozen=True, kw_only=True):
    """Equal rows within one split.

    Attributes
    ----------
    extra_rows : int
        Rows beyond the first of each group.
    groups : int
        Groups of equal rows.
    surprising_share : float
        Share of `extra_rows` that no coincidence explains, from `groups_read` groups drawn by hash.
    bound_bits : float
        Bits above which a repetition is no coincidence among so many pairs of rows.
    """

    split: str
    rows: int
    extra_rows: int
    groups: int
    surprising_share: float
    bound_bits: float
    median_bits: float
    groups_read: int
    examples: tuple[Example, ...]

    @property
    def share(self) -> float:
        """Extra rows per row of the split."""
        return self.extra_rows / self.rows if self.rows else 0.0


class Contents(Struct, frozen=True, kw_only=True):
    """The content of some rows, read in one pass.

    Attributes
    ----------
    place : dict of int to int
        Where each row stands in the arrays.
    values : dict of str to ndarray, shape (rows,)
        Values by column, coded as in `Sample`.
    """

    place: dict[int, int]
    values: dict[str, Array]

    @classmethod
    def read(cls, table: Table, source: str, rows: Iterable[int], columns: Iterable[str]) -> "Contents":
        """Read rows of a relation that has the table's columns."""
        wanted = sorted(set(rows))
        names = list(dict.fromkeys(columns))
        row = sql.column(sql.ROW)
        listed = exp.In(this=row, expressions=[sql.literal(number) for number in wanted] or [sql.literal(-1)])
        query = sql.select(*map(sql.column, names), row, source=source).where(listed)
        answer = table.engine.arrays(query) if wanted else {name: np.array([]) for name in (*names, sql.ROW)}
        place = {int(number): i for i, number in enumerate(np.asarray(answer[sql.ROW]))}
        return cls(place=place, values={name: coded(answer[name], table.column(name)) for name in names})

    def at(self, rows: Sequence[int], columns: Iterable[str]) -> dict[str, Array]:
        """Return the values of some of the rows, in the given order."""
        order = np.array([self.place[number] for number in rows], dtype=int)
        return {name: self.values[name][order] for name in columns}


class Meeting(Struct, frozen=True, kw_only=True):
    """Rows of two splits with equal features: how many, and the first of each split."""

    mark: int
    copies: int
    original: int
    copy: int


class RepeatedRows(Struct, frozen=True, kw_only=True):
    """What repeats in a table.

    Attributes
    ----------
    relation : str
        A stored table with the columns of `RowHashes.relation`, only rows whose features occur more than once, and as
        UBIGINT `row_hash` (all columns as they are) and `label_hash` (the target, text without case, blanks around it
        and final dots).
    whole : tuple of Repeats
        Per split, rows equal in every column.
    apart_from_ids : tuple of Repeats
        Per split, rows equal in features and label, where `ids` were left out and that finds more.
    ids : tuple of str
        The columns left out.
    meetings : dict of (str, str) to list of Meeting
        For each pair of splits, groups that both have, drawn by hash.
    contents : Contents
        Of the rows named in `meetings` and of the first row of each group that was judged.
    source : str
        A relation with the whole content of the rows of `relation`.
    """

    relation: str
    source: str
    features: tuple[str, ...]
    ids: tuple[str, ...]
    whole: tuple[Repeats, ...]
    apart_from_ids: tuple[Repeats, ...]
    meetings: dict[tuple[str, str], list[Meeting]]
    contents: Contents

    @classmethod
    def measure(
        cls, table: Table, hashes: RowHashes, roles: Roles, surprisal: Surprisal, profile: Profile
    ) -> "RepeatedRows":
        """Group the stored hashes once; only what repeats is read again."""
        alike = _alike(table, hashes)
        source_of_content = _content(table, alike)
        relation = table.engine.keep("repeated", _with_other_hashes(table, hashes, roles, alike, source_of_content))
        marks = {"whole": "row_hash"} | ({"apart": "hash(feature_hash, label_hash)"} if hashes.ids else {})
        groups = {
            (kind, split): Groups.of(table, relation, split, mark)
            for kind, mark in marks.items()
            for split in table.splits
        }
        meetings = {pair: _meetings(table, relation, pair) for pair in combinations(table.splits, 2)}
        # One pass over the table reads the content of every row that is judged.
        rows = [first for found in groups.values() for _, _, first in found.drawn]
        rows += [row for met in meetings.values() for one in met for row in (one.original, one.copy)]
        contents = Contents.read(table, source_of_content, rows, (*surprisal.columns, *hashes.features))
        known = max((math.log2(max(1, profile[name].distinct)) for name in hashes.ids), default=0.0)
        repeats = {
            key: _repeats(table, relation, found, surprisal, contents, known if key[0] == "whole" else 0.0)
            for key, found in groups.items()
        }
        whole = tuple(repeats["whole", split] for split in table.splits)
        apart = tuple(repeats["apart", split] for split in table.splits) if hashes.ids else ()
        more = tuple(loose for loose, exact in zip(apart, whole, strict=False) if loose.extra_rows > exact.extra_rows)
        return cls(
            relation=relation,
            source=source_of_content,
            features=hashes.features,
            ids=hashes.ids,
            whole=whole,
            apart_from_ids=more,
            meetings=meetings,
            contents=contents,
        )


def _alike(table: Table, hashes: RowHashes) -> str:
    """Store the hashes that occur more than once; to sort them as an array is cheaper than to group them."""
    source = sql.name(hashes.relation)
    query = f"SELECT * FROM {source} SEMI JOIN {{}} USING (feature_hash)"
    if table.rows > table.engine.max_rows_fetched:
        twice = f"(SELECT feature_hash FROM {source} GROUP BY feature_hash HAVING count(*) > 1)"
        return table.engine.keep("alike", query.format(twice))
    ordered = _sorted(np.asarray(table.engine.arrays(f"SELECT feature_hash FROM {source}")["feature_hash"]))
    repeated = {"feature_hash": np.unique(ordered[1:][ordered[1:] == ordered[:-1]])}
    with table.engine.lent("twice", repeated) as twice:
        return table.engine.keep("alike", query.format(sql.name(twice)))


def _sorted(hashes: Array) -> Array:
    """Sort on two threads, each the numbers of one half of the range."""
    low = hashes < np.uint64(1 << 63)
    with ThreadPoolExecutor(2) as pool:
        return np.concatenate(list(pool.map(np.sort, (hashes[low], hashes[~low]))))


def _content(table: Table, alike: str) -> str:
    """Return a relation with the whole content of the rows of `alike`; read once where these are few."""
    if table.ask(f'SELECT count(*) FROM "{alike}"')[0][0] > MAX_ROWS_KEPT:
        return table.relation
    names = [column.name for column in table.columns]
    return table.engine.keep("content", rows_of(table, f'SELECT "row" FROM "{alike}"', names))


def rows_of(table: Table, numbers: str, columns: Iterable[str]) -> str:
    """Write the query for columns of the rows whose numbers another query gives in its column `row`."""
    wanted = ", ".join(f"data.{sql.name(name)}" for name in dict.fromkeys((*columns, sql.ROW)))
    return f'SELECT {wanted} FROM "{table.relation}" data SEMI JOIN ({numbers}) wanted ON data.{sql.ROW} = wanted."row"'


def _with_other_hashes(table: Table, hashes: RowHashes, roles: Roles, alike: str, content: str) -> str:
    """Write the query for rows of `alike` with two more hashes; of the table it reads only what these need."""
    features = sql.column("feature_hash", "alike")
    rest = [sql.column(name, "data") for name in hashes.rest]
    wanted = (
        sql.column("row", "alike").as_("row"),
        sql.column("split", "alike"),
        features,
        sql.row_hash([features, *rest]).as_("row_hash"),
        sql.row_hash([_label(table, roles.target)]).as_("label_hash"),
    )
    rows = exp.select(*wanted).from_(sql.relation(content).as_("data"))
    same = sql.column(sql.ROW, "data").eq(sql.column("row", "alike"))
    return sql.text(rows.join(sql.relation(alike).as_("alike"), on=same))


def _label(table: Table, target: str | None) -> sql.Expression:
    if target is None:
        return sql.literal(0)
    name = sql.column(target, "data")
    return sql.call("rtrim", fold(name), ".") if table.column(target).kind is Kind.TEXT else name


class Groups(Struct, frozen=True, kw_only=True):
    """Groups of equal rows within a split, in numbers of rows; `drawn` has mark, copies and first row of some."""

    split: str
    mark: str
    groups: int
    total: int
    drawn: list[tuple[int, int, int]]

    @classmethod
    def of(cls, table: Table, relation: str, split: str, mark: str) -> "Groups":
        """Count the groups and draw some by hash."""
        name = sql.quoted(split)
        grouped = (
            f'SELECT {mark} AS mark, count(*) AS copies, min("row") AS first FROM "{relation}" '
            f"WHERE split = {name} GROUP BY mark HAVING count(*) > 1"
        )
        groups, total = table.ask(f"SELECT count(*), coalesce(sum(copies), 0) FROM ({grouped})")[0]
        drawn = table.ask(f"SELECT * FROM ({grouped}) ORDER BY hash(mark), mark LIMIT {MAX_GROUPS_READ}")
        return cls(split=split, mark=mark, groups=int(groups), total=int(total), drawn=drawn)


def crossing(relation: str, pair: tuple[str, str], mark: str) -> str:
    """Write the query for groups of equal rows that both splits have."""
    first, second = (sql.quoted(split) for split in pair)
    return (
        f"SELECT {mark} AS mark, count_if(split = {first}) AS originals, count_if(split = {second}) AS copies, "
        f'min("row") FILTER (split = {first}) AS original, min("row") FILTER (split = {second}) AS copy '
        f'FROM "{relation}" WHERE split IN ({first}, {second}) GROUP BY mark '
        "HAVING originals > 0 AND copies > 0"
    )


def _meetings(table: Table, relation: str, pair: tuple[str, str]) -> list[Meeting]:
    query = f"SELECT * FROM ({crossing(relation, pair, 'feature_hash')}) ORDER BY hash(mark), mark"
    return [
        Meeting(mark=mark, copies=copies, original=original, copy=copy)
        for mark, _, copies, original, copy in table.ask(f"{query} LIMIT {MAX_GROUPS_READ}")
    ]


def _repeats(
    table: Table, relation: str, found: Groups, surprisal: Surprisal, contents: Contents, known_bits: float
) -> Repeats:
    split, mark, groups, total, drawn = found.split, found.mark, found.groups, found.total, found.drawn
    rows = table.splits[split]
    bound = math.log2(max(1, rows * (rows - 1) / 2)) + SPARE_BITS
    name = sql.quoted(split)
    weights = np.array([copies - 1 for _, copies, _ in drawn], dtype=float)
    bits = known_bits + surprisal.bits(contents.at([first for *_, first in drawn], surprisal.columns))
    surprising = bits > bound
    ranked = sorted(range(len(drawn)), key=lambda i: (not surprising[i], -drawn[i][1], drawn[i][0]))[:MAX_EXAMPLES]
    examples = tuple(
        _example(table, drawn[i][1], float(bits[i]), _members(table, relation, name, mark, drawn[i][0])) for i in ranked
    )
    return Repeats(
        split=split,
        rows=rows,
        extra_rows=total - groups,
        groups=groups,
        surprising_share=float(weights[surprising].sum() / weights.sum()) if len(drawn) else 0.0,
        bound_bits=bound,
        median_bits=float(np.median(bits)) if len(drawn) else 0.0,
        groups_read=len(drawn),
        examples=examples,
    )


def _example(table: Table, copies: int, bits: float, rows: Sequence[int]) -> Example:
    files = tuple(str(table.place(row)[0]) for row in rows)
    apart = files if all(part.form and part.form.whole for part in table.parts) else ()
    return Example(copies=copies, bits=bits, rows=table.numbers(rows), file=files[0] if files else None, files=apart)


def _members(table: Table, relation: str, split: str, mark: str, value: int) -> list[int]:
    found = table.ask(
        f'SELECT "row" FROM "{relation}" WHERE split = {split} AND {mark} = {value} ORDER BY 1 LIMIT {MAX_ROWS_SHOWN}'
    )
    return [row for (row,) in found]
