"""Which columns of a table hold free text: sentences, documents, prompts and answers, conversations."""

import re
from collections.abc import Sequence
from typing import ClassVar

from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.keys import words_of
from doctor.evidence.messages import Form, form_of, text_of
from doctor.evidence.profile import ColumnProfile, Profile, chunks
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MIN_LETTERS = 12.0
"""Mean letters of a cell, below which it is a name, a code or a level."""
MIN_WORDS = 5.0
MIN_NAMED_WORDS = 2.0
"""Enough where the column is called what texts are called."""
MIN_DIFFERENT = 10
MIN_DIFFERENT_SHARE = 0.05
MIN_LOWER_SHARE = 0.25
"""Of words with letters, those in lower case: a sentence has most of them, a list of names or an address has few."""
LONG_WORDS = 25.0
"""Mean words from which a cell is a text, in whatever case."""
MIN_FORM_SHARE = 0.8
CELLS_TRIED = 500
LETTERS_TRIED = 4_000
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
"""Letters of scripts that put no blanks between words: Thai, Lao, Burmese, Khmer, Japanese, Chinese."""
LETTERS_PER_WORD = 1.7
"""Of such a script, about: most Chinese words have one or two characters."""
MIN_UNSPACED_SHARE = 0.3

ANSWER_WORDS = frozenset(
    {"output", "response", "completion", "answer", "chosen", "rejected", "reply", "summary", "highlights", "solution"}
)
PROMPT_WORDS = frozenset({"instruction", "prompt", "question", "query", "system", "input", "context", "request"})
TEXT_WORDS = frozenset(
    {
        *("text", "document", "content", "body", "comment", "message", "messages", "review", "sentence", "article"),
        *("conversation", "conversations", "dialogue", "dialog", "passage", "paragraph", "premise", "hypothesis"),
        *("abstract", "description", "transcript", "tweet", "caption"),
    }
)

_UNSPACED = re.compile(f"[{UNSPACED}]")
_WORD = re.compile(r"\S+")


class TextColumn(Struct, frozen=True, kw_only=True):
    """A column of free text.

    Attributes
    ----------
    form : Form
        How its cells hold the text; `doctor.evidence.messages.text_of` reads them.
    part : str
        By its name "answer" or "prompt" of a record that a model is taught to answer; else empty.
    words, letters : float
        Of the texts that were tried, mean. Scripts without blanks count `LETTERS_PER_WORD` letters as a word.
    unspaced : bool
        Whether the texts are mostly in a script without blanks between words.
    distinct_share : float
        Different cells per cell.
    """

    name: str
    form: Form
    splits: tuple[str, ...]
    part: str = ""
    words: float
    letters: float
    unspaced: bool = False
    distinct_share: float = 1.0


class TextColumns(Struct, frozen=True, kw_only=True):
    """The columns of free text, in the order of the table."""

    COST: ClassVar[int] = 3

    columns: tuple[TextColumn, ...]

    def __getitem__(self, name: str) -> TextColumn:
        return next(column for column in self.columns if column.name == name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self.columns)

    @classmethod
    def measure(cls, table: Table, profile: Profile) -> "TextColumns":
        """Judge the columns by the length of their cells, and those that are long by some hundred of these.

        Raises
        ------
        NotApplicable
            Where no column holds free text.
        """
        texts = [
            column for column in profile.columns if column.kind in (Kind.TEXT, Kind.OTHER) and column.distinct >= 1
        ]
        found = []
        for column in _long(table, profile, texts):
            judged = _judged(column, table.column(column.name).splits, _drawn(table, profile, column))
            found += [judged] if judged else []
        if not found:
            raise NotApplicable("no column holds free text")
        return cls(columns=tuple(found))


