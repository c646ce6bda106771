"""How unlikely it is that two rows agree by chance, in bits, from a sample of different rows.

Rows of a small domain (a dozen categories, four lengths to one decimal) repeat by nature; a copied row is one whose
content no two independent rows would share. Each column gives the bits of its value, less what a related column has
told already: columns are joined by the tree of largest mutual information (Chow and Liu, 1968). What the tree cannot
see, because it takes more than two columns to see it, is taken off all rows alike (see `coincidences`).
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec import Struct, structs

from doctor.evidence.coincidences import Steps, natural_bits
from doctor.evidence.keys import Keys
from doctor.evidence.profile import MAX_FINITE
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_COLUMNS = 64
MAX_ROWS = 30_000
MAX_ROWS_JOINED = 8_000
MAX_LEVELS = 16
MAX_COLUMN_BITS = 40.0
MAX_PROSE_BITS = 400.0
LETTERS_JUDGED = 20_000
"""Of a text whose words are counted; it has more than `MAX_PROSE_BITS` if they are worth any."""
SAME_SHARE = 0.9
"""Share of a column's entropy that its parent must tell for the column to add nothing."""
CONTINUOUS_SHARE = 0.9
ORDINARY = 0.25
"""Quantile of the rows' bits that is set against the pairs; a mean over pairs would be that of the commonest rows."""
WORD = re.compile(r"\w+")


class Surprisal(Struct, frozen=True, kw_only=True):
    """A model of a table's rows that gives the bits of a coincidence.

    Attributes
    ----------
    columns : tuple of str
        The columns that count; at most `MAX_COLUMNS`, those of largest entropy.
    rows : int
        Different rows from which it was learnt.
    unseen_bits : float
        Bits by which the tree overstates how unlikely it is that two rows agree, 0 where it does not.
    """

    columns: tuple[str, ...]
    rows: int
    unseen_bits: float = 0.0
    values: dict[str, "Values"]
    order: tuple[tuple[int, int], ...]
    """Column and parent, by position in `columns`, parents first; -1 for the root."""
    same: frozenset[int]
    """Columns that their parent determines."""
    together: dict[tuple[int, int], Array]
    """Pointwise mutual information, in bits, of the levels of column and parent."""

    @classmethod
    def measure(cls, table: Table, sample: Sample, keys: Keys, roles: Roles) -> "Surprisal":
        """Learn the model from the sample; copies count once."""
        _, first = np.unique(sample.key, return_index=True)
        first = first[:MAX_ROWS]
        names = [column.name for column in table.columns if column.name not in keys.names]
        if len(names) > 1:
            names = [name for name in names if name != roles.target]
        values = {
            name: Values.of(sample.columns[name][first], name in keys.shapes and keys.shapes[name].prose)
            for name in names or sample.columns
        }
        ranked = sorted(values, key=lambda name: (-values[name].entropy, name))[:MAX_COLUMNS]
        joined = {name: sample.columns[name][first[:MAX_ROWS_JOINED]] for name in ranked}
        levels = [values[name].level(joined[name]) for name in ranked]
        order, same, together = _tree(levels, [values[name].levels for name in ranked])
        tree = cls(
            columns=tuple(ranked),
            rows=len(first),
            values={name: values[name] for name in ranked},
            order=order,
            same=same,
            together=together,
        )
        return structs.replace(tree, unseen_bits=tree._unseen(joined))

    def _unseen(self, rows: Mapping[str, Array]) -> float:
        """Compare what the tree says of ordinary rows with the bits that pairs of rows show."""
        # Two columns hide nothing from the tree, and no few numbers determine prose.
        if len(self.columns) < 3 or any(self.values[name].words is not None for name in self.columns):
            return 0.0
        limit = natural_bits([self.values[name].steps(rows[name]) for name in self.columns])
        if limit == math.inf:
            return 0.0
        return max(0.0, float(np.quantile(self.bits(rows), ORDINARY)) - limit)

    def bits(self, rows: Mapping[str, Array], tolerance: Mapping[str, float] | None = None) -> Array:
        """Return the bits of each row.

        Parameters
        ----------
        rows : mapping of str to ndarray, shape (rows,)
            Values by column, coded as in `Sample`.
        tolerance : mapping of str to float, optional
            Columns in which an agreement within so much counts; others must be equal. The bits are those of the tree
            alone then, for `unseen_bits` are about equal rows.
        """
        within = tolerance or {}
        total = np.zeros(len(next(iter(rows.values()))))
        for child, parent in self.order:
            name = self.columns[child]
            own = self.values[name].bits(rows[name], within.get(name, 0.0))
            if child in self.same:
                continue
            if parent >= 0:
                above = self.columns[parent]
                shared = self.together[child, parent]
                own = own - shared[self.values[name].level(rows[name]), self.values[above].level(rows[above])]
            total += np.maximum(own, 0.0)
        return total if within else np.maximum(total - self.unseen_bits, 0.0)


