"""Texts as few numbers, by the words that they use: weighted counts, and the directions in which these vary most."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from doctor.evidence.shingles import in_batches, words_hashed

MIN_WORD_ROWS = 3
"""A word that stands in fewer texts says nothing about others."""
MAX_WORDS = 8_000
DIRECTIONS = 50
"""Of each half of the words."""

Array = np.ndarray[Any, Any]


def prose_halves(texts: Sequence[str]) -> list[Array]:
    """Describe texts twice, each time by one half of the words, dealt out by their hash.

    Two halves, so that what one of them tells can be held against what the other does.

    Returns
    -------
    list of ndarray of float64, each of shape (n, d)
        Of mean 0; in each, the columns have a mean square of 1 together, those that tell more texts apart a larger one.
        Source: S. Deerwester et al., Indexing by latent semantic analysis, JASIS 41 (1990).
    """
    rows, words = _spoken(texts)
    halves = (_directions(rows, words, words % np.uint64(2) == half, len(texts)) for half in (0, 1))
    return [half for half in halves if half is not None]


def _spoken(texts: Sequence[str]) -> tuple[Array, Array]:
    """Return, for each word of each text, the text's number and the word's hash."""
    rows: list[Array] = [np.empty(0, dtype=np.int64)]
    words: list[Array] = [np.empty(0, dtype=np.uint64)]
    begin = 0
    for batch in in_batches(texts):
        found = words_hashed(batch)
        rows.append(np.repeat(np.arange(begin, begin + len(batch)), found.counts))
        words.append(found.hashes)
        begin += len(batch)
    return np.concatenate(rows), np.concatenate(words)


def _directions(rows: Array, words: Array, half: Array, count: int) -> Array | None:
    from scipy.sparse import csr_matrix
    from sklearn.utils.extmath import randomized_svd

    names, place = np.unique(words[half], return_inverse=True)
    if not len(names):
        return None
    cells, times = np.unique(np.column_stack([rows[half], place.reshape(-1)]), axis=0, return_counts=True)
    common = np.bincount(cells[:, 1])
    kept = np.sort(np.argsort(-common, kind="stable")[:MAX_WORDS])
    kept = kept[(common[kept] >= MIN_WORD_ROWS) & (common[kept] < count)]
    if len(kept) < 2:
        return None
    number = np.full(len(names), -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    known = number[cells[:, 1]] >= 0
    row, column = cells[known, 0], number[cells[known, 1]]
    # Frequencies by their logarithm, words the heavier the fewer texts have them, texts of one length.
    weights = (1 + np.log(times[known])) * np.log(count / common[kept])[column]
    lengths = np.sqrt(np.bincount(row, weights**2, count))
    table = csr_matrix((weights / lengths[row], (row, column)), shape=(count, len(kept)))
    left, strength, _ = randomized_svd(table, min(DIRECTIONS, *table.shape), random_state=0)
    found = left * strength
    found -= found.mean(axis=0)
    scale = float(np.sqrt((found**2).mean()))
    return found / scale if scale > 0 else None
