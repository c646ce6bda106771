"""What the texts of single cells look like: numbers and how they are dressed, dates, words for "nothing", shapes."""

import re
from collections.abc import Mapping

BLANKS = " \t\r\n\u00a0\u2007\u202f\ufeff\u200b"
"""Blanks that `str.strip` alone leaves are among them: a cell that looks empty may hold one."""

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_CODE = re.compile(r"0\d")
_CURRENCY = "$€£¥₹"
_GROUPED = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?")
_POINTED = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d+")
_COMMA = re.compile(r"[+-]?\d+,\d+")
_UNIT = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+)) ?([A-Za-zµ°]{1,4}\.?|°[CF])")
_DATES = (
    (
        "YYYY-MM-DD",
        re.compile(r"\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)? ?(Z|UTC|[+-]\d{2}(:?\d{2})?)?"),
    ),
    ("YYYY/MM/DD", re.compile(r"\d{4}/\d{1,2}/\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2})?)?")),
    ("D/M/YYYY", re.compile(r"\d{1,2}/\d{1,2}/\d{4}([ T]\d{1,2}:\d{2}(:\d{2})?)?")),
    ("D/M/YY", re.compile(r"\d{1,2}/\d{1,2}/\d{2}([ T]\d{1,2}:\d{2}(:\d{2})?)?")),
    ("D-M-YYYY", re.compile(r"\d{1,2}-\d{1,2}-\d{4}([ T]\d{1,2}:\d{2}(:\d{2})?)?")),
    ("D.M.YYYY", re.compile(r"\d{1,2}\.\d{1,2}\.\d{4}([ T]\d{1,2}:\d{2}(:\d{2})?)?")),
    ("Month D, YYYY", re.compile(r"[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4}")),
    ("D Month YYYY", re.compile(r"\d{1,2}[- ][A-Z][a-z]{2,8}[- ]\d{2,4}")),
)

CODES = frozenset(
    {
        *("?", "??", "???", "-", "--", "---", "–", "—", ".", "..", "...", "\\n", "n/a", "n.a.", "n.a", "#n/a", "error"),
        *("#value!", "#ref!", "#div/0!", "#name?", "#null!", "#num!", "#error", "(null)", "<null>", "[null]", "null"),
        *("nil", "nan", "-nan", "nat", "1.#ind", "1.#qnan", "undefined", "(blank)", "(empty)", "no data", "nodata"),
    }
)
"""What no list of levels holds on purpose, in lower case."""
WORDS = frozenset(
    {
        *("unknown", "unk", "missing", "not available", "not known", "unspecified", "not specified", "not recorded"),
        *("not provided", "not reported", "undetermined", "tbd", "to be determined", "no answer", "no response"),
        *("unavailable", "not stated", "unbekannt", "inconnu", "desconocido"),
    }
)
"""What may also be a level of its own, in lower case."""


def stripped(text: str) -> str:
    """Take the blanks around a text away, those that only look like blanks included."""
    return text.strip(BLANKS)


def folded(text: str) -> str:
    """Write a text without what hides that two spellings are one: case, blanks, and the signs between words."""
    return re.sub(r"[\s_\-\u00a0]+", " ", stripped(text)).casefold()


def is_number(text: str) -> bool:
    """Whether a text is a number as programs write it; leading zeros make a code ("00501")."""
    bare = text.lstrip("+-")
    return bool(_NUMBER.fullmatch(text)) and not _CODE.match(bare)


def dress_of(text: str) -> tuple[str, str]:
    """Tell a number from what it is dressed in.

    Returns
    -------
    tuple of (str, str)
        The dress ("" for none, "%", a currency, "thousands", "decimal comma", a unit) and the bare number; two empty
        strings where the text is no number.
    """
    if is_number(text) or not text:
        return "", text
    bare, dress = text, ""
    if bare.endswith("%"):
        bare, dress = stripped(bare[:-1]), "%"
    elif found := next((sign for sign in _CURRENCY if sign in (text[0], text[-1])), ""):
        bare, dress = stripped(text.replace(found, "", 1)), found
    if dress and is_number(bare):
        return dress, bare
    if _GROUPED.fullmatch(bare):
        return dress or "thousands", bare.replace(",", "")
    if _POINTED.fullmatch(bare):
        return dress or "decimal comma", bare.replace(".", "").replace(",", ".")
    if _COMMA.fullmatch(bare) and is_number(bare.replace(",", ".")):
        return dress or "decimal comma", bare.replace(",", ".")
    if not dress and (unit := _UNIT.fullmatch(text)) and is_number(unit[1]):
        return unit[2], unit[1]
    return "", ""


def is_unit(dress: str) -> bool:
    """Whether a dress is letters behind the number, which may as well be a part of a code ("12B", "1011 AB", "3rd")."""
    return dress not in ("", "%", "thousands", "decimal comma") and dress not in _CURRENCY


def date_form(text: str) -> str:
    """Name the form of a date; empty where a text is none."""
    return next((name for name, form in _DATES if form.fullmatch(text)), "")


def shape_of(text: str) -> str:
    """Write a text as its shape: 9 for each digit, A and a for runs of letters, everything else as it is."""
    shape = re.sub(r"[^\W\d_]+", "a", text)
    return re.sub(r"\d", "9", re.sub(r"\s+", " ", shape))


def stands_for_nothing(text: str, *, words: bool = True) -> bool:
    """Whether a text is a known way to say that there is no value."""
    bare = stripped(text).lower()
    return bare in CODES or (words and bare in WORDS)


def commonest(counts: Mapping[str, int], limit: int) -> dict[str, int]:
    """Return the commonest entries, ties by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit])