def _long(table: Table, profile: Profile, columns: Sequence[ColumnProfile]) -> list[ColumnProfile]:
    """Return the columns whose cells are long enough for a sentence."""
    by_name = {column.name: column for column in columns}
    kept = []
    for chunk in chunks([table.column(column.name) for column in columns]):
        facts = [sql.call("avg", sql.call("length", sql.column(column.name))) for column in chunk]
        answer = table.ask(sql.select(*facts, source=profile.drawn))[0]
        kept += [
            by_name[column.name]
            for column, mean in zip(chunk, answer, strict=True)
            if float(mean or 0.0) >= (MIN_LETTERS / 2 if _named_text(column.name) else MIN_LETTERS)
        ]
    return kept


def _drawn(table: Table, profile: Profile, column: ColumnProfile) -> list[str]:
    """Return different cells, drawn by their hash, so that neither the order nor the number of files matters."""
    name = sql.column(column.name)
    every = max(1, min(column.distinct, profile.drawn_rows) // CELLS_TRIED)
    cell = sql.call("substr", name, 1, LETTERS_TRIED) if column.kind is Kind.TEXT else name
    query = sql.select(cell.as_("cell"), source=profile.drawn).where(name.is_(sql.literal(None)).not_())
    if every > 1:
        query = query.where(sql.call("mod", sql.call("hash", name), every).eq(sql.literal(0)))
    cells = table.ask(sql.select(exp.Distinct(expressions=[sql.column("cell")]), source=query))
    return sorted(str(cell) for (cell,) in cells)


def _judged(column: ColumnProfile, splits: tuple[str, ...], cells: Sequence[str]) -> TextColumn | None:
    if not cells:
        return None
    forms = [form_of(cell) for cell in cells]
    form = max(Form, key=forms.count)
    if forms.count(form) < MIN_FORM_SHARE * len(cells):
        form = Form.PLAIN
    if form is Form.PLAIN and column.kind is Kind.OTHER:
        return None  # objects of another kind: their punctuation would be taken for text
    texts = [text_of(cell, form) for cell in cells]
    spoken = [_words(text) for text in texts]
    words = sum(spoken) / len(texts)
    unspaced = sum(_unspaced_letters(text) for text in texts) >= MIN_UNSPACED_SHARE * max(1, sum(map(len, texts)))
    named = _named_text(column.name)
    if form is not Form.CHAT and not _is_prose(column, texts, words, named=named, unspaced=unspaced):
        return None
    return TextColumn(
        name=column.name,
        form=form,
        splits=splits,
        part=part_of(column.name),
        words=words,
        letters=sum(map(len, texts)) / len(texts),
        unspaced=unspaced,
        distinct_share=column.distinct_share,
    )


def _is_prose(column: ColumnProfile, texts: Sequence[str], words: float, *, named: bool, unspaced: bool) -> bool:
    if words < (MIN_NAMED_WORDS if named else MIN_WORDS):
        return False
    if named and column.distinct_share >= MIN_DIFFERENT_SHARE:
        return True
    if column.distinct < MIN_DIFFERENT or column.distinct_share < MIN_DIFFERENT_SHARE:
        return False
    return unspaced or words >= LONG_WORDS or _lower_share(texts) >= MIN_LOWER_SHARE


def _words(text: str) -> float:
    unspaced = _unspaced_letters(text)
    return len(_WORD.findall(_UNSPACED.sub("", text) if unspaced else text)) + unspaced / LETTERS_PER_WORD


def _unspaced_letters(text: str) -> int:
    return 0 if text.isascii() else len(_UNSPACED.findall(text))


def _lower_share(texts: Sequence[str]) -> float:
    """Return the share of words in lower case among the words of letters; scripts without case count as lower."""
    words = [word for text in texts for word in text.split() if word[:1].isalpha()]
    return sum(not word[0].isupper() for word in words) / max(1, len(words))


def _named_text(name: str) -> bool:
    return bool(part_of(name)) or bool(TEXT_WORDS & set(words_of(name)))


def part_of(name: str) -> str:
    """Tell by its name whether a column is what a model is asked ("prompt") or what it is to say ("answer")."""
    words = set(words_of(name))
    if words & ANSWER_WORDS:
        return "answer"
    return "prompt" if words & PROMPT_WORDS else ""
