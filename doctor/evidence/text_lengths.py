"""How long texts are in tokens, held against the length at which a training cuts them."""

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.messages import Form, parsed, turns_of
from doctor.evidence.text_columns import LETTERS_PER_WORD, UNSPACED, TextColumn
from doctor.evidence.text_sample import Drawn, TextSample
from doctor.model import TextLimits
from doctor.subjects.tokenizer import load_tokenizer

TOKENS_PER_WORD = 1.3
"""About, of English with a vocabulary of 30,000 to 100,000; more in every other language."""
BATCH = 1_000
ASSISTANTS = ("assistant", "gpt", "model", "bot", "chatgpt")

_UNSPACED = re.compile(f"[{UNSPACED}]")
Array = np.ndarray[Any, Any]
Count = Callable[[Sequence[str]], Array]


class Lengths(Struct, frozen=True, kw_only=True):
    """The lengths of one column's texts, or of records of a question and its answer, in one split.

    Attributes
    ----------
    columns : tuple of str
        What is put together; the answers come last.
    records, of : int
        Those that were looked at, and all.
    middle, high, most : int
        Median, 99th percentile and maximum, in tokens.
    longer : int
        Records longer than the limit, among those looked at.
    likely : int
        Those that would be longer at `TOKENS_PER_WORD`; the same where a tokenizer counted.
    lost : int
        Records of which the answer lies beyond the limit as a whole.
    unanswered : int
        Records with a question and without an answer.
    example : int or None
        The longest record, by its row from 0 in the table.
    """

    split: str
    columns: tuple[str, ...]
    answers: tuple[str, ...] = ()
    records: int
    of: int
    middle: int
    high: int
    most: int
    longer: int = 0
    likely: int = 0
    lost: int = 0
    unanswered: int = 0
    example: int | None = None


class TextLengths(Struct, frozen=True, kw_only=True):
    """All of them.

    Attributes
    ----------
    max_length : int or None
        The limit in tokens that the user gave.
    exact : bool
        Whether the user's tokenizer counted; else a word is one token, which is the least that it can be.
    """

    COST: ClassVar[int] = 20

    lengths: tuple[Lengths, ...]
    max_length: int | None
    exact: bool

    @classmethod
    def measure(cls, sample: TextSample, limits: TextLimits) -> "TextLengths":
        """Count the tokens of the drawn rows.

        Raises
        ------
        UsageError
            When the tokenizer cannot be opened.
        """
        count = _by_tokenizer(limits.tokenizer) if limits.tokenizer else _by_words
        found: list[Lengths] = []
        for drawn in sample.splits:
            held = [column for column in sample.columns if column.name in drawn.cells]
            found += _of_split(drawn, held, count, limits.max_length)
        return cls(lengths=tuple(found), max_length=limits.max_length, exact=limits.tokenizer is not None)


def _by_tokenizer(path: str) -> Count:
    tokenizer = load_tokenizer(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> Array:
        found: list[int] = []
        for start in range(0, len(texts), BATCH):
            found += [len(one.ids) for one in tokenizer.encode_batch(list(texts[start : start + BATCH]))]
        return np.array(found, dtype=np.int64)

    return count


def _by_words(texts: Sequence[str]) -> Array:
    return np.array([_least_tokens(text) for text in texts], dtype=np.int64)


def _least_tokens(text: str) -> int:
    """Return the words of a text; in scripts without blanks there are some letters to a word."""
    if text.isascii():
        return len(text.split())
    spaced = _UNSPACED.sub(" ", text)
    return len(spaced.split()) + int((len(text) - len(_UNSPACED.sub("", text))) / LETTERS_PER_WORD)


def _of_split(drawn: Drawn, columns: Sequence[TextColumn], count: Count, limit: int | None) -> list[Lengths]:
    guessed = count is _by_words
    answers = [column for column in columns if column.part == "answer" and column.form is Form.PLAIN]
    prompts = [column for column in columns if column.part == "prompt" and column.form is Form.PLAIN]
    found = []
    if answers and prompts:
        asked = sum((count(drawn.texts(column)) for column in prompts), np.zeros(len(drawn.numbers), np.int64))
        said = np.column_stack([count(drawn.texts(column)) for column in answers])
        # Of two answers to choose between, each stands behind the question by itself.
        names = [column.name for column in (*prompts, *answers)]
        empty = int(np.count_nonzero((asked > 0) & (said.min(axis=1) == 0)))
        found.append(
            _lengths(
                drawn, names, asked, asked + said.max(axis=1), limit, answers=answers, unanswered=empty, guessed=guessed
            )
        )
    for column in columns:
        if column in (*answers, *prompts) and found:
            continue
        if column.form is Form.CHAT:
            before, whole = _conversations(drawn.cells[column.name], count)
            found.append(_lengths(drawn, [column.name], before, whole, limit, answers=[column], guessed=guessed))
        else:
            whole = count(drawn.texts(column))
            found.append(_lengths(drawn, [column.name], np.zeros_like(whole), whole, limit, guessed=guessed))
    return found


def _conversations(cells: Sequence[str | None], count: Count) -> tuple[Array, Array]:
    """Return the tokens before the last answer of each conversation, and those of the whole."""
    before, after = [], []
    for cell in cells:
        turns = (turns_of(parsed(cell)) if cell else None) or []
        last = max((i for i, turn in enumerate(turns) if (turn.role or "").lower() in ASSISTANTS), default=len(turns))
        before.append("\n".join(turn.content or "" for turn in turns[:last]))
        after.append("\n".join(turn.content or "" for turn in turns[last:]))
    asked = count(before)
    return asked, asked + count(after)


def _lengths(
    drawn: Drawn,
    names: Sequence[str],
    before: Array,
    whole: Array,
    limit: int | None,
    *,
    answers: Sequence[TextColumn] = (),
    unanswered: int = 0,
    guessed: bool = False,
) -> Lengths:
    some = whole > 0
    if not some.any():
        return Lengths(split=drawn.split, columns=tuple(names), records=0, of=0, middle=0, high=0, most=0)
    middle, high = np.quantile(whole[some], (0.5, 0.99))
    longer = whole > limit if limit else np.zeros_like(some)
    likely = whole * (TOKENS_PER_WORD if guessed else 1.0) > limit if limit else longer
    return Lengths(
        split=drawn.split,
        columns=tuple(names),
        answers=tuple(column.name for column in answers),
        records=int(some.sum()),
        of=drawn.rows,
        middle=round(float(middle)),
        high=round(float(high)),
        most=int(whole.max()),
        longer=int(longer.sum()),
        likely=int(likely.sum()),
        lost=int(np.count_nonzero(longer & (before >= limit))) if limit and answers else 0,
        unanswered=unanswered,
        example=int(drawn.numbers[int(whole.argmax())]),
    )
