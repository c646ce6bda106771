"""Sizes of memory as people write them."""

import re

from doctor.errors import UsageError

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


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
