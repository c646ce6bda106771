"""Rows of one split that nearly equal a row of another: numbers within a tolerance, text but for its typography.

Two values within a tolerance fall into one bin of a wide grid or into one bin of the same grid moved by half a bin,
unless both bounds lie between them. Bins of several columns are hashed in bands, so that a difference near a bound in
one band is found by another; what shares a hash is then compared value by value.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import MAX_FINITE
from doctor.evidence.repeated_rows import MAX_GROUPS_READ, SPARE_BITS, Contents, rows_of
from doctor.evidence.row_hashes import RowHashes, fold, fold_punctuation
from doctor.evidence.sample import Sample
from doctor.evidence.splits import pairs_of
from doctor.evidence.surprisal import Surprisal
from doctor.evidence.text_columns import TextColumns
from doctor.model import facts_of
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

Array = np.ndarray[Any, Any]

TOLERANCE = 0.01
"""Of a column's robust standard deviation."""
RING = 4.0
"""Pairs up to so many tolerances apart show how dense the data are."""
BIN = 4.0 * RING
"""Width of a bin, in tolerances."""
MIN_LEVELS = 30
MAX_PROBES = 20_000
MAX_IN_BIN = 50
MAX_PAIRS = 100_000
MAX_BAND = 12
LARGE_TABLE = 1_000_000
MAX_EXAMPLES = 5


class NearCrossing(Struct, frozen=True, kw_only=True):
    """Rows of `later` with a near, not equal, row in `earlier`.

    Attributes
    ----------
    probed_rows : int
        Rows of the later split that were looked up, drawn by hash.
    near_rows : int
        Those with a row of the earlier split within the tolerance in every column.
    near_pairs, ring_pairs : int
        Pairs within the tolerance, and pairs beyond it but within `RING` times it.
    surprising_share : float
        Share of `near_rows` that no coincidence explains.
    skipped_bins : int
        Bins too full to be searched.
    compared_pairs : int
        Pairs that met in a bin and were compared value by value.
    all_compared : bool
        False where more than `MAX_PAIRS` met; those of the last rows looked up were not compared.
    """

    earlier: str
    later: str
    later_rows: int
    probed_rows: int
    near_rows: int
    near_pairs: int
    ring_pairs: int
    surprising_share: float
    bound_bits: float
    median_bits: float
    skipped_bins: int
    compared_pairs: int
    all_compared: bool
    examples: tuple[tuple[int, int], ...]
    """Row of the later split and of the earlier one, as a person counts rows."""
    file: str | None = None

    @property
    def share(self) -> float:
        """Near rows per row looked up."""
        return self.near_rows / self.probed_rows if self.probed_rows else 0.0

    @property
    def judged(self) -> dict[str, Any]:
        """What a finding says of it."""
        facts = facts_of(self)
        del facts["file"]
        examples = [{"row": row, "original": original} for row, original in self.examples]
        return {**facts, "share": self.share, "examples": examples}


class NearRows(Struct, frozen=True, kw_only=True):
    """Near copies for each pair of splits; empty where no column can be nearly equal but texts, of `TextPairs`."""

    tolerance: float
    crossings: tuple[NearCrossing, ...]

    @classmethod
    def measure(
        cls, table: Table, hashes: RowHashes, sample: Sample, surprisal: Surprisal, texts: TextColumns | None
    ) -> "NearRows":
        """Look up rows of the later split among all of the earlier one."""
        pairs = pairs_of(table)
        close = closeness(table, hashes, sample)
        if (not close and not hashes.prose) or told_by_texts(hashes, close, texts):
            return cls(tolerance=TOLERANCE, crossings=())
        keys, banded = band_keys(table, hashes, sample, close)
        return cls(
            tolerance=TOLERANCE,
            crossings=tuple(_search(table, hashes, surprisal, pair, close, keys, banded) for pair in pairs),
        )


def told_by_texts(hashes: RowHashes, close: dict[str, float], texts: TextColumns | None) -> bool:
    """Whether the rows can be nearly equal in nothing but columns of free text, in which they are compared anyway."""
    return not close and texts is not None and hashes.prose <= set(texts.names)


def closeness(table: Table, hashes: RowHashes, sample: Sample) -> dict[str, float]:
    """Return the tolerance of each column whose values are many and numbers."""
    found = {}
    once = np.unique(sample.key, return_index=True)[1]
    for name in hashes.features:
        if not table.column(name).numeric:
            continue
        values = sample.columns[name][once]
        values = values[np.abs(values) < MAX_FINITE]
        if len(np.unique(values)) < MIN_LEVELS:
            continue
        spread = float(np.subtract(*np.quantile(values, [0.75, 0.25]))) / 1.349
        if spread > 0:
            found[name] = TOLERANCE * spread
    return found