class Values(Struct, frozen=True, kw_only=True):
    """What is known about the values of one column."""

    counts: dict[Any, int]
    total: int
    cuts: Array
    """Inner bounds of the levels of a numeric column; empty where each frequent value is a level."""
    ranks: dict[Any, int]
    missing: float
    entropy: float
    resolution_bits: float = 0.0
    ordered: Array | None = None
    words: dict[str, int] | None = None
    words_total: int = 0

    @property
    def levels(self) -> int:
        """Number of levels, the one for missing values included."""
        return (len(self.cuts) + 1 if self.ordered is not None else len(self.ranks) + 1) + 1

    @classmethod
    def of(cls, values: Array, prose: bool) -> "Values":
        """Count the values of different rows."""
        numeric = values.dtype != object
        gone = np.isnan(values) if numeric else np.array([value is None for value in values], dtype=bool)
        counts: Counter[str] = Counter()
        for value, times in Counter([] if numeric else values[~gone].tolist()).items():
            counts[fold_words(value)] += times
        ordered, times_each = np.unique(values[~gone], return_counts=True) if numeric else (None, [*counts.values()])
        shares = np.array([*times_each, int(gone.sum())], dtype=float)
        shares = shares[shares > 0] / max(1, len(values))
        entropy = float(-(shares * np.log2(shares)).sum())
        facts: dict[str, Any] = {"cuts": np.array([]), "ranks": _ranks(counts)}
        if ordered is not None:
            few = ordered
            ordered = np.repeat(ordered, times_each)
            finite = ordered[np.abs(ordered) < MAX_FINITE]
            inner = np.quantile(finite, np.linspace(0, 1, MAX_LEVELS)[1:-1]) if len(finite) else np.array([])
            facts["cuts"] = np.unique(inner) if len(few) >= MAX_LEVELS else few[1:] / 2 + few[:-1] / 2
            facts["ordered"] = ordered
            if len(few) > CONTINUOUS_SHARE * len(ordered) > 0:
                facts["resolution_bits"] = _resolution_bits(ordered)
        if prose:
            words: Counter[str] = Counter()
            for value, times in counts.items():
                for word in WORD.findall(value, 0, LETTERS_JUDGED):
                    words[word] += times
            facts["words"] = words
            facts["words_total"] = sum(facts["words"].values())
        return cls(counts=counts, total=len(values), missing=float(gone.sum()), entropy=entropy, **facts)

    def bits(self, values: Array, tolerance: float = 0.0) -> Array:
        """Return the bits of each value."""
        if self.ordered is not None:
            gone = np.isnan(values)
            width = max(tolerance, 0.0)
            left = np.searchsorted(self.ordered, values - width, "left")
            hits = np.searchsorted(self.ordered, values + width, "right") - left
            hits = np.where(gone, self.missing, hits)
            bits = -np.log2((hits + 1) / (self.total + 1))
            if not tolerance:
                bits = np.where(gone | (hits > 2), bits, np.maximum(bits, self.resolution_bits))
            return np.minimum(bits, MAX_COLUMN_BITS)
        return np.array([self._text_bits(value) for value in values])

    def _text_bits(self, value: Any) -> float:
        hits = self.missing if value is None else self.counts.get(fold_words(value), 0)
        bits = -math.log2((hits + 1) / (self.total + 1))
        if self.words is None or value is None:
            return min(bits, MAX_COLUMN_BITS)
        spelled = (self.words.get(word, 0) + 1 for word in WORD.findall(fold_words(value), 0, LETTERS_JUDGED))
        return min(max(bits, sum(-math.log2(count / (self.words_total + 1)) for count in spelled)), MAX_PROSE_BITS)

    def steps(self, values: Array) -> Steps:
        """Number the values, text folded."""
        if self.ordered is not None:
            return Steps.of(values, self.resolution_bits)
        return Steps.of(np.array(["" if value is None else str(fold_words(value)) for value in values], dtype=str))

    def level(self, values: Array) -> Array:
        """Return the level of each value, 0 to `levels` - 1; the last is for missing ones."""
        if self.ordered is not None:
            return np.where(np.isnan(values), len(self.cuts) + 1, np.searchsorted(self.cuts, values))
        other = len(self.ranks)
        return np.array(
            [other + 1 if value is None else self.ranks.get(fold_words(value), other) for value in values], dtype=int
        )


