"""Values from strangers' data, made fit for a sentence, a terminal and a JSON document."""

import math
import re
from collections.abc import Mapping
from typing import Any


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
