"""Writes names and values of evidence as people read them: shares in per cent, bytes in GB, thousands set apart."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

MAX_LISTED = 14
MAX_FACTS = 60
UNITS = {"bytes": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9}
SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
TIMES = {"seconds": "s", "ms": "ms"}
PLAINER = {
    "purity": "share there",
    "base_share": "share in all rows",
    "percent": "say the same",
    "rival_score": "all others together",
    "seconds": "time",
    "late_share": "share that is late",
}
"""Names that a reader of the report need not know, in other words."""


def words(name: str) -> str:
    """Return the name of a quantity as words, without the unit that its value is written with."""
    if name in PLAINER:
        return PLAINER[name]
    stem, _, unit = name.rpartition("_")
    return (stem if stem and (unit in UNITS or unit in TIMES) and not stem.endswith("per") else name).replace("_", " ")


def unit_of(name: str) -> str:
    """Return the last word of a name where that is a unit of size or time, else nothing."""
    unit = name.rpartition("_")[2]
    return unit if (unit in UNITS or unit in TIMES) and "_per_" not in name else ""


def is_share(name: str) -> bool:
    """Whether a quantity is a share of something, from 0 to 1."""
    return name in ("share", "purity", "percent") or name.endswith("_share")


def is_number(value: Any) -> bool:
    """Whether a value can be placed on a scale."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def shown(value: Any, name: str = "") -> str:
    """Return a value as a person reads it: shares in per cent, thousands set apart."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "undefined"}[value]
    if isinstance(value, (int, float)) and (unit := unit_of(name)) and math.isfinite(value):
        return _sized(value * UNITS[unit]) if unit in UNITS else f"{_digits(value)} {TIMES[unit]}"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 or name.endswith("rows") else str(value)
    if isinstance(value, float):
        if is_share(name):
            return f"{value:.1%}".replace(".0%", "%") if value == 0 or abs(value) >= 0.001 else f"{value:.2g}"
        return _digits(value)
    if isinstance(value, list):
        more = f" and {len(value) - MAX_LISTED:,} more" if len(value) > MAX_LISTED else ""
        return ", ".join(shown(item, name) for item in value[:MAX_LISTED]) + more
    return str(value)


def brief(value: float, name: str) -> str:
    """Return a number as it stands beside a picture: three digits, unless they would make a whole of what is none."""
    if isinstance(value, float) and not is_share(name) and not unit_of(name) and abs(value) < 1:
        rounded = f"{value:.3g}"
        return rounded if float(rounded).is_integer() == value.is_integer() else shown(value, name)
    return shown(value, name)


def _digits(value: float) -> str:
    return f"{value:,.0f}" if 10_000 <= abs(value) < 1e9 else f"{value:,.4g}"


def _sized(size: float) -> str:
    for factor, unit in SIZES:
        if abs(size) >= factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size:.0f} B"


def facts(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the evidence as name and value, one level of nesting per `›`."""
    rows = list(_flat(evidence, "", ""))
    left = len(rows) - MAX_FACTS
    return rows if left <= 0 else [*rows[:MAX_FACTS], ("…", f"{left:,} more; the JSON report has them all")]


def _flat(evidence: Mapping[str, Any], prefix: str, outer: str) -> Iterator[tuple[str, str]]:
    for name, value in evidence.items():
        label = f"{prefix}{words(name)}"
        measured = name if unit_of(name) or not unit_of(outer) else outer
        if name == "kind" and not prefix:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{label} › ", name)
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, 1):
                yield from _flat(item, f"{label} {number} › ", name)
        elif isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            for number, item in enumerate(value, 1):
                yield f"{label} {number}", shown(item, measured)
        else:
            yield label, shown(value, measured)
