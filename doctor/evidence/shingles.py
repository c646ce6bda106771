"""Runs of five words of texts as hashes, and sketches by which texts that share most of their runs are found.

A text is read as its letters and digits in lower case. A word is a run of them; where a script is written without
blanks between words, each of its letters counts as a word. Everything is done for many texts at once: a run's hash is
the difference of two sums of a polynomial over all letters, so that no word is cut out by itself.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct

RUN = 5
BANDS = 14
ROWS = 5
"""Least values per band. Texts that share .8 of their runs meet in one of the bands in 99.6 of 100 cases, .5 in 36."""
KEPT_ONE_OF = 8
"""Runs of which one is kept, drawn by its hash, so that texts which hold the same run keep the same ones."""
LETTERS_AT_ONCE = 400_000
"""Of a batch; its arrays stay in the processor's cache. A longer text is read piece by piece."""
LETTERS_LOOKED_THROUGH = 1_000
"""Of a long text at a time, for a place between two words at which it is cut."""

_ALONE = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x3040, 0x30FF), (0x3100, 0x312F), (0x31F0, 0x31FF)),
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xAA60, 0xAA7F), (0xF900, 0xFAFF), (0xFF66, 0xFF9F), (0x1B000, 0x1B16F)),
)
"""Scripts without blanks between words: Thai, Lao, Burmese, Khmer, kana, bopomofo, Chinese characters."""
_BLANK = re.compile(r"\s")
_PART_OF_WORD, _WORD_ALONE = 1, 2
_NAMED = 0x20000
_BASE = np.uint64(0x9E3779B97F4A7C15)
_INVERSE = np.uint64(pow(0x9E3779B97F4A7C15, -1, 1 << 64))
_FIRST_OF_WORD = np.uint64(1 << 21)
"""Added to the first letter of a word, so that "ab c" and "a bc" differ."""

Array = np.ndarray[Any, Any]


class Sketches(Struct, frozen=True, kw_only=True):
    """What is kept of texts to find those that are alike.

    Attributes
    ----------
    words : ndarray of int64, shape (n,)
        Words of each text.
    whole : ndarray of uint64, shape (n,)
        Hash of all its words in their order.
    least : ndarray of uint32, shape (n, BANDS * ROWS)
        The least value of its runs under each of so many hashes. The share in which two texts agree estimates the
        share of runs they have in common. Source: A. Broder, On the resemblance and containment of documents, 1997.
    kept : ndarray of uint32, shape (k,)
        Half of the hash of every run that is one of `KEPT_ONE_OF`, text by text; equal ones included.
    kept_counts : ndarray of int64, shape (n,)
        How many of these each text has.
    """

    words: Array
    whole: Array
    least: Array
    kept: Array
    kept_counts: Array


class Words(Struct, frozen=True, kw_only=True):
    """The words of some texts; those of text i are the `counts[i]` after those before it.

    Attributes
    ----------
    counts : ndarray of int64, shape (n,)
    sums : ndarray of uint64, shape (words + 1,)
        The polynomial over all letters before each word, and behind the last one.
    down : ndarray of uint64, shape (words,)
        What a difference of sums is multiplied by to be the same wherever its words stand.
    """

    counts: Array
    sums: Array
    down: Array

    @property
    def hashes(self) -> Array:
        """The hash of each word."""
        return _mixed((self.sums[1:] - self.sums[:-1]) * self.down)


class Runs(Struct, frozen=True, kw_only=True):
    """The runs of some texts; those of text i are `hashes[begins[i]:begins[i + 1]]`, equal ones included.

    A text of fewer words than a run has is one run by itself; a text without words has none.
    """

    hashes: Array
    begins: Array
    words: Array
    whole: Array


def sketch(texts: Sequence[str]) -> Sketches:
    """Sketch texts."""
    parts = [_sketched(runs_of(batch)) for batch in in_batches(texts)] or [_sketched(runs_of([]))]
    return Sketches(
        words=np.concatenate([part.words for part in parts]),
        whole=np.concatenate([part.whole for part in parts]),
        least=np.concatenate([part.least for part in parts]),
        kept=np.concatenate([part.kept for part in parts]),
        kept_counts=np.concatenate([part.kept_counts for part in parts]),
    )


