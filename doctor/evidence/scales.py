"""What kind of scale a set of labels is on, and which number each label stands for."""

import re
from collections.abc import Iterable

from msgspec import Struct

from doctor.errors import UsageError
from doctor.evidence.agreement import LEVELS

NUMBERED = re.compile(r"\s*(-?\d+(?:\.\d+)?)\s*[.):–-]\s*\D.*")
MIN_STEPS = 3


class Scale(Struct, frozen=True, kw_only=True):
    """A scale of measurement.

    Attributes
    ----------
    level : str
        "nominal", "ordinal", "interval" or "ratio".
    labels : tuple of str
        In ascending order where there is one.
    values : tuple of float
        The number each label stands for, ascending.
    guessed : bool
        Whether nobody declared the level. Numbers may be mere names, so a guess above "nominal" is never sure.
    """

    level: str
    labels: tuple[str, ...]
    values: tuple[float, ...]
    guessed: bool = False


def read_scale(labels: Iterable[str], declared: str | None) -> Scale:
    """Order labels and find out their scale.

    Parameters
    ----------
    labels : iterable of str
        The different labels.
    declared : str, optional
        A level, or labels in order as in "low<medium<high", which makes it ordinal.

    Raises
    ------
    UsageError
        For an unknown level, and for labels that are not on the declared one.
    """
    found = set(labels)
    if declared and "<" in declared:
        return _spelled_out(found, [part.strip() for part in declared.split("<")])
    if declared and declared not in LEVELS:
        raise UsageError(
            f"--scale: {declared!r} is none of {', '.join(LEVELS)}, nor an order such as 'low<medium<high'"
        )
    numbers = {label: _number(label) for label in found}
    if any(value is None for value in numbers.values()) or len(set(numbers.values())) < len(found):
        if declared not in (None, "nominal"):
            shown = ", ".join(repr(label) for label in sorted(found)[:3])
            raise UsageError(f"--scale {declared}: labels such as {shown} bear no numbers; write 'low<medium<high'")
        ordered = sorted(found)
        return Scale(
            level="nominal",
            labels=tuple(ordered),
            values=tuple(map(float, range(len(ordered)))),
            guessed=declared is None,
        )
    pairs = sorted((value, label) for label, value in numbers.items() if value is not None)
    values = tuple(value for value, _ in pairs)
    level = declared or _guess(values)
    return Scale(level=level, labels=tuple(label for _, label in pairs), values=values, guessed=declared is None)


def _guess(values: tuple[float, ...]) -> str:
    if len(values) < MIN_STEPS:
        return "nominal"
    return "ordinal" if all(value.is_integer() for value in values) else "interval"


def _number(label: str) -> float | None:
    numbered = NUMBERED.fullmatch(label)
    try:
        value = float(numbered.group(1) if numbered else label)
    except ValueError:
        return None
    return value if abs(value) < 1e100 else None


def _spelled_out(found: set[str], order: list[str]) -> Scale:
    unknown = sorted(found - set(order))
    if unknown or len(set(order)) < len(order):
        raise UsageError(
            f"--scale: {'labels without a place: ' + ', '.join(unknown[:5]) if unknown else 'named twice'}"
        )
    return Scale(level="ordinal", labels=tuple(order), values=tuple(map(float, range(len(order)))))
