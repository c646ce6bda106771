"""Values from strangers' data, made fit for a sentence, a terminal and a JSON document."""

import math
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

SECRET_NAME = re.compile(r"(?i)pass|secret|token|key")
"""What options of an address are called that are nobody's business."""


def plain(value: Any) -> Any:
    """Turn numpy scalars, tuples and non-finite floats into what JSON can hold."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def printable(text: str, *, limit: int = 2000) -> str:
    """Escape control and direction characters, so that a stranger's data cannot steer a terminal, and cut."""
    clean = _CONTROL.sub(lambda match: repr(match.group())[1:-1], text)
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


class Words(str):
    """A string that shows itself safely inside a message; with the format `long` five times as much of it."""

    def __format__(self, spec: str) -> str:
        return printable(self, limit=400) if spec == "long" else format(printable(self, limit=80), spec)


def masked_address(uri: str, *, options: bool = False) -> str:
    """Return an address without its secrets, and unless wanted without its options; nothing where it cannot be read."""
    try:
        parts = urlsplit(uri)
        user = parts.username
        place = parts.netloc.rpartition("@")[2]
    except ValueError:
        return ""
    kept = [(name, value) for name, value in parse_qsl(parts.query) if options and not SECRET_NAME.search(name)]
    netloc = f"{user}@{place}" if user else place
    return urlunsplit((parts.scheme, netloc, parts.path, urlencode(kept), ""))
