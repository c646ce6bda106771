"""What every renderer does first: hide secrets and personal data, cut what is too long, and mend broken Unicode.

Masked are e-mail addresses, phone-like and card-like numbers, keys and tokens of known services, values that stand
after a word such as `password=`, credentials in URLs, and long random-looking strings. Enough is left of each to
recognise it by.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from doctor.model import Report

MAX_VALUE_CHARACTERS = 500
MAX_PROSE_CHARACTERS = 4000
PROSE = frozenset({"message", "reason", "summary", "code", "cause", "prescription", "repeat"})
IDENTIFIERS = frozenset(
    {"check", "fingerprint", "because", "severity", "outcome", "safety", "outcomes", "manuals", "accepted", "jpeg"}
)
"""Fields that hold our own words, by which other programs find things again; the `because` of a guess is a sentence.
A picture is looked at by whoever shows it."""
DATA = frozenset({"evidence", "effect", "roles", "weights", "splits", "details"})
"""Fields whose keys are a stranger's words and mean nothing here."""

MAX_RANDOM_PIECE = 2.8
"""Mean length of the pieces (a word, capitals, digits) of which a random string is made; it is 2 for random base64 and
about 4 for paths and names in camel case."""

MAX_MARK_CHARACTERS = 40
_CUT = re.compile(r"… \([\d,]+ characters\)$")
"""The end of a text that was cut before: a stored report is masked again when it is shown."""

_PIECE = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_SERVICE_KEY = re.compile(
    r"\b(?:sk-|sk_live_|rk_live_|gh[opsur]_|github_pat_|glpat-|hf_|xox[abprs]-|AKIA|ASIA|AIza|npm_|pypi-)"
    r"[A-Za-z0-9_\-]{10,}"
)
_JSON_WEB_TOKEN = re.compile(r"\beyJ[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]*")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_NAMED_SECRET = re.compile(
    r"(?i)\b((?:password|passwd|secret|token|api[_-]?key|access[_-]?key|auth[_-]?token)[\"']?\s*[=:]\s*[\"']?)"
    r"([^\s\"'&,;]{6,})"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)([A-Za-z0-9._~+/\-]{10,}=*)")
_URL_CREDENTIALS = re.compile(r"(?<=://)([^\s/:@]{1,200}):([^\s/@]{1,200})@")
_RANDOM = re.compile(r"(?<![A-Za-z0-9+/_\-])[A-Za-z0-9+/_\-]{32,}={0,2}")
_EMAIL = re.compile(
    r"(?<!://)(?<![A-Za-z0-9._%+\-])"  # the user of a database's address is no mailbox
    r"([A-Za-z0-9_])[A-Za-z0-9._%+\-]{0,63}@((?:[A-Za-z0-9\-]{1,63}\.)+[A-Za-z]{2,24})\b"
)
_CARD = re.compile(r"(?<![\d.])(?:\d[ -]?){12,18}\d(?![\d.])")
_ISSUED = re.compile(r"4\d{12}(?:\d{3})?|(?:5[1-5]|2[2-7]|35)\d{14}|3[47]\d{13}|6(?:011|5\d\d)\d{12}|62\d{14,17}")
"""Lengths and first digits that the card networks use (ISO/IEC 7812)."""
_PHONE = re.compile(
    r"(?<![\w.+])(?:"
    r"\+\d{1,3}[ .\-]?(?:\(\d{1,4}\)[ .\-]?)?\d(?:[ .\-]?\d){5,12}"  # international
    r"|\(\d{2,5}\)[ .\-]?\d{2,4}(?:[ .\-]?\d){3,7}"  # area code in brackets
    r"|\d{3}[.\-]\d{3}[.\-]\d{4}"  # North America
    r"|1[3-9]\d{9}"  # Chinese mobile
    r")(?![\w]|\.\d)"
)


def masked(report: Report) -> Report:
    """Return the report as it may be shown.

    Parameters
    ----------
    report : Report
        As the engine made it; it is not changed.

    Returns
    -------
    Report
        The same with every string that comes from data masked, cut to 500 characters (sentences to 4,000) and
        free of lone surrogates. Check ids, fingerprints and manual pages stay as they are.
    """
    return msgspec.convert(_walk(msgspec.to_builtins(report), ""), Report)


