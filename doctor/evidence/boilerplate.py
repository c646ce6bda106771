"""Sentences and lines that stand word for word in many different texts of a column, and how much of these they are.

A piece is a line or a sentence. Equal texts count once, and a text of which little else is left is a copy of others and
bears no witness, unless a large part of all texts is like it.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from itertools import islice
from typing import ClassVar

from msgspec import Struct

from doctor.evidence.messages import Form, parsed, text_of, turns_of
from doctor.evidence.suspects import place_of
from doctor.evidence.text_columns import UNSPACED, TextColumn
from doctor.evidence.text_sample import TextSample
from doctor.masking import without_secrets
from doctor.subjects.table import Table

MAX_LETTERS = 6_000_000
"""Of different texts of a column that are read; of more a part is drawn by their content."""
LETTERS_HASHED = 2_000
MIN_TEXTS = 30
"""Different texts, below which nothing can be told."""
FLOOR_TEXTS, FLOOR_SHARE = 10, 0.01
"""Different texts that a piece must stand in, and the share of all."""
WIDE_TEXTS, WIDE_SHARE = 20, 0.20
"""The same for texts that have little of their own; fewer are copies of each other, which are told elsewhere."""
MIN_OWN_SHARE = 0.20
"""Of a text's letters, what is left without such pieces: those that share four fifths of it are near copies."""
MIN_OWN_LETTERS = 10
MIN_LETTERS, MIN_BLANKS = 16, 3
"""Of a piece: shorter ones, such as "Thank you very much", are said by many people by themselves."""
MIN_UNSPACED = 8
MIN_ALPHABETIC = 0.5
MAX_PASSAGES = 5
MAX_CUT = 500
LETTERS_SHOWN, LETTERS_AROUND = 160, 60
SET_UP = ("system", "developer", "tool", "function")
"""Roles of turns that nobody said."""

# Runs of signs are bounded, so that the time stays linear.
_BREAK = re.compile(r"[.!?…]{1,4}[\"'”’)\]]{0,3}\s+|[。！？]{1,4}[”」』）]{0,3}\s*|\n\s*")
_UNSPACED = re.compile(f"[{UNSPACED}]")
_MARKED = re.compile(
    r"<\|im_start\|>system.{0,20000}?<\|im_end\|>|<<SYS>>.{0,20000}?<</SYS>>|<\|system\|>.{0,20000}?(?=<\|)"
    r"|<\|start_header_id\|>system<\|end_header_id\|>.{0,20000}?<\|eot_id\|>"
    r"|<\|[\w ]{1,40}\|>|\[/?INST\]|<(?:start|end)_of_turn>|</?s>",
    re.DOTALL,
)
"""What a chat template writes around and before the turns."""
_CODE = re.compile(
    r"^(?:from \S+ import |import \S|def |class \w+[(:]|return\b|@\w|#include|#define|using |package |elif |else:)"
    r"|[;{}]$|\w\(|\s(?:=|==|:=|=>|\+=)\s|>>>"
)

Span = tuple[int, int]


class Passage(Struct, frozen=True, kw_only=True):
    """Pieces that stand one behind the other in many texts.

    Attributes
    ----------
    texts : int
        Different texts with just these.
    letters : int
        Of the passage.
    place, text, spans
        One of these texts around it, masked; empty where masking would change it further.
    """

    said: str
    texts: int
    letters: int
    place: str = ""
    text: str = ""
    spans: tuple[Span, ...] = ()


class Repeated(Struct, frozen=True, kw_only=True):
    """The repeated pieces of one column.

    Attributes
    ----------
    texts, holding : int
        Different texts that were read, and those with such a piece.
    letters_share : float
        Share of all letters of the different texts that such pieces take.
    widest_share : float
        Share of the texts that has the commonest piece.
    pieces : int
        Different ones.
    marks : tuple of str
        `mark_of` each piece, those that take most letters first, `MAX_CUT` at most.
    plain : bool
        Whether cells are the texts themselves.
    """

    column: str
    part: str
    plain: bool
    drawn: bool
    texts: int
    holding: int
    letters_share: float
    widest_share: float
    pieces: int
    marks: tuple[str, ...]
    passages: tuple[Passage, ...]