def fold_words(value: Any) -> Any:
    """Fold case and white space of text."""
    return " ".join(value.lower().split()) if isinstance(value, str) else value


def _resolution_bits(ordered: Array) -> float:
    """Bits of one value of a smooth column: its middle half, over the step in which it is written."""
    ordered = ordered[np.abs(ordered) < MAX_FINITE]
    if not len(ordered):
        return 1.0
    spread = float(np.subtract(*np.quantile(ordered, [0.75, 0.25])))
    decimals = next((d for d in range(12) if np.allclose(ordered, np.round(ordered, d), rtol=0, atol=1e-12)), 12)
    return math.log2(max(spread * 10.0**decimals, 1.0)) + 1


def _tree(
    levels: list[Array], sizes: list[int]
) -> tuple[tuple[tuple[int, int], ...], frozenset[int], dict[tuple[int, int], Array]]:
    """Join each column to the one that tells most about it (Prim's algorithm)."""
    width = len(levels)
    order = [(0, -1)]
    same: set[int] = set()
    together: dict[tuple[int, int], Array] = {}
    best: dict[int, tuple[float, int, float, Array]] = {}
    latest = 0
    waiting = set(range(1, width))
    while waiting:
        for column in waiting:
            gain, share, table = _shared(levels[column], levels[latest], sizes[column], sizes[latest])
            if column not in best or gain > best[column][0]:
                best[column] = (gain, latest, share, table)
        latest = max(sorted(waiting), key=lambda column: best[column][0])
        waiting.remove(latest)
        gain, parent, share, table = best[latest]
        order.append((latest, parent))
        together[latest, parent] = table
        if share >= SAME_SHARE:
            same.add(latest)
    return tuple(order), frozenset(same), together


def _shared(one: Array, other: Array, rows: int, columns: int) -> tuple[float, float, Array]:
    """Return the mutual information in bits, its share of the entropy of `one`, and the pointwise table."""
    counts = np.bincount(one * columns + other, minlength=rows * columns).reshape(rows, columns).astype(float)
    total = max(1.0, counts.sum())
    down, across = counts.sum(1), counts.sum(0)
    expected = np.outer(down, across) / total
    pointwise = np.log2((counts + 0.5) / (expected + 0.5))
    seen = counts > 0
    information = float((counts[seen] / total * np.log2(counts[seen] / expected[seen])).sum())
    free = max(0, (np.count_nonzero(down) - 1) * (np.count_nonzero(across) - 1))
    information = max(0.0, information - free / (2 * math.log(2) * total))
    own = _entropy(down)
    return information, information / own if own > 0 else 0.0, pointwise


def _entropy(counts: Array) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def _ranks(counts: Counter[str]) -> dict[str, int]:
    """Number the most frequent values; only those that can be among them are sorted."""
    places = MAX_LEVELS - 2
    least = sorted(counts.values(), reverse=True)[:places][-1] if counts else 0
    able = [value for value, times in counts.items() if times >= least]
    return {value: i for i, value in enumerate(sorted(able, key=lambda value: (-counts[value], value))[:places])}