def _folded(table: Table, hashes: RowHashes, name: str, alias: str | None = None) -> sql.Expression:
    value = sql.column(name, alias)
    if name in hashes.prose:
        return fold_punctuation(value)
    return fold(value) if table.column(name).kind is Kind.TEXT else value


def band_keys(
    table: Table, hashes: RowHashes, sample: Sample, close: dict[str, float]
) -> tuple[list[sql.Expression], list[str]]:
    """Write the hashes under which near rows meet, each band on both grids with the text; name its columns."""
    others = [name for name in hashes.features if name not in close]
    if table.rows > LARGE_TABLE:
        others = [name for name in others if name in hashes.prose]
    exact = [_folded(table, hashes, name) for name in others]
    if not close:
        return [sql.row_hash(exact)], []
    wanted = math.log2(max(2, table.rows)) + 4
    bands: list[list[str]] = [[]]
    bits = 0.0
    gains = {name: _bin_bits(sample.columns[name], BIN * width) for name, width in close.items()}
    for name in sorted(gains, key=lambda name: (-gains[name], name)):
        if bits >= wanted or len(bands[-1]) >= MAX_BAND:
            bands.append([])
            bits = 0.0
        bands[-1].append(name)
        bits += gains[name]
    if len(bands) > 1 and bits < wanted:
        bands.pop()
    bands = bands[: 1 if table.rows > LARGE_TABLE else 3]
    keys: list[sql.Expression] = [
        sql.row_hash([*(part.copy() for part in exact), *(_bin(name, BIN * close[name], shift) for name in band)])
        for band in bands
        for shift in (0.0, 0.5)
    ]
    return keys, [name for band in bands for name in band]


def _bin(name: str, width: float, shift: float) -> sql.Expression:
    scaled = exp.Div(this=sql.column(name), expression=sql.literal(width))
    return sql.call("round", exp.Add(this=scaled, expression=sql.literal(shift)))


def _bin_bits(values: Array, width: float) -> float:
    """Bits of agreement in one bin: minus the logarithm of the chance that two rows share it."""
    bins = np.round(values[np.isfinite(values)] / width)
    shares = np.unique(bins, return_counts=True)[1] / max(1, len(bins))
    return float(-np.log2((shares**2).sum())) if len(bins) else 0.0


class Met(NamedTuple):
    """What a search for near rows came to: pairs (probe, hit, distance in tolerances), and how it went."""

    near: list[tuple[int, int, float]]
    content: str
    compared: int
    probed: int
    skipped: int


def _search(
    table: Table,
    hashes: RowHashes,
    surprisal: Surprisal,
    pair: tuple[str, str],
    close: dict[str, float],
    keys: list[sql.Expression],
    banded: list[str],
) -> NearCrossing:
    earlier, later = pair
    n, m = table.splits[earlier], table.splits[later]
    met = search_pairs(table, hashes, surprisal, pair, close, keys, banded)
    inside = [(probe, hit) for probe, hit, distance in met.near if distance <= 1]
    first: dict[int, int] = {}
    for probe, hit in inside:
        first.setdefault(probe, hit)
    read = list(first)[:MAX_GROUPS_READ]
    contents = Contents.read(table, met.content, read, surprisal.columns)
    bits = surprisal.bits(contents.at(read, surprisal.columns), close)
    bound = math.log2(n * m) + SPARE_BITS
    return NearCrossing(
        earlier=earlier,
        later=later,
        later_rows=m,
        probed_rows=met.probed,
        near_rows=len(first),
        near_pairs=len(inside),
        ring_pairs=len(met.near) - len(inside),
        surprising_share=float((bits > bound).mean()) if read else 0.0,
        bound_bits=bound,
        median_bits=float(np.median(bits)) if read else 0.0,
        skipped_bins=met.skipped,
        compared_pairs=met.compared,
        all_compared=met.compared <= MAX_PAIRS,
        examples=tuple((table.place(probe)[1], table.place(first[probe])[1]) for probe in read[:MAX_EXAMPLES]),
        file=str(table.place(read[0])[0]) if read else None,
    )


