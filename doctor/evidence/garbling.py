"""Text that was decoded, cut or escaped wrongly before it came here, cell by cell.

Two opinions must agree on letters that were decoded wrongly: the bytes that the letters stand for in the wrong encoding
are UTF-8, and ftfy, which judges how unlikely a sequence of letters is, finds the text less odd when it is mended.
"""

import html
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any, ClassVar

from msgspec import Struct

from doctor.evidence.messages import Form, form_of, text_of
from doctor.evidence.profile import Profile
from doctor.evidence.suspects import Cell, Suspects, place_of, suspected
from doctor.evidence.text_columns import TextColumns
from doctor.model import Excerpt
from doctor.subjects.table import Table

MOJIBAKE, REPLACED, CONTROL, MARKUP, ESCAPED = "mojibake", "replaced", "control", "markup", "escaped"
KINDS = (MOJIBAKE, REPLACED, CONTROL, MARKUP, ESCAPED)
MAX_HITS = 50
"""Garbled places of a cell, from which the rest is not looked for."""
MAX_ASKED = 500
"""Places of a cell on which ftfy is asked."""
AROUND = 40
"""Letters before and after a place on which ftfy is asked."""
EXAMPLES = 6

# What the bytes 80 to BF, the second and later ones of a letter in UTF-8, are in Windows-1252 and Latin-1.
_LATER = "\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122"
_CYRILLIC_LATER = "\u0080-\u00bf\u0402-\u040f\u0452-\u045f\u0490\u0491\u2013-\u203a\u20ac\u2116\u2122"
_MAC_LATER = "\u00a0-\u00ff\u0131\u0152\u0153\u0192\u02c6-\u02dd\u03a9\u03c0\u2013-\u2044\u2122\u2202-\u2265\u25ca"
FORMS = {
    MOJIBAKE: f"[\u00c2-\u00df][{_LATER}]|[\u00e0-\u00ef][{_LATER}]{{2}}|[\u00f0-\u00f4][{_LATER}]{{3}}"
    # Read as Windows-1251: letters of two bytes side by side or before a sign, and letters of three bytes.
    f"|(?:[\u0412-\u042f][{_CYRILLIC_LATER}]){{2}}|[\u0412-\u042f][\u0080-\u00ba\u00bc-\u00bf]"
    f"|[\u0430-\u043f][{_CYRILLIC_LATER}]{{2}}"
    f"|\u221a[{_MAC_LATER}]|\u201a\u00c4[{_MAC_LATER}]"  # read as Mac Roman
    "|[\u251c\u2550-\u256b][\u00a0-\u00ff\u2190-\u25ff]",  # read as code page 437
    # U+FFFD, and what its bytes are in Latin-1 and in GBK.
    REPLACED: "\ufffd|\u00ef\u00bf\u00bd|\u951f\u65a4\u62f7",
    CONTROL: r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]",
    MARKUP: r"&(?:amp|lt|gt|quot|apos|nbsp|[a-z]{2,6}|#[0-9]{2,6}|#x[0-9a-fA-F]{2,5});"
    r"|</?(?:a|b|br|div|em|font|h[1-6]|hr|i|img|li|ol|p|script|span|strong|style|table|td|tr|u|ul)(?:\s[^<>]{0,300})?/?>",
    ESCAPED: r"\\u[0-9a-fA-F]{4}|\\x[0-9a-fA-F]{2}|(?:=[0-9A-F]{2}){2}",
}
_COMPILED = {kind: re.compile(form, re.ASCII) for kind, form in FORMS.items()}
LOST_IN_LATIN_1 = "\u00ef\u00bf\u00bd"
IN_JSON = r"\\u00[c-fC-F89][0-9a-fA-F]|\\ufffd|\\u00[01][0-9a-fA-F]"
"""What may stand for such letters where nested values were written as JSON."""

Span = tuple[int, int]


class GarbledColumn(Struct, frozen=True, kw_only=True):
    """Cells of one column with one kind of fault.

    Attributes
    ----------
    cells : int
        Rows with such a cell; scaled where `drawn`.
    of : int
        Rows with a value.
    mendable : bool
        Whether `mended` knows what the cells should be.
    """

    column: str
    kind: str
    cells: int
    of: int
    drawn: bool
    mendable: bool
    samples: tuple[Excerpt, ...]


