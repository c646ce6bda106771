"""What every renderer does first: hide secrets and personal data, cut what is too long, and mend broken Unicode."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from doctor.masking import without_secrets
from doctor.model import Report

MAX_VALUE_CHARACTERS = 500
MAX_PROSE_CHARACTERS = 4000
PROSE = frozenset({"message", "reason", "summary", "code", "cause", "prescription", "repeat"})
IDENTIFIERS = frozenset(
    {"check", "fingerprint", "because", "severity", "outcome", "safety", "outcomes", "manuals", "accepted"}
)
"""Fields that hold our own words, by which other programs find things again; the `because` of a guess is a sentence."""
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
    if isinstance(value, Mapping):
        names = _distinct([mask(key) for key in value])
        return {
            name: _walk(item, field if field in DATA else key)
            for name, (key, item) in zip(names, value.items(), strict=True)
        }
    if isinstance(value, (list, tuple)):
        return [_walk(item, field) for item in value]
    return value


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