def search_pairs(
    table: Table,
    hashes: RowHashes,
    surprisal: Surprisal,
    pair: tuple[str, str],
    close: dict[str, float],
    keys: list[sql.Expression],
    banded: list[str],
) -> Met:
    """Look rows of the later split up among those of the earlier one; of one split, each among those before it."""
    earlier, later = pair
    engine = table.engine
    every = -(-table.splits[later] // MAX_PROBES)
    named = [key.as_(f"k{i}") for i, key in enumerate(keys)]
    # The columns of the bands are kept too, so that chance meetings are dropped without reading the table again.
    named += [sql.column(name).as_(f"c{i}") for i, name in enumerate(banded)]
    far = "".join(f" AND coalesce(abs(p.c{i} - h.c{i}), 0) <= {RING * close[name]!r}" for i, name in enumerate(banded))
    split, row = sql.column(sql.SPLIT), sql.column(sql.ROW)
    second = sql.quoted(later)
    drawn = engine.keep(
        "drawn", f'SELECT "row" FROM "{hashes.relation}" WHERE split = {second} AND hash(feature_hash) % {every} = 0'
    )
    hashed = sql.text(table.select(row.as_("row"), *named).where(split.eq(sql.literal(later))))
    probes = engine.keep("probes", f'SELECT * FROM ({hashed}) SEMI JOIN "{drawn}" USING ("row")')
    hashed = sql.text(table.select(row.as_("row"), *named).where(split.eq(sql.literal(earlier))))
    either = " OR ".join(f'k{i} IN (SELECT k{i} FROM "{probes}")' for i in range(len(keys)))
    hits = engine.keep("hits", f"SELECT * FROM ({hashed}) WHERE {either}")
    full = " UNION ALL ".join(
        f'SELECT {i} AS band, k{i} AS k FROM "{hits}" GROUP BY k{i} HAVING count(*) > {MAX_IN_BIN}'
        for i in range(len(keys))
    )
    crowded = engine.keep("crowded", full)
    met = " UNION ".join(
        f'SELECT p."row" AS probe, h."row" AS hit FROM "{probes}" p JOIN "{hits}" h USING (k{i}) '
        f'WHERE k{i} NOT IN (SELECT k FROM "{crowded}" WHERE band = {i}){far}'
        for i in range(len(keys))
    )
    # Rows with equal features are told by their hash; reading them again would find nothing new.
    hash_of = f'JOIN "{hashes.relation}"'
    apart = f'{hash_of} a ON a."row" = probe {hash_of} b ON b."row" = hit WHERE a.feature_hash <> b.feature_hash'
    apart += " AND hit < probe" if earlier == later else ""
    met = engine.keep("met", f"SELECT probe, hit FROM ({met}) {apart} ORDER BY probe, hit LIMIT {MAX_PAIRS + 1}")
    content, near = table.relation, []
    compared = int(engine.rows(f'SELECT count(*) FROM "{met}"')[0][0])
    if compared:
        rows = f'SELECT probe AS "row" FROM "{met}" UNION SELECT hit FROM "{met}"'
        content = engine.keep("content", rows_of(table, rows, (*hashes.features, *surprisal.columns)))
        near = _compare(table, hashes, close, met, content)
    return Met(
        near=near,
        content=content,
        compared=compared,
        probed=int(engine.rows(f'SELECT count(*) FROM "{probes}"')[0][0]),
        skipped=int(engine.rows(f'SELECT count(*) FROM "{crowded}"')[0][0]),
    )


def _compare(
    table: Table, hashes: RowHashes, close: dict[str, float], met: str, content: str
) -> list[tuple[int, int, float]]:
    """Return the pairs that differ, but by no more than `RING` tolerances, with their distance in tolerances."""
    distances = ["0.0"]
    same = []
    different = []
    for name in hashes.features:
        one, other = (sql.text(sql.column(name, alias)) for alias in ("a", "b"))
        different.append(f"{one} IS DISTINCT FROM {other}")
        if name in close:
            step = f"abs({one} - {other}) / {close[name]!r}"
            distances.append(f"coalesce({step}, if({one} IS NOT DISTINCT FROM {other}, 0.0, 1e9))")
        else:
            left, right = (sql.text(_folded(table, hashes, name, alias)) for alias in ("a", "b"))
            same.append(f"{left} IS NOT DISTINCT FROM {right}")
    relation = sql.name(content)
    where = " AND ".join([*same, f"({' OR '.join(different)})"])
    widest = f"greatest({', '.join(distances)})" if len(distances) > 1 else distances[0]
    apart = (
        f'SELECT probe, hit, {widest} AS distance FROM "{met}" '
        f"JOIN {relation} a ON a.{sql.ROW} = probe JOIN {relation} b ON b.{sql.ROW} = hit WHERE {where}"
    )
    return table.ask(f"SELECT probe, hit, distance FROM ({apart}) WHERE distance <= {RING} ORDER BY probe, hit")
