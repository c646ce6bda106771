"""What every renderer does first: hide secrets and personal data, cut what is too long, and mend broken Unicode."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import msgspec

from doctor.masking import without_secrets
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

MAX_MARK_CHARACTERS = 40
_CUT = re.compile(r"… \([\d,]+ characters\)$")
"""The end of a text that was cut before: a stored report is masked again when it is shown."""


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
    text = without_secrets(text)
    if len(text) <= limit or (len(text) <= limit + MAX_MARK_CHARACTERS and _CUT.search(text)):
        return text
    return f"{text[:limit]}… ({length:,} characters)"
