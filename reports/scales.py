"""Places numbers on the width of a picture, with the bounds that speak of them."""

from collections.abc import Mapping, Sequence

from doctor_reports.quantities import is_share, shown
from doctor_reports.shapes import Mark


class Scale:
    """Maps numbers to per cent of the width; 0 to 1 where that holds all of them, so that pictures compare."""

    def __init__(self, numbers: Sequence[float], *, name: str) -> None:
        self.low = min(0.0, *numbers)
        top = max(0.0, *numbers)
        unit = is_share(name) or (0 < top <= 1 and any(isinstance(number, float) for number in numbers))
        self.high = 1.0 if unit and top <= 1 else (top or 1.0)
        self.name = name

    def __call__(self, number: float) -> float:
        """Return where a number lies, in per cent."""
        return round(100 * (number - self.low) / (self.high - self.low), 2)

    def __str__(self) -> str:
        return f"{shown(self.low, self.name)} to {shown(self.high, self.name)}"


def is_bound(name: str) -> bool:
    """Whether a name is that of a threshold."""
    return name.startswith(("max_", "min_"))


def bounds_for(name: str, bounds: Mapping[str, float]) -> dict[str, float]:
    """Return the bounds that speak of a quantity: `max_share` of `missing_share`, any of `value`."""
    if name == "value":
        return dict(bounds)
    exact = {bound: value for bound, value in bounds.items() if bound[4:] == name}
    return exact or {bound: value for bound, value in bounds.items() if name.endswith(f"_{bound[4:]}")}


def marks(bounds: Mapping[str, float], scale: Scale) -> list[Mark]:
    """Draw bounds as lines across."""
    return [
        Mark(at=scale(value), text=f"at most {shown(value, scale.name)} allowed")
        if bound.startswith("max")
        else Mark(at=scale(value), text=f"at least {shown(value, scale.name)} wanted")
        for bound, value in bounds.items()
    ]


def beyond(number: float, bounds: Mapping[str, float]) -> bool:
    """Whether a number breaks a bound."""
    return any(number > value if bound.startswith("max") else number < value for bound, value in bounds.items())