def run_arrays(texts: Sequence[str]) -> Iterator[Array]:
    """Return the different runs of each text, in ascending order."""
    for batch in in_batches(texts):
        runs = runs_of(batch)
        yield from (np.unique(runs.hashes[begin:end]) for begin, end in pairwise(runs.begins.tolist()))


def run_orders(texts: Sequence[str]) -> Iterator[Array]:
    """Return the runs of each text in their order, equal ones included."""
    for batch in in_batches(texts):
        runs = runs_of(batch)
        yield from (runs.hashes[begin:end] for begin, end in pairwise(runs.begins.tolist()))


def run_sets(texts: Sequence[str]) -> list[frozenset[int]]:
    """Return the different runs of each text."""
    sets: list[frozenset[int]] = []
    for batch in in_batches(texts):
        runs = runs_of(batch)
        hashes, begins = runs.hashes.tolist(), runs.begins.tolist()
        sets += [frozenset(hashes[begin:end]) for begin, end in pairwise(begins)]
    return sets


def in_batches(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut a list of texts into parts of about as many letters; a text that is longer is a part by itself."""
    begin = letters = 0
    for place, text in enumerate(texts):
        if begin < place and len(text) >= LETTERS_AT_ONCE:
            yield texts[begin:place]
            begin, letters = place, 0
        letters += len(text) + 1
        if letters >= LETTERS_AT_ONCE:
            yield texts[begin : place + 1]
            begin, letters = place + 1, 0
    if begin < len(texts):
        yield texts[begin:]


def words_hashed(texts: Sequence[str]) -> Words:
    """Find the words of some texts."""
    if len(texts) == 1 and len(texts[0]) > 2 * LETTERS_AT_ONCE:
        return _hashed_in_pieces(texts[0])
    return _hashed(texts)[0]


def _hashed_in_pieces(text: str) -> Words:
    """Find the words of a long text, with the hashes that they would have were it read at once."""
    sums = [np.zeros(1, dtype=np.uint64)]
    down = []
    before = 0
    for piece in _pieces(text):
        found, letters = _hashed([piece])
        if letters:
            sums.append(found.sums[1:] * _power(_BASE, before) + sums[-1][-1])
            down.append(found.down * _power(_INVERSE, before))
            before += letters
    down = down or [np.empty(0, dtype=np.uint64)]
    counts = np.array([sum(map(len, down))], dtype=np.int64)
    return Words(counts=counts, sums=np.concatenate(sums), down=np.concatenate(down))


def _pieces(text: str) -> Iterator[str]:
    """Cut a text between words."""
    begin = 0
    while len(text) - begin > LETTERS_AT_ONCE:
        end = begin + LETTERS_AT_ONCE
        while end < len(text):
            if blank := _BLANK.search(text, end, end + LETTERS_LOOKED_THROUGH):
                end = blank.start()
                break
            window = text[end : end + LETTERS_LOOKED_THROUGH]
            letters = np.frombuffer(window.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
            between = np.flatnonzero(_kinds()[letters] == 0)
            if len(between):
                end += int(between[0])
                break
            end += len(window)
        yield text[begin:end]
        begin = end
    yield text[begin:]


def _power(base: np.uint64, exponent: int) -> np.uint64:
    return np.uint64(pow(int(base), exponent, 1 << 64))


def _hashed(texts: Sequence[str]) -> tuple[Words, int]:
    """Find the words of some texts, and count the letters in them."""
    lowered = [text.lower() for text in texts]
    # A text begins behind a line feed, which is part of no word.
    joined = "\n" + "\n".join(lowered)
    letters = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    kinds = _kinds()[letters]
    told = np.flatnonzero(kinds)
    alone = kinds[told] == _WORD_ALONE
    first = alone | (kinds[told - 1] != _PART_OF_WORD)
    starts = np.flatnonzero(first)
    lengths = np.fromiter(map(len, lowered), np.int64, len(lowered))
    counts = np.diff(np.searchsorted(told[starts], np.cumsum(lengths + 1)), prepend=0)
    values = letters[told].astype(np.uint64)
    values[first] += _FIRST_OF_WORD
    up, down = _powers(len(values))
    values *= up[: len(values)]
    sums = np.zeros(len(starts) + 1, dtype=np.uint64)
    if len(starts):
        np.cumsum(np.add.reduceat(values, starts), out=sums[1:])
    return Words(counts=counts, sums=sums, down=down[starts]), len(told)


def runs_of(texts: Sequence[str]) -> Runs:
    """Hash the runs of some texts."""
    found = words_hashed(texts)
    words, sums, down = found.counts, found.sums, found.down
    last = np.cumsum(words)
    begin = last - words
    counts = np.where(words >= RUN, words - RUN + 1, (words > 0).astype(np.int64))
    begins = np.concatenate([[0], np.cumsum(counts)])
    place = np.arange(begins[-1]) + np.repeat(begin - begins[:-1], counts)
    size = np.repeat(np.minimum(words, RUN), counts)
    hashes = _mixed((sums[place + size] - sums[place]) * down[place])
    some = words > 0
    whole = np.zeros(len(words), dtype=np.uint64)
    whole[some] = _mixed((sums[last[some]] - sums[begin[some]]) * down[begin[some]] + words[some].astype(np.uint64))
    return Runs(hashes=hashes, begins=begins, words=words, whole=whole)


def _sketched(runs: Runs) -> Sketches:
    multipliers, shifts = _hashes()
    least = np.full((len(runs.words), BANDS * ROWS), 0xFFFFFFFF, dtype=np.uint32)
    some = np.flatnonzero(runs.words)
    if len(some):
        begins = runs.begins[some]
        low, high = runs.hashes.astype(np.uint32), (runs.hashes >> np.uint64(32)).astype(np.uint32)
        value = np.empty_like(low)
        for number in range(BANDS * ROWS):
            np.multiply(low, multipliers[number], out=value)
            # A second half of the hash is turned in, else the order under two multipliers would be akin.
            value += high if number % 2 else shifts[number]
            value ^= value >> np.uint32(16)
            least[some, number] = np.minimum.reduceat(value, begins)
    drawn = runs.hashes % np.uint64(KEPT_ONE_OF) == 0
    before = np.concatenate([[0], np.cumsum(drawn)])
    return Sketches(
        words=runs.words,
        whole=runs.whole,
        least=least,
        kept=(runs.hashes[drawn] >> np.uint64(32)).astype(np.uint32),
        kept_counts=np.diff(before[runs.begins]),
    )


def _mixed(hashes: Array) -> Array:
    """Spread what two hashes differ in over all bits. Source: G. Steele et al., splitmix64, 2014."""
    hashes ^= hashes >> np.uint64(30)
    hashes *= np.uint64(0xBF58476D1CE4E5B9)
    hashes ^= hashes >> np.uint64(27)
    hashes *= np.uint64(0x94D049BB133111EB)
    hashes ^= hashes >> np.uint64(31)
    return hashes


@cache
def _hashes() -> tuple[Array, Array]:
    draw = np.random.default_rng(5)
    odd = draw.integers(0, 1 << 31, BANDS * ROWS, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
    return odd, draw.integers(0, 1 << 32, BANDS * ROWS, dtype=np.uint32)


@cache
def _kinds() -> Array:
    """Tell of each character whether it is part of a word, or a word alone; 0 where it parts words."""
    kinds = np.zeros(0x110000, dtype=np.uint8)
    named = (unicodedata.category(chr(code))[0] in "LNM" for code in range(_NAMED))
    kinds[:_NAMED] = np.fromiter(named, np.uint8, _NAMED)
    kinds[_NAMED:0x40000] = _WORD_ALONE
    for begin, end in _ALONE:
        kinds[begin : end + 1] *= _WORD_ALONE
    return kinds


_kept_powers: list[tuple[Array, Array]] = []


def _powers(count: int) -> tuple[Array, Array]:
    """Return the powers of the base and of its inverse, at least so many."""
    if not _kept_powers or len(_kept_powers[0][0]) < count:
        size = 1 << max(19, (count - 1).bit_length())
        found = []
        for base in (_BASE, _INVERSE):
            powers = np.full(size, base, dtype=np.uint64)
            powers[0] = 1
            found.append(np.multiply.accumulate(powers))
        _kept_powers[:] = [(found[0], found[1])]
    return _kept_powers[0]