class Garbling(Struct, frozen=True, kw_only=True):
    """All columns of text, by kind of fault, the most affected first."""

    COST: ClassVar[int] = 10

    columns: tuple[GarbledColumn, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, texts: TextColumns | None) -> "Garbling":
        """Match all rows in the engine and judge what matches.

        Raises
        ------
        NotApplicable
            Where there is no text.
        """
        pattern = "|".join(FORMS.values())
        found: list[GarbledColumn] = []
        for column, suspects in suspected(table, profile, texts, pattern, f"{pattern}|{IN_JSON}", faults_of):
            found += _judged(table, suspects, column.present)
        return cls(columns=tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), -one.cells / one.of))))


def _judged(table: Table, suspects: Suspects, present: int) -> Iterator[GarbledColumn]:
    hits: dict[str, list[tuple[Cell, str, tuple[Span, ...]]]] = {kind: [] for kind in KINDS}
    nested = False
    for cell in suspects.cells:
        form = form_of(cell.text)
        nested |= form is not Form.PLAIN
        text = text_of(cell.text, form)
        for kind, spans in faults_of(text).items():
            hits[kind].append((cell, text, spans))
    for kind, cells in hits.items():
        if not cells:
            continue
        yield GarbledColumn(
            column=suspects.column,
            kind=kind,
            cells=min(present, sum(cell.rows for cell, _, _ in cells) * suspects.every),
            of=present,
            drawn=suspects.every > 1,
            mendable=kind in _MENDING and not nested,
            samples=tuple(
                Excerpt(place=place_of(table, suspects.column, cell.first), **_piece(text, spans))
                for cell, text, spans in cells[:EXAMPLES]
            ),
        )


def faults_of(text: str) -> dict[str, tuple[Span, ...]]:
    """Return where a text is garbled, by kind of fault; kinds of which it has none are left out."""
    found = {}
    for kind, form in _COMPILED.items():
        if kind in (MOJIBAKE, REPLACED) and text.isascii():
            continue
        spans: list[Span] = []
        for asked, hit in enumerate(form.finditer(text)):
            if len(spans) >= MAX_HITS or (kind == MOJIBAKE and asked >= MAX_ASKED):
                break
            if kind != MOJIBAKE or _was_decoded_wrongly(text, hit.start(), hit.end()):
                spans.append(hit.span())
        if kind == CONTROL and MOJIBAKE in found:
            spans = [span for span in spans if text[span[0]] < "\x80"]  # the others are part of the wrong decoding
        if spans:
            found[kind] = tuple(_joined(spans))
    return found


def _was_decoded_wrongly(text: str, start: int, end: int) -> bool:
    """Ask ftfy on the words around a place."""
    import ftfy
    from ftfy.badness import badness

    if text[start:end] == LOST_IN_LATIN_1:
        return False
    around = text[max(0, start - AROUND) : end + AROUND]
    fixed = ftfy.fix_encoding(around)
    return fixed != around and badness(fixed) < badness(around)


def mended(text: str, kinds: Collection[str]) -> str:
    """Undo those of these faults that a text has and that can be undone."""
    faults = faults_of(text)
    for kind in (kind for kind in kinds if kind in faults):
        text = _MENDING[kind](text)
    return text


def _decoded_anew(text: str) -> str:
    import ftfy

    return str(ftfy.fix_encoding(text))


def _without_controls(text: str) -> str:
    """Write the characters of Windows-1252 that were taken for control characters, and leave out real ones."""
    from ftfy.fixes import fix_c1_controls

    return _COMPILED[CONTROL].sub("", str(fix_c1_controls(text)))


_MENDING: dict[str, Callable[[str], str]] = {
    MOJIBAKE: _decoded_anew,
    CONTROL: _without_controls,
    MARKUP: html.unescape,
}


def _joined(spans: list[Span]) -> list[Span]:
    joined = spans[:1]
    for start, end in spans[1:]:
        if start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined


def _piece(text: str, spans: tuple[Span, ...]) -> dict[str, Any]:
    piece, shown = excerpt(text, spans)
    return {"text": piece, "spans": list(shown)}


def excerpt(text: str, spans: tuple[Span, ...], letters: int = 240) -> tuple[str, tuple[Span, ...]]:
    """Cut a piece out of a text around the first span, and move the spans that lie in it."""
    first = max(0, min(spans[0][0] - letters // 4, len(text) - letters))
    last = min(len(text), first + letters)
    before, after = "…" if first else "", "…" if last < len(text) else ""
    shift = len(before) - first
    inside = tuple((start + shift, min(end, last) + shift) for start, end in spans if first <= start < last)
    return f"{before}{text[first:last]}{after}", inside
