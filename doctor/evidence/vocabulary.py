"""The words of a collection of texts: how fast new ones come, how few of them make up most of it, and what they cover.

Words are runs of letters and digits in lower case; in scripts without blanks between words, pairs of letters.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.splits import pairs_of
from doctor.evidence.text_columns import UNSPACED, TextColumn
from doctor.evidence.text_sample import Drawn, TextSample
from doctor.model import Sampling
from doctor.subjects.table import Table

MAX_WORDS = 1_500_000
"""Of a column's texts, in a drawn order; more say no more."""
HEAD = 100
RARE = 2
"""Times that a word of the long tail is said at most."""
MIN_TEXTS = 50
NAMED_WORDS = 8

_WORD = re.compile(r"[^\W_]+")
_UNSPACED_RUN = re.compile(f"[{UNSPACED}]+")
Array = np.ndarray[Any, Any]


class Growth(Struct, frozen=True, kw_only=True):
    """How the vocabulary of one column grows with its texts.

    Attributes
    ----------
    texts, words, different : int
        Different texts that were read, their words, and the different ones among these.
    exponent : float
        Of Heaps' law, over the second half: by which power of the words the vocabulary still grows.
    head_share : float
        Share of the words that are one of the `HEAD` commonest.
    tail_share : float
        Share of the vocabulary that is said `RARE` times at most.
    common : tuple of str
        The commonest words.
    """

    column: str
    split: str
    texts: int
    words: int
    different: int
    exponent: float
    head_share: float
    tail_share: float
    common: tuple[str, ...]


class Coverage(Struct, frozen=True, kw_only=True):
    """How many words of a later split are never said in the one that is trained on.

    Attributes
    ----------
    new_share : float
        Share of the later words that are not in the earlier vocabulary, mean over texts.
    held_out_share : float
        The same of earlier texts that were held out, as many as there are later ones.
    deviations : float
        The difference in standard errors.
    words : tuple of str
        The commonest words that are not covered.
    """

    column: str
    earlier: str
    later: str
    texts: int
    new_share: float
    held_out_share: float
    deviations: float
    words: tuple[str, ...]


class Vocabulary(Struct, frozen=True, kw_only=True):
    """All columns of free text."""

    COST: ClassVar[int] = 25

    growths: tuple[Growth, ...]
    coverages: tuple[Coverage, ...]

    @classmethod
    def measure(cls, table: Table, sample: TextSample, sampling: Sampling) -> "Vocabulary":
        """Count words in the drawn texts, each text once."""
        growths: list[Growth] = []
        coverages: list[Coverage] = []
        pairs = pairs_of(table) if len(table.splits) > 1 else []
        for column in sample.columns:
            words = {
                drawn.split: _words_of(drawn, column, sampling) for drawn in sample.splits if column.name in drawn.cells
            }
            growths += [_growth(column, split, found) for split, found in words.items() if len(found) >= MIN_TEXTS]
            for earlier, later in pairs:
                if min(len(words.get(name, ())) for name in (earlier, later)) >= MIN_TEXTS:
                    coverages.append(_coverage(column, earlier, later, words[earlier], words[later]))
        return cls(growths=tuple(growths), coverages=tuple(coverages))


def words_of_text(text: str) -> list[str]:
    """Split a text into words."""
    if text.isascii():
        return _WORD.findall(text.lower())
    words: list[str] = []
    for run in _WORD.findall(text.lower()):
        spaced = _UNSPACED_RUN.sub(" ", run).split()
        words += spaced
        for piece in _UNSPACED_RUN.findall(run):
            words += [piece[i : i + 2] for i in range(max(1, len(piece) - 1))]
    return words


def _words_of(drawn: Drawn, column: TextColumn, sampling: Sampling) -> list[list[str]]:
    """Return the words of different texts, in an order drawn by the seed, up to so many words."""
    texts = sorted({text for text in drawn.texts(column) if text.strip()})
    order = np.random.default_rng(sampling.seed).permutation(len(texts))
    found, total = [], 0
    for place in order.tolist():
        words = words_of_text(texts[place])
        found.append(words)
        total += len(words)
        if total >= MAX_WORDS:
            break
    return found


def _growth(column: TextColumn, split: str, texts: Sequence[Sequence[str]]) -> Growth:
    counts: Counter[str] = Counter()
    half, half_words, half_different = sum(map(len, texts)) / 2, 0, 0
    words = 0
    for text in texts:
        counts.update(text)
        words += len(text)
        if words <= half or not half_words:
            half_words, half_different = words, len(counts)
    grown = np.log(max(1, len(counts)) / max(1, half_different)) / np.log(max(2, words) / max(1, half_words))
    head = counts.most_common(HEAD)
    return Growth(
        column=column.name,
        split=split,
        texts=len(texts),
        words=words,
        different=len(counts),
        exponent=float(grown),
        head_share=sum(count for _, count in head) / max(1, words),
        tail_share=sum(count <= RARE for count in counts.values()) / max(1, len(counts)),
        common=tuple(word for word, _ in head[:NAMED_WORDS]),
    )


def _coverage(
    column: TextColumn, earlier: str, later: str, trained: Sequence[Sequence[str]], tested: Sequence[Sequence[str]]
) -> Coverage:
    """Hold later texts against the earlier vocabulary, and earlier ones against that of the others."""
    held_out = trained[: min(len(tested), len(trained) // 2)]
    # Both are held against the same vocabulary, so that its size decides nothing.
    known = set(_all_words(trained[len(held_out) :]))
    new, old = _new_shares(tested, known), _new_shares(held_out, known)
    error = np.sqrt(new.var() / max(1, len(new)) + old.var() / max(1, len(old)))
    uncovered = Counter(word for word in _all_words(tested) if word not in known)
    return Coverage(
        column=column.name,
        earlier=earlier,
        later=later,
        texts=len(tested),
        new_share=float(new.mean()),
        held_out_share=float(old.mean()),
        deviations=float((new.mean() - old.mean()) / error) if error > 0 else 0.0,
        words=tuple(word for word, _ in uncovered.most_common(NAMED_WORDS)),
    )


def _all_words(texts: Sequence[Sequence[str]]) -> Iterable[str]:
    return (word for text in texts for word in text)


def _new_shares(texts: Sequence[Sequence[str]], known: set[str]) -> Array:
    return np.array([sum(word not in known for word in text) / len(text) for text in texts if text])
