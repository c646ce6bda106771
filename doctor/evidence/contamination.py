"""Texts of a later split, or of given benchmarks, that stand in the texts that are trained on."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.keys import Keys
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.splits import pairs_of
from doctor.evidence.text_pairs import TextPairs
from doctor.evidence.word_runs import Contained, Index, words_of_text
from doctor.subjects import sql
from doctor.subjects.benchmarks import Benchmarks
from doctor.subjects.table import Kind, Table

MAX_LATER = 20_000
"""Later texts that are looked for, drawn by hash."""
MAX_LETTERS = 60_000_000
"""Of earlier texts that are read, drawn by hash; some ten million words."""
BATCH = 20_000
MAX_EXAMPLES = 5
LETTERS_SEEN = 5_000
"""Values of a column whose mean length is taken."""
MIN_SPOKEN = 25.0
"""Mean letters of a value, below which a column of a benchmark holds no texts."""

Array = np.ndarray[Any, Any]


class Overlap(Struct, frozen=True, kw_only=True):
    """One column of texts, and the earlier texts in which they stand.

    Attributes
    ----------
    benchmark : str or None
        Path of the benchmark; None for a later split of the table itself.
    later_rows, looked_for : int
        Rows of the later side, and texts of it that have enough words and were looked for.
    earlier_rows, read_rows : int
        Rows that are trained on, and those of them that were read.
    found : tuple of Contained
        By the numbers of rows: `text` in the later table, `source` and `sources` in this one, counted from 0.
        The most of whose words stand there come first.
    examples : tuple of (int, int)
        Some of these later rows and their sources, as a person counts rows.
    file : str or None
        Of the first later row, or where that is a benchmark's, of its source.
    """

    benchmark: str | None
    earlier: str
    later: str
    column: str
    later_rows: int
    looked_for: int
    earlier_rows: int
    read_rows: int
    found: tuple[Contained, ...]
    examples: tuple[tuple[int, int], ...]
    file: str | None


class Contamination(Struct, frozen=True, kw_only=True):
    """All columns of texts against all that is later."""

    COST: ClassVar[int] = 60

    overlaps: tuple[Overlap, ...]

    @classmethod
    def measure(
        cls, table: Table, keys: Keys, hashes: RowHashes, benchmarks: Benchmarks | None, alike: TextPairs | None
    ) -> "Contamination":
        """Look up the earlier texts in an index of the later ones; rows whose texts are nearly equal are left out.

        Raises
        ------
        NotApplicable
            Where there are no texts, or nothing later than what is trained on.
        """
        prose = [name for name, shape in keys.shapes.items() if shape.prose]
        spoken = [*prose, *(column.name for column in table.columns if column.kind is Kind.OTHER)]
        if not spoken:
            raise NotApplicable("no column holds texts")
        known = benchmarks.tables if benchmarks else ()
        pairs = pairs_of(table) if not known or len(table.splits) > 1 else []
        crossings = alike.crossings if alike is not None else ()
        told = {(one.earlier, one.later): one.later_numbers for one in crossings if one.sure_rows >= 1}
        none = np.empty(0, dtype=np.int64)
        overlaps: list[Overlap] = []
        for earlier, later in pairs:
            for name in prose:
                if {earlier, later} <= set(table.column(name).splits):
                    overlaps.append(_across(table, hashes, name, earlier, later, told.get((earlier, later), none)))
        trained = "train" if "train" in table.splits else next(iter(table.splits))
        for path, benchmark in known:
            for column in _texts_of(benchmark):
                overlaps += [_of_benchmark(table, trained, name, path, benchmark, column) for name in spoken]
        return cls(overlaps=tuple(overlaps))


def _across(table: Table, hashes: RowHashes, name: str, earlier: str, later: str, told: Array) -> Overlap:
    texts, rows = _drawn(table, name, later, MAX_LATER)
    index = Index(texts)
    met, read = _found(table, name, earlier, index, rows)
    alone = set(hashes.features) <= {name}
    copied = _copied(table, hashes, earlier, [one.text for one in met]) | frozenset(told.tolist())
    found = [one for one in met if one.text not in copied and not (alone and one.whole)]
    return Overlap(
        benchmark=None,
        earlier=earlier,
        later=later,
        column=name,
        later_rows=table.splits[later],
        looked_for=index.readable,
        earlier_rows=table.splits[earlier],
        read_rows=read,
        found=tuple(found),
        examples=tuple((table.place(one.text)[1], table.place(one.source)[1]) for one in found[:MAX_EXAMPLES]),
        file=str(table.place(found[0].text)[0]) if found else None,
    )


def _of_benchmark(table: Table, trained: str, name: str, path: str, benchmark: Table, column: str) -> Overlap:
    texts, rows = _drawn(benchmark, column, None, MAX_LATER)
    index = Index(texts)
    found, read = _found(table, name, trained, index, rows)
    return Overlap(
        benchmark=path,
        earlier=trained,
        later=column,
        column=name,
        later_rows=benchmark.rows,
        looked_for=index.readable,
        earlier_rows=table.splits[trained],
        read_rows=read,
        found=tuple(found),
        examples=tuple((benchmark.place(one.text)[1], table.place(one.source)[1]) for one in found[:MAX_EXAMPLES]),
        file=str(table.place(found[0].source)[0]) if found else None,
    )


def _texts_of(benchmark: Table) -> list[str]:
    """Return the columns of a benchmark that hold texts."""
    names = [column.name for column in benchmark.columns if column.kind is Kind.TEXT]
    return [name for name in names if _mean_letters(benchmark, name, None) >= MIN_SPOKEN]


def _mean_letters(table: Table, name: str, split: str | None) -> float:
    length = sql.call("length", sql.column("said"))
    source = table.select(sql.column(name).as_("said"))
    if split is not None:
        source = source.where(sql.column(sql.SPLIT).eq(sql.literal(split)))
    return float(table.ask(sql.select(sql.call("avg", length), source=source.limit(LETTERS_SEEN)))[0][0] or 0.0)


def _drawn(table: Table, name: str, split: str | None, limit: int) -> tuple[list[str], Array]:
    """Return texts and the rows that hold them; where there are more than the limit, drawn by hash."""
    value, row = sql.column(name), sql.column(sql.ROW)
    query = table.select(value.as_("said"), row.as_("row")).where(value.is_(sql.literal(None)).not_())
    if split is not None:
        query = query.where(sql.column(sql.SPLIT).eq(sql.literal(split)))
    rows = table.rows if split is None else table.splits[split]
    every = -(-rows // limit)
    if every > 1:
        query = query.where(sql.call("mod", sql.call("hash", value), every).eq(sql.literal(0)))
    answer = table.engine.arrays(query)
    order = np.argsort(np.asarray(answer["row"]))
    texts = np.ma.getdata(answer["said"])[order]
    return [str(text) for text in texts], np.asarray(answer["row"])[order]


def _found(table: Table, name: str, split: str, index: Index, rows: Array) -> tuple[list[Contained], int]:
    """Look up the earlier texts; texts are named by the rows that hold them."""
    if not index.readable:
        return [], 0
    letters = _mean_letters(table, name, split)
    texts, sources = _drawn(table, name, split, max(1, int(MAX_LETTERS / max(1.0, letters))))
    for first in range(0, len(texts), BATCH):
        index.look_up(texts[first : first + BATCH], first)
    lengths = _Lengths(texts)
    named = [
        Contained(
            text=int(rows[one.text]),
            source=int(sources[one.source]),
            share=one.share,
            whole=one.whole,
            sources=tuple(int(sources[source]) for source in one.sources),
        )
        for one in index.contained(lengths)
    ]
    return sorted(named, key=lambda one: (-one.share, one.text)), len(texts)


class _Lengths(Sequence[int]):
    """The number of words of each text, counted when asked for."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, place: Any) -> Any:
        return len(words_of_text(self._texts[place]))


def _copied(table: Table, hashes: RowHashes, earlier: str, rows: list[int]) -> frozenset[int]:
    """Return which rows are, in all features, a copy of an earlier one."""
    if not rows:
        return frozenset()
    copied: list[int] = []
    for chunk in _chunks(rows, 1_000):
        mine = sql.select(sql.column("row"), sql.column("feature_hash"), source=hashes.relation)
        mine = mine.where(exp.In(this=sql.column("row"), expressions=[sql.literal(number) for number in chunk]))
        wanted: dict[int, list[int]] = {}
        for number, code in table.ask(mine):
            wanted.setdefault(int(code), []).append(int(number))
        theirs = sql.select(sql.column("feature_hash"), source=hashes.relation).distinct()
        theirs = theirs.where(sql.column("split").eq(sql.literal(earlier)))
        theirs = theirs.where(
            exp.In(this=sql.column("feature_hash"), expressions=[sql.literal(code) for code in wanted])
        )
        copied += [number for (code,) in table.ask(theirs) for number in wanted[int(code)]]
    return frozenset(copied)


def _chunks(rows: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
