"""Sizes of memory as people write them."""

import re

from doctor.errors import UsageError

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)
_UNITS = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def bytes_of(text: str) -> int:
    """Read a size: `500MB` and `4g` count in thousands, `512MiB` in 1,024s, a bare number in bytes.

    Raises
    ------
    UsageError
        When it is no size.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        raise UsageError(f"{text!r} is no size, such as 500MB or 4GiB")
    base = 1024 if found[3] else 1000
    return int(float(found[1]) * base ** " kmgt".index(found[2].lower() or " "))


def is_size(text: str) -> bool:
    """Whether `bytes_of` can read it, and it is more than nothing."""
    return bool(_SIZE.fullmatch(text)) and bytes_of(text) > 0


def shown_size(size: float) -> str:
    """Write a number of bytes in the largest unit of thousands that it fills."""
    for unit, name in _UNITS:
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size:,.0f} bytes"
