"""Counts the rows whose texts are equal or nearly equal, and tells which of them are so by no coincidence."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.near_twins import stars
from doctor.evidence.repeated_rows import MAX_GROUPS_READ, SPARE_BITS, RepeatedRows
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.speech import Speech, few_of
from doctor.evidence.text_inside import texts_inside
from doctor.evidence.text_matches import TextsOf, near_matches
from doctor.evidence.text_rows import TextRows
from doctor.evidence.text_views import part_of, side_by_side
from doctor.model import Excerpt, Location
from doctor.subjects import sql
from doctor.subjects.table import Table

MAX_EXAMPLES = 5
MAX_NUMBERS = 50_000

Array = np.ndarray[Any, Any]


class TextPair(Struct, frozen=True, kw_only=True):
    """A row and the one to which its text is alike, as a person counts rows, and both texts.

    Where each row is a document in a file of its own, `files` names both.
    """

    row: int
    stays: int
    file: str
    excerpts: tuple[Excerpt, Excerpt]
    files: tuple[str, ...] = ()


class Alike(Struct, frozen=True, kw_only=True):
    """Rows whose texts are alike another row's.

    Attributes
    ----------
    rows : int
        How many.
    stay : int
        Rows that stay in their place.
    surprising_share : float
        Share of `rows` whose text is too long to be said twice by chance, from `texts_read` texts drawn by hash.
    bound_bits : float
        Bits above which it is.
    numbers : tuple of int
        Rows to drop so that one of each stays, counted from 0 in the table; empty where there are too many to list.
    examples : tuple of TextPair
        Of the drawn ones, those in least doubt.
    """

    rows: int
    stay: int
    surprising_share: float
    bound_bits: float
    median_bits: float
    texts_read: int
    numbers: tuple[int, ...]
    examples: tuple[TextPair, ...]

    def place(self, split: str | None, columns: tuple[str, ...]) -> Location:
        """Say where the examples are: in the file of the first one, or in files of their own."""
        file = self.examples[0].file if self.examples else None
        rows = (one.row for one in self.examples if one.file == file and not one.files)
        return Location(split=split, columns=columns, rows=tuple(rows), file=file)

    def judged(self, stays: str) -> dict[str, Any]:
        """Return what a finding says of them, the examples beside the rows that it calls `stays`.

        `such` names two documents that are alike, as the end of a sentence; it is empty where rows share a file.
        """
        named = next((one.files for one in self.examples if one.files), ())
        facts = ({"row": one.row, stays: one.stays, "files": one.files} for one in self.examples)
        return {
            "surprising_share": self.surprising_share,
            "median_bits": self.median_bits,
            "bound_bits": self.bound_bits,
            "texts_read": self.texts_read,
            "such": f", such as {' and '.join(Path(file).name for file in named)}" if named else "",
            "examples": [{key: value for key, value in fact.items() if value} for fact in facts],
        }

    @property
    def excerpts(self) -> list[Excerpt]:
        """The texts of the examples, each pair side by side."""
        return [excerpt for one in self.examples for excerpt in one.excerpts]


class TextCounts:
    """What is alike among the texts of a table.

    Attributes
    ----------
    rows : TextRows
    near : Matches
        Pairs of texts, by their numbers in `rows`.
    inside : Inside
        Pairs of a text and a longer one that holds it.
    """

    def __init__(self, table: Table, rows: TextRows, hashes: RowHashes, repeated: RepeatedRows) -> None:
        self.rows = rows
        self._table = table
        self._documents = bool(table.parts) and all(part.form and part.form.whole for part in table.parts)
        self._copies = _row_copies(table, rows, repeated)
        self._features = _feature_hashes(table, rows, hashes) if len(table.splits) > 1 else None
        drawn = rows.first[few_of(np.argsort(rows.whole, kind="stable"), rows.words[rows.first])]
        self._speech = Speech.of(rows.texts(table, drawn).columns(drawn))
        self.near = near_matches(rows.least, self._loaded, common=self._speech.forms)
        going = stars(list(zip(self.near.later.tolist(), self.near.earlier.tolist(), strict=True)))
        gone = np.fromiter(going, np.int64, len(going))
        self.inside = texts_inside(rows, gone, self._loaded, self._speech.forms)

    def _loaded(self, numbers: Array) -> TextsOf:
        texts = self.rows.texts(self._table, self.rows.first[numbers])
        return lambda wanted: texts.columns(self.rows.first[wanted])

    def bits_of(self, texts: Array) -> tuple[Array, float]:
        """Return how unlikely it is that texts are said twice, by their numbers, and the bits from which it is so."""
        bound = math.log2(max(1.0, len(self.rows.row) * (len(self.rows.row) - 1) / 2)) + SPARE_BITS
        if not len(texts):
            return np.empty(0), bound
        places = self.rows.first[texts]
        return self._speech.bits(self.rows.texts(self._table, places).columns(places)), bound

    def read_rows(self, split: int) -> int:
        """Rows of a split that hold texts and were read."""
        return int(np.count_nonzero(self.rows.split == split))

    def equal_within(self, split: int) -> Alike:
        """Count the rows of a split that have the words of an earlier one."""
        text, row = self.rows.text, self.rows.row
        here = np.flatnonzero(self.rows.split == split)
        own = here[~self._copies[here]]
        texts, begin, counts = np.unique(text[own], return_index=True, return_counts=True)
        twice = counts > 1
        repeated = np.zeros(len(self.rows.first), dtype=bool)
        repeated[texts[twice]] = True
        more = np.ones(len(here), dtype=bool)
        more[np.unique(text[here], return_index=True)[1]] = False
        return self._alike(
            texts[twice],
            counts[twice] - 1,
            [(int(own[text[own] == one][1]), int(place)) for one, place in self._few(texts[twice], own[begin[twice]])],
            row[here[more & repeated[text[here]]]],
            int(twice.sum()),
            len(here) * (len(here) - 1) / 2,
        )

    def near_within(self, split: int) -> Alike:
        """Count the texts of a split that nearly equal an earlier one which stays."""
        here = np.flatnonzero(self.rows.split == split)
        texts, begin = np.unique(self.rows.text[here], return_index=True)
        place = np.full(len(self.rows.first), -1, dtype=np.int64)
        place[texts] = here[begin]
        one, other = place[self.near.earlier], place[self.near.later]
        both = (one >= 0) & (other >= 0)
        pairs = zip(np.maximum(one, other)[both].tolist(), np.minimum(one, other)[both].tolist(), strict=True)
        gone = stars(list(pairs))
        going = np.array(list(gone), dtype=np.int64)
        dropped = np.zeros(len(self.rows.first), dtype=bool)
        dropped[self.rows.text[going]] = True
        return self._alike(
            self.rows.text[going],
            np.ones(len(going), dtype=np.int64),
            [(int(copy), gone[int(copy)]) for _, copy in self._few(self.rows.text[going], going)],
            self.rows.row[here[dropped[self.rows.text[here]]]],
            len(set(gone.values())),
            len(here) * (len(here) - 1) / 2,
        )

    def inside_within(self, split: int) -> Alike:
        """Count the texts of a split that stand in a longer one of it which stays."""
        here = np.flatnonzero(self.rows.split == split)
        texts, begin = np.unique(self.rows.text[here], return_index=True)
        place = np.full(len(self.rows.first), -1, dtype=np.int64)
        place[texts] = here[begin]
        both = (place[self.inside.inner] >= 0) & (place[self.inside.outer] >= 0)
        inner, outer = self.inside.inner[both], self.inside.outer[both]
        # The longest stays, so texts are gone through from the longest on.
        order = np.lexsort((np.arange(len(self.rows.first)), -self.rows.words[self.rows.first]))
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        gone = stars(list(zip(rank[inner].tolist(), rank[outer].tolist(), strict=True)))
        stays = {int(order[one]): int(order[other]) for one, other in gone.items()}
        going = np.array(sorted(stays), dtype=np.int64)
        dropped = np.zeros(len(self.rows.first), dtype=bool)
        dropped[going] = True
        return self._alike(
            going,
            np.ones(len(going), dtype=np.int64),
            [(copy, int(place[stays[text]])) for text, copy in self._few(going, place[going])],
            self.rows.row[here[dropped[self.rows.text[here]]]],
            len(set(stays.values())),
            len(here) * (len(here) - 1) / 2,
            view=part_of,
        )

    def across(self, earlier: int, later: int) -> tuple[Alike, int, Array]:
        """Count the rows of a later split that are alike one of an earlier split; return also how many have its words.

        The third that is returned are these rows.
        """
        before, after = (np.flatnonzero(self.rows.split == split) for split in (earlier, later))
        texts, begin = np.unique(self.rows.text[before], return_index=True)
        place = np.full(len(self.rows.first), -1, dtype=np.int64)
        place[texts] = before[begin]
        original = place.copy()
        meets = (np.concatenate(pair) for pair in self._both_ways())
        source, target = meets
        known = (place[source] >= 0) & (place[target] < 0)
        # Written last to first, so that the earliest original is the one that remains.
        order = np.argsort(-place[source[known]], kind="stable")
        original[target[known][order]] = place[source[known][order]]
        copied = np.isin(self._feature_of(after), self._feature_of(before))
        alike = after[(original[self.rows.text[after]] >= 0) & ~copied]
        told = self.rows.text[alike]
        wanted = np.zeros(len(self.rows.first), dtype=bool)
        wanted[told] = True
        wanted[source[wanted[target]]] = True
        unique, first, counts = np.unique(told, return_index=True, return_counts=True)
        found = self._alike(
            unique,
            counts,
            [(int(copy), int(original[one])) for one, copy in self._few(unique, alike[first])],
            self.rows.row[before[wanted[self.rows.text[before]]]],
            len(np.unique(original[unique])),
            len(before) * len(after),
        )
        return found, int(np.count_nonzero(place[told] >= 0)), self.rows.row[alike]

    def _both_ways(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        return (self.near.earlier, self.near.later), (self.near.later, self.near.earlier)

    def _feature_of(self, places: Array) -> Array:
        return self._features[places] if self._features is not None else np.empty(0, dtype=np.uint64)

    def _few(self, texts: Array, places: Array) -> list[tuple[int, int]]:
        """Draw some texts by their hash; return them with their places."""
        order = np.argsort(self.rows.whole[texts], kind="stable")[:MAX_GROUPS_READ]
        return list(zip(texts[order].tolist(), places[order].tolist(), strict=True))

    def _alike(
        self,
        texts: Array,
        weights: Array,
        pairs: Sequence[tuple[int, int]],
        numbers: Array,
        stay: int,
        compared_pairs: float,
        view: Callable[[str, str], str] = lambda stays, _: stays,
    ) -> Alike:
        """Judge drawn texts by their bits; `pairs` are those of the drawn ones, each with the row that stays.

        `view` gives what is shown of the text that stays.
        """
        bound = math.log2(max(1.0, compared_pairs)) + SPARE_BITS
        copies = np.array([copy for copy, _ in pairs], dtype=np.int64)
        of_text = dict(zip(texts.tolist(), weights.tolist(), strict=True))
        drawn = np.array([of_text[text] for text in self.rows.text[copies].tolist()], dtype=float)
        read = self.rows.texts(self._table, np.array([place for pair in pairs for place in pair], dtype=np.int64))
        bits = self._speech.bits(read.columns(copies)) if len(pairs) else np.empty(0)
        sure = bits > bound
        ranked = sorted(range(len(pairs)), key=lambda i: (not sure[i], -drawn[i], int(self.rows.row[pairs[i][0]])))
        examples = []
        for group, i in enumerate(ranked[:MAX_EXAMPLES]):
            copy, stays = pairs[i]
            places = self._place(stays), self._place(copy)
            said = read.joined(copy)
            examples.append(
                TextPair(
                    row=places[1][1],
                    stays=places[0][1],
                    file=places[1][0],
                    files=(places[1][0], places[0][0]) if self._documents else (),
                    excerpts=side_by_side(view(read.joined(stays), said), said, (places[0][2], places[1][2]), group),
                )
            )
        return Alike(
            rows=int(weights.sum()),
            stay=stay,
            surprising_share=float(drawn[sure].sum() / drawn.sum()) if len(drawn) else 0.0,
            bound_bits=bound,
            median_bits=float(np.median(bits)) if len(bits) else 0.0,
            texts_read=len(pairs),
            numbers=tuple(np.sort(numbers).tolist()) if len(numbers) <= MAX_NUMBERS else (),
            examples=tuple(examples),
        )

    def _place(self, place: int) -> tuple[str, int, str]:
        path, number = self._table.place(int(self.rows.row[place]))
        file = f"{path.name}, " if len(self._table.parts) > 1 else ""
        return str(path), number, path.name if self._documents else f"{file}row {number:,}"


def _row_copies(table: Table, rows: TextRows, repeated: RepeatedRows) -> Array:
    """Tell which rows equal an earlier one of their split in every column."""
    found = table.engine.arrays(f'SELECT "row", split, row_hash FROM {sql.name(repeated.relation)}')
    numbers, marks = np.asarray(found["row"]), np.asarray(found["row_hash"])
    splits = np.unique(np.asarray(found["split"]).astype(str), return_inverse=True)[1]
    order = np.lexsort((numbers, marks, splits))
    row, mark, split = numbers[order], marks[order], splits[order]
    again = np.concatenate([[False], (mark[1:] == mark[:-1]) & (split[1:] == split[:-1])])[: len(row)]
    return np.isin(rows.row, row[again])


def _feature_hashes(table: Table, rows: TextRows, hashes: RowHashes) -> Array:
    answer = table.engine.arrays(f'SELECT "row", feature_hash FROM {sql.name(hashes.relation)}')
    numbers, marks = np.asarray(answer["row"]), np.asarray(answer["feature_hash"])
    order = np.argsort(numbers)
    return marks[order[np.searchsorted(numbers[order], rows.row)]]