class Boilerplate(Struct, frozen=True, kw_only=True):
    """All columns of free text with repeated pieces; `most_texts` is the most different texts that a column has."""

    COST: ClassVar[int] = 8

    columns: tuple[Repeated, ...]
    most_texts: int

    @classmethod
    def measure(cls, table: Table, sample: TextSample) -> "Boilerplate":
        """Count the pieces of the drawn texts of all splits."""
        found, most = [], 0
        for column in sample.columns:
            texts: dict[str, int] = {}
            for drawn in sample.splits:
                cells = drawn.cells.get(column.name, [])
                for row, cell in zip(drawn.numbers.tolist(), cells, strict=bool(cells)):
                    if cell:
                        texts.setdefault(_said(cell, column.form), row)
            texts.pop("", None)
            most = max(most, len(texts))
            read, every = _few(texts, max((drawn.every for drawn in sample.splits), default=1))
            place = partial(place_of, table, column.name)
            if len(read) >= MIN_TEXTS and (repeated := repeated_in(read, column, place, drawn=every > 1)):
                found.append(repeated)
        return cls(columns=tuple(found), most_texts=most)


def pieces_of(text: str) -> Iterator[Span]:
    """Return where the lines and sentences of a text stand, what a chat template adds aside."""
    begin = 0
    if "<" in text or "[" in text:
        text = _MARKED.sub(lambda mark: "\n" * len(mark.group()), text)
    for end in _BREAK.finditer(text):
        if end.start() > begin:
            # Signs that end a sentence are part of it, the blanks behind are not.
            yield begin, end.start() + len(end.group().rstrip())
        begin = end.end()
    if begin < len(text):
        yield begin, len(text)


def _folded(piece: str) -> str:
    """Return a piece with single blanks; empty where it is too short to be told from what people say by chance."""
    piece = " ".join(piece.split())
    if len(piece) >= MIN_LETTERS and piece.count(" ") >= MIN_BLANKS:
        return piece
    return piece if not piece.isascii() and len(_UNSPACED.findall(piece)) >= MIN_UNSPACED else ""


