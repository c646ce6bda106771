"""Sentences in texts that speak to the model: to forget its instructions, to tell them, to have no rules."""

import re
from collections import Counter
from typing import ClassVar

from msgspec import Struct

from doctor.evidence.garbling import excerpt
from doctor.evidence.messages import Form, form_of, text_of
from doctor.evidence.profile import Profile
from doctor.evidence.suspects import Suspects, matching, place_of
from doctor.evidence.text_columns import TextColumns
from doctor.subjects.table import Table

OVERRIDE, REVEAL, PERSONA, HIDDEN = "override", "reveal", "persona", "hidden"
EXAMPLES = 6
MAX_ROWS = 10_000
_GAP = r"[^.!?\n]{0,24}"
_RULES = r"(?:instructions?|prompts?|directions?|directives?|rules|guidelines|programming)"

FORMS = {
    OVERRIDE: rf"(?i:\b(?:ignore|disregard|forget|override|bypass)\b{_GAP}"
    rf"\b(?:previous|prior|above|earlier|preceding|system|original|initial|your)\s+(?:\w+\s+)?{_RULES}\b)"
    r"|(?i:\bignorier\w*\b[^.!?\n]{0,16}\b(?:vorherigen|bisherigen|obigen|vorigen)\b[^.!?\n]{0,16}"
    r"\b(?:anweisungen|befehle|regeln|instruktionen)\b)"
    r"|(?i:\bignore[rz]?\b[^.!?\n]{0,16}\b(?:instructions|consignes|règles)\s+(?:précédentes|ci-dessus|antérieures))"
    r"|(?i:\bignor[ae]\w*\b[^.!?\n]{0,16}\b(?:instrucciones|instruções|istruzioni|reglas|regras)\s+"
    r"(?:anteriores|previas|prévias|precedenti))"
    r"|(?:忽略|无视|忘记|忽視)[^。！？\n]{0,8}(?:之前|以上|上面|先前|前面|系统)[^。！？\n]{0,8}(?:指令|指示|提示|规则|命令)",
    REVEAL: r"(?i:\b(?:reveal|print|show|repeat|output|leak|display|tell)\b[^.!?\n]{0,16}\byour\b[^.!?\n]{0,16}"
    r"\b(?:system|hidden|initial|secret)\s+(?:prompt|instructions?|message)\b)",
    PERSONA: r"(?i:\byou\s+are\s+(?:now\s+)?(?:in\s+)?)(?:DAN\b|(?i:developer\s+mode|jailbroken|(?:an?\s+)?"
    r"(?:unrestricted|unfiltered|uncensored)\s+(?:ai|model|assistant|chatbot)))|\bDo Anything Now\b",
    HIDDEN: "[\U000e0020-\U000e007e]{6}|[\u200b\u200c\u2060\u2061-\u2064]{8}",
}
"""Of hidden text: letters of the tag block, which no font shows, and runs of characters without a width."""
_COMPILED = {kind: re.compile(form) for kind, form in FORMS.items()}
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007f]{3,8}")
"""Flags of regions are written with the same letters."""

Span = tuple[int, int]


class Spoken(Struct, frozen=True, kw_only=True):
    """A piece of a text that speaks to the model."""

    place: str
    text: str
    spans: tuple[Span, ...]


class InjectedColumn(Struct, frozen=True, kw_only=True):
    """What one column holds.

    Attributes
    ----------
    cells, of : int
        Rows with such a text, scaled where `drawn`, and rows with a value.
    kinds : dict of str to int
        Cells by kind.
    rows : tuple of int
        First rows of the texts, counted from 0 in the table; `repeated` says that some stand in further rows.
    """

    column: str
    cells: int
    of: int
    drawn: bool
    kinds: dict[str, int]
    rows: tuple[int, ...]
    repeated: bool
    samples: tuple[Spoken, ...]


class Injections(Struct, frozen=True, kw_only=True):
    """All columns of free text that hold some."""

    COST: ClassVar[int] = 9

    columns: tuple[InjectedColumn, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, texts: TextColumns) -> "Injections":
        """Match all rows in the engine."""
        pattern = "|".join(FORMS.values())
        found = []
        for column in texts.columns:
            facts = profile[column.name]
            # JSON may hold letters beyond ASCII as escapes.
            own = pattern if column.form is Form.PLAIN else rf"{pattern}|\\udb40|\\u200[bc]|\\u5ffd"
            judged = _judged(table, matching(table, facts, own), facts.present)
            found += [judged] if judged else []
        return cls(columns=tuple(found))


def _judged(table: Table, suspects: Suspects, present: int) -> InjectedColumn | None:
    kinds: Counter[str] = Counter()
    cells, rows = 0, []
    samples: list[Spoken] = []
    repeated = False
    for cell in suspects.cells:
        text = text_of(cell.text, form_of(cell.text))
        hits = spoken_in(text)
        if not hits:
            continue
        cells += cell.rows
        rows.append(cell.first)
        repeated |= cell.rows > 1
        kinds.update(dict.fromkeys((kind for kind, _ in hits), cell.rows))
        if len(samples) < EXAMPLES:
            piece, spans = excerpt(text, tuple(span for _, span in hits))
            samples.append(Spoken(place=place_of(table, suspects.column, cell.first), text=piece, spans=spans))
    if not cells:
        return None
    return InjectedColumn(
        column=suspects.column,
        cells=min(present, cells * suspects.every),
        of=present,
        drawn=suspects.every > 1,
        kinds=dict(kinds.most_common()),
        rows=tuple(rows[:MAX_ROWS]),
        repeated=repeated or len(rows) > MAX_ROWS,
        samples=tuple(samples),
    )


def spoken_in(text: str) -> list[tuple[str, Span]]:
    """Return what in a text speaks to the model: the kind and where it stands."""
    found = []
    for kind, form in _COMPILED.items():
        searched = _FLAG.sub(lambda flag: " " * len(flag.group()), text) if kind == HIDDEN else text
        found += [(kind, match.span()) for match in form.finditer(searched)]
    return sorted(found, key=lambda hit: hit[1])
