"""How texts of a table usually speak: what its words are worth in bits, and which runs of words belong to a form."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.shingles import in_batches, run_arrays, words_hashed

MAX_TEXTS = 2_000
LETTERS_EACH = 1_000_000
"""Of a text that are counted: how a table speaks shows in its beginning."""
MAX_WORDS = 4_000_000
"""Of all texts that are counted; fewer texts where they are long."""
WORDS_EACH = 200_000
"""That `LETTERS_EACH` have, about."""
LETTERS_JUDGED = 20_000
"""Of a text that are asked for their bits: they have more than `MAX_BITS` if the words of the text are worth any."""
FORM_SHARE = 0.05
"""Share of different texts from which a run of words is taken for part of a form that is filled in."""
MIN_FORM_TEXTS = 20
GUESSABLE = 0.5
"""Share of a word's bits that the words before it tell, about: English has some 11 bits per word by the frequencies of
words, and 5 to 6 in their order. Source: P. Brown et al., An estimate of an upper bound for the entropy of English,
Computational Linguistics 18 (1992)."""
MAX_BITS = 400.0

Array = np.ndarray[Any, Any]


class Speech(Struct, frozen=True, kw_only=True):
    """What is known from some different texts.

    Attributes
    ----------
    words, counts : ndarray, shape (n,)
        Hashes of the words, ascending, and how often each stands there.
    total : int
        All words.
    forms : frozenset of int
        Runs of words that stand in many of the texts.
    """

    words: Array
    counts: Array
    total: int
    forms: frozenset[int]

    @classmethod
    def of(cls, columns: Sequence[Sequence[str]]) -> "Speech":
        """Count words and runs of texts that differ, given column by column."""
        columns = [[text[:LETTERS_EACH] for text in column] for column in columns]
        hashes = [words_hashed(batch).hashes for column in columns for batch in in_batches(column)]
        words, counts = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *hashes]), return_counts=True)
        often: set[int] = set()
        for column in columns:
            found, texts = np.unique(
                np.concatenate([np.empty(0, dtype=np.uint64), *run_arrays(column)]), return_counts=True
            )
            often |= set(found[texts >= max(MIN_FORM_TEXTS, FORM_SHARE * len(column))].tolist())
        return cls(words=words, counts=counts, total=int(counts.sum()), forms=frozenset(often))

    def bits(self, columns: Sequence[Sequence[str]]) -> Array:
        """Return how unlikely it is that two texts agree by chance, in bits; texts are given column by column."""
        bits = np.zeros(len(columns[0]))
        for column in columns:
            parts = []
            for batch in in_batches([text[:LETTERS_JUDGED] for text in column]):
                found = words_hashed(batch)
                worth = -np.log2((self._times(found.hashes) + 1) / (self.total + 1))
                sums = np.concatenate([[0.0], np.cumsum(worth)])
                last = np.cumsum(found.counts)
                parts.append(sums[last] - sums[last - found.counts])
            bits += np.concatenate(parts)
        return np.minimum(GUESSABLE * bits, MAX_BITS)

    def _times(self, hashes: Array) -> Array:
        if not len(self.words):
            return np.zeros(len(hashes))
        place = np.minimum(np.searchsorted(self.words, hashes), len(self.words) - 1)
        return np.where(self.words[place] == hashes, self.counts[place], 0)


def few_of(order: Array, words: Array) -> Array:
    """Take as many texts, in this order, as are counted; `words` are those of each."""
    drawn = order[:MAX_TEXTS]
    return drawn[: max(1, int(np.searchsorted(np.cumsum(np.minimum(words[drawn], WORDS_EACH)), MAX_WORDS)))]
