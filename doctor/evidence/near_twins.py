"""Rows of a split that nearly equal an earlier row of it, as stars around a row that stays."""

import math
from typing import ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable
from doctor.evidence.near_rows import MAX_PAIRS, TOLERANCE, band_keys, closeness, search_pairs, told_by_texts
from doctor.evidence.repeated_rows import MAX_GROUPS_READ, SPARE_BITS, Contents
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.sample import Sample
from doctor.evidence.surprisal import Surprisal
from doctor.evidence.text_columns import TextColumns
from doctor.subjects.table import Table

MAX_ROWS = 1_000_000
MAX_EXAMPLES = 5
MAX_NUMBERS = 1_000


class Twins(Struct, frozen=True, kw_only=True):
    """Near copies within one split.

    Attributes
    ----------
    probed_rows : int
        Rows that were looked up, drawn by hash.
    extra_rows : int
        Those within the tolerance of an earlier row that stays, in every column, and not equal to it.
    stars : int
        Rows that stay and have near copies.
    near_pairs, ring_pairs : int
        Pairs within the tolerance, and pairs beyond it but within four times it.
    surprising_share : float
        Share of `extra_rows` that no coincidence explains.
    numbers : tuple of int
        `extra_rows` as rows of the table counted from 0, the first 1,000.
    examples : tuple of (int, int)
        A near copy and the row that stays, as a person counts rows, in `file`.
    """

    split: str
    rows: int
    probed_rows: int
    extra_rows: int
    stars: int
    near_pairs: int
    ring_pairs: int
    surprising_share: float
    bound_bits: float
    median_bits: float
    all_compared: bool
    numbers: tuple[int, ...]
    examples: tuple[tuple[int, int], ...]
    file: str | None = None

    @property
    def share(self) -> float:
        """Near copies per row looked up."""
        return self.extra_rows / self.probed_rows if self.probed_rows else 0.0


class NearTwins(Struct, frozen=True, kw_only=True):
    """Near copies within each split."""

    COST: ClassVar[int] = 8

    tolerance: float
    features: tuple[str, ...]
    splits: tuple[Twins, ...]

    @classmethod
    def measure(
        cls, table: Table, hashes: RowHashes, sample: Sample, surprisal: Surprisal, texts: TextColumns | None
    ) -> "NearTwins":
        """Look each row up among those before it.

        Raises
        ------
        NotApplicable
            When no column can be nearly equal, or only texts can, which `TextPairs` compares.
        Unavailable
            When there are too many rows.
        """
        close = closeness(table, hashes, sample)
        if not close and not hashes.prose:
            raise NotApplicable("no column holds numbers of many values or sentences")
        if told_by_texts(hashes, close, texts):
            raise NotApplicable("only texts can be nearly equal here, which duplicates/near-duplicate-texts compares")
        if table.rows > MAX_ROWS:
            raise Unavailable(f"near copies are looked for among {MAX_ROWS:,} rows at most")
        keys, banded = band_keys(table, hashes, sample, close)
        found = []
        for split, rows in table.splits.items():
            if rows < 2:
                continue
            met = search_pairs(table, hashes, surprisal, (split, split), close, keys, banded)
            inside = [(probe, hit) for probe, hit, distance in met.near if distance <= 1]
            star = stars(inside)
            read = list(star)[:MAX_GROUPS_READ]
            contents = Contents.read(table, met.content, read, surprisal.columns)
            bits = surprisal.bits(contents.at(read, surprisal.columns), close)
            bound = math.log2(rows * (rows - 1) / 2) + SPARE_BITS
            found.append(
                Twins(
                    split=split,
                    rows=rows,
                    probed_rows=met.probed,
                    extra_rows=len(star),
                    stars=len(set(star.values())),
                    near_pairs=len(inside),
                    ring_pairs=len(met.near) - len(inside),
                    surprising_share=float((bits > bound).mean()) if read else 0.0,
                    bound_bits=bound,
                    median_bits=float(np.median(bits)) if read else 0.0,
                    all_compared=met.compared <= MAX_PAIRS,
                    numbers=tuple(star)[:MAX_NUMBERS],
                    examples=tuple((table.place(copy)[1], table.place(star[copy])[1]) for copy in read[:MAX_EXAMPLES]),
                    file=str(table.place(read[0])[0]) if read else None,
                )
            )
        return cls(tolerance=TOLERANCE, features=hashes.features, splits=tuple(found))


def stars(pairs: list[tuple[int, int]]) -> dict[int, int]:
    """Give each near copy the row that stays in its place.

    A row goes only if it is near a row that stays itself, so no chain of small steps makes one heap of all.

    Parameters
    ----------
    pairs : list of (int, int)
        A row and an earlier one near it.

    Returns
    -------
    dict of int to int
        By row that goes, in ascending order, the first row near it that stays.
    """
    near: dict[int, list[int]] = {}
    for row, earlier in pairs:
        near.setdefault(row, []).append(earlier)
    gone: dict[int, int] = {}
    for row in sorted(near):
        stays = [earlier for earlier in sorted(near[row]) if earlier not in gone]
        if stays:
            gone[row] = stays[0]
    return gone
