"""Runs of words that two collections of texts share: hashed, looked up, and verified word by word.

Texts are compared by their letters and digits, in lower case. A run of 13 words is looked for, as in the contamination
study of GPT-3; a shorter text, of at least 8 words, is looked for as a whole.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

RUN = 13
"""Source: T. Brown et al., Language models are few-shot learners, 2020, appendix C."""
MIN_WORDS = 8
"""A shorter text is too likely to be said twice."""
MAX_SHARING = 3
"""A run that stands in more of the later texts is their template."""
MAX_MET = 10
"""A run that is met in more of the earlier texts is a phrase; as in the study of GPT-3."""
_WORD = re.compile(r"[^\W_]+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)

Array = np.ndarray[Any, Any]


class Contained(Struct, frozen=True, kw_only=True):
    """A later text of which runs stand in earlier ones.

    Attributes
    ----------
    text : int
        Number of the later text.
    source : int
        Number of the earlier text that holds most of them.
    share : float
        Share of its words outside templates and phrases that are part of runs of `source`.
    whole : bool
        Whether it has the same words as `source`, and no others.
    sources : tuple of int
        All earlier texts that hold at least half as many of its words as `source` does.
    """

    text: int
    source: int
    share: float
    whole: bool
    sources: tuple[int, ...]


def words_of_text(text: str) -> list[str]:
    """Split a text into its words in lower case, without punctuation."""
    return _WORD.findall(text.lower())


class Index:
    """The runs of the later texts, by which earlier texts are looked up.

    Parameters
    ----------
    texts : sequence of str
        The later texts.

    Attributes
    ----------
    readable : int
        Texts with enough words to be looked for.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._words = [words_of_text(text) for text in texts]
        self.readable = sum(len(words) >= MIN_WORDS for words in self._words)
        self._runs: dict[int, tuple[Array, Array, Array]] = {}
        self._templates: dict[int, Array] = {}
        by_length: dict[int, list[int]] = {}
        for number, words in enumerate(self._words):
            if len(words) >= MIN_WORDS:
                by_length.setdefault(min(RUN, len(words)), []).append(number)
        for length, numbers in by_length.items():
            hashes, owner, place = _hashed([self._words[number] for number in numbers], length)
            owner = np.array(numbers, dtype=np.int64)[owner]
            order = np.argsort(hashes, kind="stable")
            self._runs[length] = self._without_templates(hashes[order], owner[order], place[order])
        self._met: dict[tuple[int, int], set[int]] = {}

    def _without_templates(self, hashes: Array, owner: Array, place: Array) -> tuple[Array, Array, Array]:
        """Leave out runs that stand in many of the later texts, and note where they stand."""
        pairs = np.unique(np.column_stack([hashes, owner.astype(np.uint64)]), axis=0)
        shared, counts = np.unique(pairs[:, 0], return_counts=True)
        out = np.isin(hashes, shared[counts > MAX_SHARING])
        for text, at in zip(owner[out].tolist(), place[out].tolist(), strict=True):
            self._templates.setdefault(text, self._none(text))[at : at + RUN] = True
        return hashes[~out], owner[~out], place[~out]

    def look_up(self, texts: Sequence[str], first: int) -> None:
        """Look up earlier texts, of which the first has this number."""
        words = [words_of_text(text) for text in texts]
        for length, (known, owner, place) in self._runs.items():
            hashes, source, start = _hashed(words, length)
            left = np.searchsorted(known, hashes, side="left")
            right = np.searchsorted(known, hashes, side="right")
            for hit in np.flatnonzero(left < right):
                run = words[source[hit]][start[hit] : start[hit] + length]
                for entry in range(int(left[hit]), int(right[hit])):
                    text, at = int(owner[entry]), int(place[entry])
                    sources = self._met.setdefault((text, at), set())
                    if len(sources) <= MAX_MET and self._words[text][at : at + length] == run:
                        sources.add(first + int(source[hit]))

    def contained(self, length_of: Sequence[int]) -> list[Contained]:
        """Return the later texts of which runs were met.

        Parameters
        ----------
        length_of : sequence of int
            Words of each earlier text.
        """
        runs: dict[int, list[tuple[int, set[int]]]] = {}
        phrases = {number: template.copy() for number, template in self._templates.items()}
        for (text, at), sources in sorted(self._met.items()):
            if len(sources) > MAX_MET:
                phrases.setdefault(text, self._none(text))[at : at + RUN] = True
            elif sources:
                runs.setdefault(text, []).append((at, sources))
        judged = [self._judged(text, found, phrases.get(text), length_of) for text, found in runs.items()]
        return [one for one in judged if one is not None]

    def _none(self, text: int) -> Array:
        return np.zeros(len(self._words[text]), dtype=bool)

    def _judged(
        self, text: int, found: list[tuple[int, set[int]]], phrases: Array | None, length_of: Sequence[int]
    ) -> Contained | None:
        count = len(self._words[text])
        own = np.ones(count, dtype=bool) if phrases is None else ~phrases
        if own.sum() < min(RUN, count):
            return None
        held: dict[int, Array] = {}
        for at, sources in found:
            for source in sources:
                held.setdefault(source, self._none(text))[at : at + RUN] = True
        words = {source: int((covered & own).sum()) for source, covered in held.items()}
        best = max(sorted(words), key=lambda source: words[source])
        return Contained(
            text=text,
            source=best,
            share=words[best] / int(own.sum()),
            whole=bool(held[best].all()) and length_of[best] == count,
            sources=tuple(sorted(source for source, reached in words.items() if 2 * reached >= words[best])),
        )


def _hashed(texts: Sequence[Sequence[str]], length: int) -> tuple[Array, Array, Array]:
    """Return the hash of each run of so many words, the text it is in, and where it begins."""
    lengths = np.array([len(words) for words in texts], dtype=np.int64)
    total = int(lengths.sum())
    empty = np.empty(0, dtype=np.int64)
    if total < length:
        return empty.astype(np.uint64), empty, empty
    # Equal words have equal hashes within a process, and runs that meet are verified by their words.
    codes = np.fromiter((hash(word) for words in texts for word in words), np.int64, total).astype(np.uint64)
    runs = np.zeros(total - length + 1, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for place in range(length):
            runs = runs * _FACTOR + codes[place : total - length + 1 + place]
    owner = np.repeat(np.arange(len(texts)), lengths)
    starts = np.cumsum(lengths) - lengths
    begin = np.arange(total - length + 1)
    inside = owner[begin] == owner[begin + length - 1]
    return runs[inside], owner[begin][inside], (begin - starts[owner[begin]])[inside]