def _walk(value: Any, field: str) -> Any:
    if field in IDENTIFIERS and not (field == "because" and isinstance(value, str)):
        return value
    if isinstance(value, str):
        return mask(value, limit=MAX_PROSE_CHARACTERS if field in PROSE else MAX_VALUE_CHARACTERS)
    if field == "excerpts" and isinstance(value, Mapping):
        return _excerpt(value)
    if isinstance(value, Mapping):
        names = _distinct([mask(key) for key in value])
        return {
            name: _walk(item, field if field in DATA else key)
            for name, (key, item) in zip(names, value.items(), strict=True)
        }
    if isinstance(value, (list, tuple)):
        return [_walk(item, field) for item in value]
    return value


def _excerpt(value: Mapping[str, Any]) -> dict[str, Any]:
    """Mask a piece of text between its marks and in them, so that the marks stay where they are.

    Where something would be masked across the border of a mark, the text matters more than the marks.
    """
    text, spans = str(value.get("text", "")), [tuple(span) for span in value.get("spans", ())]
    kept = {name: _walk(item, name) for name, item in value.items() if name not in ("text", "spans")}
    if mask(text) == text:
        return kept | {"text": text, "spans": spans}
    ends = sorted({0, len(text), *(min(max(end, 0), len(text)) for span in spans for end in span)})
    places, joined = {}, ""
    for begin, end in pairwise(ends):
        places[begin] = len(joined)
        joined += mask(text[begin:end], limit=MAX_PROSE_CHARACTERS)
        places[end] = len(joined)
    if mask(joined) != joined:
        return kept | {"text": mask(text), "spans": []}
    moved = [(places[begin], places[end]) for begin, end in spans if begin in places and end in places]
    return kept | {"text": joined, "spans": moved}


def _distinct(names: list[str]) -> list[str]:
    """Number names that masking made alike, so that none takes another's place."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return numbered


def mask(text: str, *, limit: int = MAX_VALUE_CHARACTERS) -> str:
    """Hide secrets and personal data in a text and cut it to `limit` characters."""
    length = len(text)
    if length > 2 * MAX_PROSE_CHARACTERS:
        text = text[: 2 * MAX_PROSE_CHARACTERS]
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    if len(text) >= 6:
        for pattern, replacement in _RULES:
            text = pattern.sub(replacement, text)
    if len(text) <= limit or (len(text) <= limit + MAX_MARK_CHARACTERS and _CUT.search(text)):
        return text
    return f"{text[:limit]}… ({length:,} characters)"


def _ends(match: re.Match[str]) -> str:
    return f"{match.group()[:4]}•••"


def _random(match: re.Match[str]) -> str:
    word = match.group()
    pieces = _PIECE.findall(word)
    mixed = all(re.search(letters, word) for letters in ("[a-z]", "[A-Z]", "[0-9]"))
    random = mixed and sum(map(len, pieces)) <= MAX_RANDOM_PIECE * len(pieces)
    return f"{word[:4]}•••" if random else word


def _card(match: re.Match[str]) -> str:
    number = re.sub(r"[ -]", "", match.group())
    digits = [int(digit) for digit in number]
    doubled = [sum(divmod(2 * digit, 10)) if place % 2 else digit for place, digit in enumerate(reversed(digits))]
    valid = _ISSUED.fullmatch(number) and sum(doubled) % 10 == 0  # the Luhn sum, ISO/IEC 7812-1
    return f"•••• {number[-4:]}" if valid else match.group()


def _phone(match: re.Match[str]) -> str:
    return f"{match.group()[:3]}•••{match.group()[-2:]}"


_RULES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_PRIVATE_KEY, "-----BEGIN PRIVATE KEY----- •••"),
    (_URL_CREDENTIALS, "•••:•••@"),
    (_JSON_WEB_TOKEN, _ends),
    (_SERVICE_KEY, _ends),
    (_BEARER, r"\1•••"),
    (_NAMED_SECRET, r"\1•••"),
    (_RANDOM, _random),
    (_EMAIL, r"\1•••@\2"),
    (_CARD, _card),
    (_PHONE, _phone),
)