def mark_of(piece: str) -> str:
    """Return a short hash of a piece, by which it is found again without being told."""
    return blake2b(" ".join(piece.split()).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def without_pieces(text: str, marks: Collection[str]) -> str:
    """Cut the pieces with these marks out; a text that is nothing else stays as it is."""
    kept, last, cut = [], 0, False
    for begin, end in pieces_of(text):
        piece = _folded(text[begin:end])
        if piece and mark_of(piece) in marks:
            kept.append(text[last:begin])
            last, cut = end, True
    if not cut:
        return text
    rest = re.sub(r"[ \t]+(?=\n)", "", "".join([*kept, text[last:]]))
    rest = re.sub(r"\n{3,}", "\n\n", re.sub(r"(?<=\S) {2,}", " ", rest)).strip()
    return rest or text


def _said(cell: str, form: Form) -> str:
    turns = turns_of(parsed(cell)) if form is Form.CHAT else None
    if turns is None:
        return text_of(cell, form)
    return "\n\n".join(turn.content for turn in turns if turn.content and turn.role not in SET_UP)


def _few(texts: Mapping[str, int], every: int) -> tuple[Mapping[str, int], int]:
    """Draw as many texts as there is time for, by their content."""
    more = -(-sum(map(len, texts)) // MAX_LETTERS)
    if more <= 1:
        return texts, every
    kept = {text: row for text, row in texts.items() if int(mark_of(text[:LETTERS_HASHED]), 16) % more == 0}
    return kept, every * more


def repeated_in(
    texts: Mapping[str, int], column: TextColumn, place: Callable[[int], str], *, drawn: bool = False
) -> Repeated | None:
    """Find what is repeated among different texts; None where nothing is.

    Parameters
    ----------
    texts : mapping of str to int
        The texts, each with its row.
    place : callable
        Says where a row stands.
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({piece for begin, end in pieces_of(text) if (piece := _folded(text[begin:end]))})
    floor = max(FLOOR_TEXTS, FLOOR_SHARE * len(texts))
    often = {piece for piece, count in counts.items() if count >= floor and _is_prose(piece)}
    del counts
    if not often:
        return None
    kept, holders = _witnessed(texts, often, floor)
    passages: dict[tuple[str, ...], list[str]] = {}
    letters: Counter[str] = Counter()
    holds: Counter[str] = Counter()
    for text in holders:
        found = list(_runs(text, kept))
        holds.update({piece for run, _ in found for piece in run})
        for piece in (piece for run, _ in found for piece in run):
            letters[piece] += len(piece)
        for run in {run for run, _ in found}:
            passages.setdefault(run, []).append(text)
    if not holds:
        return None
    return Repeated(
        column=column.name,
        part=column.part,
        plain=column.form is Form.PLAIN,
        drawn=drawn,
        texts=len(texts),
        holding=len({text for members in passages.values() for text in members}),
        letters_share=letters.total() / max(1, sum(map(len, texts))),
        widest_share=max(holds.values()) / len(texts),
        pieces=len(holds),
        marks=tuple(mark_of(piece) for piece, _ in letters.most_common(MAX_CUT)),
        passages=tuple(islice(_shown(place, texts, passages, kept), MAX_PASSAGES)),
    )


def _is_prose(piece: str) -> bool:
    return sum(map(str.isalpha, piece)) >= MIN_ALPHABETIC * len(piece) and not _CODE.search(piece)


def _witnessed(texts: Collection[str], often: Collection[str], floor: float) -> tuple[set[str], list[str]]:
    """Return the pieces that stand in enough texts which say something else too, and the texts with any."""
    own, filled, holders = Counter[str](), Counter[str](), []
    for text in texts:
        pieces = [" ".join(text[begin:end].split()) for begin, end in pieces_of(text)]
        found = {piece for piece in pieces if piece in often}
        if not found:
            continue
        holders.append(text)
        left = sum(len(piece) for piece in pieces if piece not in often)
        if left >= MIN_OWN_LETTERS:
            filled.update(found)
            own.update(found if left >= MIN_OWN_SHARE * sum(map(len, pieces)) else ())
    wide = max(WIDE_TEXTS, WIDE_SHARE * len(texts))
    return {piece for piece in often if own[piece] >= floor or filled[piece] >= wide}, holders


def _runs(text: str, kept: Collection[str]) -> Iterator[tuple[tuple[str, ...], Span]]:
    """Return the kept pieces of a text, those that follow each other together, and where they stand."""
    run: list[str] = []
    first = last = 0
    for begin, end in pieces_of(text):
        piece = " ".join(text[begin:end].split())
        if piece in kept:
            first = first if run else begin
            last = end
            run.append(piece)
        elif run:
            yield tuple(run), (first, last)
            run = []
    if run:
        yield tuple(run), (first, last)


def _shown(
    place: Callable[[int], str],
    texts: Mapping[str, int],
    passages: Mapping[tuple[str, ...], Sequence[str]],
    kept: Collection[str],
) -> Iterator[Passage]:
    """Return the passages by how many letters they take, no piece in two of them."""
    told: set[str] = set()
    for run in sorted(passages, key=lambda run: (-len(passages[run]) * sum(map(len, run)), run)):
        if told & set(run):
            continue
        told |= set(run)
        text = passages[run][0]
        span = next(span for found, span in _runs(text, kept) if found == run)
        shown = _around(text, span)
        yield Passage(
            said=_short(without_secrets(" ".join(run))),
            texts=len(passages[run]),
            letters=sum(map(len, run)),
            place=place(texts[text]) if shown else "",
            text=shown[0] if shown else "",
            spans=(shown[1],) if shown else (),
        )


def _short(said: str) -> str:
    return said if len(said) <= LETTERS_SHOWN else said[:LETTERS_SHOWN].rstrip() + "…"


def _around(text: str, span: Span) -> tuple[str, Span] | None:
    """Return the masked letters around a passage and where it stands in them; None where masking would move it."""
    begin, end = span
    before, after = text[max(0, begin - LETTERS_AROUND) : begin], text[end : end + LETTERS_AROUND]
    before = without_secrets("…" + before.partition(" ")[2] if begin > LETTERS_AROUND else before)
    after = without_secrets(after.rpartition(" ")[0] + "…" if end + LETTERS_AROUND < len(text) else after)
    said = without_secrets(text[begin:end])
    if len(said) > 2 * LETTERS_SHOWN:
        said, after = said[: 2 * LETTERS_SHOWN] + "…", ""
    piece = before + said + after
    return (piece, (len(before), len(before) + len(said))) if without_secrets(piece) == piece else None
