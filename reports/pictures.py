"""Chooses small pictures for evidence by its shape and by the names of its quantities, never by the check.

A share, a number with a bound `max_…` or `min_…`, a mapping from names to numbers become bars; an estimate with its
interval becomes a whisker; numbers by two names become a heat map. The template draws; here are only numbers,
positions in per cent of the width and words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

MAX_BARS = 14
MAX_CELLS_ACROSS = 12
MAX_FACTS = 60
HEAT_LEVELS = 6
LOW_NAMES, HIGH_NAMES = ("low", "lower"), ("high", "upper")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A bound, drawn as a line across; `at` in per cent."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A bar or a whisker: `begin` to `end`, and for a whisker the estimate at `middle`, all in per cent."""

    label: str
    begin: float
    end: float
    text: str
    beyond: bool = False
    middle: float | None = None


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Bars or whiskers on one scale."""

    caption: str
    rows: Sequence[Row]
    marks: Sequence[Mark] = ()
    more: int = 0
    scale: str = ""
    kind: str = "rows"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number in a heat map; `level` from 0 (pale) to 5."""

    text: str
    level: int


@dataclass(frozen=True, kw_only=True)
class Heat:
    """Numbers by row and column."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    more: int = 0
    kind: str = "heat"


Picture = Rows | Heat
Interval = tuple[float, float | None, float]


def words(name: str) -> str:
    """Return the name of a quantity as words."""
    return name.replace("_", " ")


def shown(value: Any, name: str = "") -> str:
    """Return a value as a person reads it: shares in per cent, thousands set apart."""
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "undefined"}[value]
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 or name.endswith("rows") else str(value)
    if isinstance(value, float):
        if name.endswith("share"):
            return f"{value:.1%}".replace(".0%", "%") if value == 0 or abs(value) >= 0.001 else f"{value:.2g}"
        return f"{value:,.4g}" if abs(value) < 10_000 else f"{value:,.0f}"
    if isinstance(value, list):
        return ", ".join(shown(item, name) for item in value[:MAX_BARS]) + (
            f" and {len(value) - MAX_BARS:,} more" if len(value) > MAX_BARS else ""
        )
    return str(value)


def brief(value: float, name: str) -> str:
    """Return a number as it stands beside a picture: three digits, unless they would make a whole of what is none."""
    if isinstance(value, float) and not _share(name) and abs(value) < 1:
        rounded = f"{value:.3g}"
        return rounded if float(rounded).is_integer() == value.is_integer() else shown(value, name)
    return shown(value, name)


def facts(evidence: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the evidence as name and value, one level of nesting per `›`."""
    rows = list(_flat(evidence, ""))
    left = len(rows) - MAX_FACTS
    return rows if left <= 0 else [*rows[:MAX_FACTS], ("…", f"{left:,} more; the JSON report has them all")]


def _flat(evidence: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in evidence.items():
        label = f"{prefix}{words(name)}"
        if name == "kind" and not prefix:
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{label} › ")
        elif isinstance(value, list) and value and all(isinstance(item, Mapping) for item in value):
            for number, item in enumerate(value, 1):
                yield from _flat(item, f"{label} {number} › ")
        elif isinstance(value, list) and value and all(isinstance(item, list) for item in value):
            for number, item in enumerate(value, 1):
                yield f"{label} {number}", shown(item, name)
        else:
            yield label, shown(value, name)


def pictures(evidence: Mapping[str, Any]) -> list[Picture]:
    """Return the pictures that the shape of the evidence allows, possibly none; those with a bound come first."""
    bounds = {name: float(value) for name, value in evidence.items() if _is_bound(name) and _number(value)}
    intervals = dict(_intervals(evidence))
    spoken = {part for name in intervals for part in _interval_names(name)}
    made: list[Picture | None] = [_whiskers(words(name), {"": span}, name, bounds) for name, span in intervals.items()]
    made += _singles({name: value for name, value in evidence.items() if name not in spoken}, bounds)
    made += [_nested(name, value, evidence, bounds) for name, value in evidence.items()]
    drawn = [picture for picture in made if picture is not None]
    return sorted(drawn, key=lambda picture: not (isinstance(picture, Rows) and picture.marks))


def _singles(evidence: Mapping[str, Any], bounds: Mapping[str, float]) -> Iterator[Rows]:
    """Draw bare numbers, those of one kind together: `score` beside `rival_score`, shares beside shares."""
    kinds: dict[str, dict[str, float]] = {}
    for name, value in evidence.items():
        if _number(value) and name not in bounds:
            kinds.setdefault(name.rpartition("_")[2], {})[name] = value
    for kind, values in kinds.items():
        told = [name for name in values if _told(name, evidence, bounds)]
        alike = len(values) > 1 and all(isinstance(value, float) and -1 <= value <= 1 for value in values.values())
        kept = values if alike else {name: values[name] for name in told}
        if kept:
            yield _bars("", {words(name): value for name, value in kept.items()}, (told or [kind])[0], bounds)


def _told(name: str, evidence: Mapping[str, Any], bounds: Mapping[str, float]) -> bool:
    """Whether a bare number says something as a bar: a share, or the quantity that a bound is about."""
    about = [bound for bound in _bounds_for(name, bounds) if bound[4:] == name or bound[4:] not in evidence]
    return _share(name) or bool(about)


def _share(name: str) -> bool:
    return name == "share" or name.endswith("_share")


def _is_bound(name: str) -> bool:
    return name.startswith(("max_", "min_"))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _bounds_for(name: str, bounds: Mapping[str, float]) -> dict[str, float]:
    """Return the bounds that speak of a quantity: `max_share` of `missing_share`, any of `value`."""
    if name == "value":
        return dict(bounds)
    exact = {bound: value for bound, value in bounds.items() if bound[4:] == name}
    return exact or {bound: value for bound, value in bounds.items() if name.endswith(f"_{bound[4:]}")}


def _interval_names(name: str) -> list[str]:
    tails = [f"_{tail}" for tail in (*LOW_NAMES, *HIGH_NAMES, "interval", "ci")]
    return [name, *(name + tail for tail in tails), *(LOW_NAMES + HIGH_NAMES if name == "value" else ())]


def _intervals(evidence: Mapping[str, Any]) -> Iterator[tuple[str, Interval]]:
    """Find estimates with intervals: `[low, estimate, high]`, `x_interval`, or `x` with `x_low` and `x_high`."""
    for name, value in evidence.items():
        stem = name.removesuffix("_interval").removesuffix("_ci")
        if isinstance(value, list) and all(map(_number, value)):
            span = _span(value, evidence.get(stem) if stem != name or name == "interval" else None, stem != name)
            if span:
                yield stem, span
        elif _number(value):
            low, high = _end(evidence, name, LOW_NAMES), _end(evidence, name, HIGH_NAMES)
            if low is not None and high is not None:
                yield name, (low, float(value), high)


def _end(evidence: Mapping[str, Any], name: str, tails: Sequence[str]) -> float | None:
    """Return an end of the interval of a quantity; that of `value` may be plainly called `low`."""
    names = [f"{name}_{tail}" for tail in tails] + (list(tails) if name == "value" else [])
    return next((float(evidence[end]) for end in names if _number(evidence.get(end))), None)


def _span(value: Sequence[float], estimate: Any, named: bool) -> Interval | None:
    if len(value) == 3 and value[0] <= value[1] <= value[2] and (named or any(isinstance(x, float) for x in value)):
        return float(value[0]), float(value[1]), float(value[2])
    if len(value) == 2 and named and value[0] <= value[1]:
        return float(value[0]), float(estimate) if _number(estimate) else None, float(value[1])
    return None


def _nested(name: str, value: Any, evidence: Mapping[str, Any], bounds: Mapping[str, float]) -> Picture | None:
    if isinstance(value, Mapping) and len(value) > 1:
        items = list(value.values())
        if all(map(_number, items)):
            return _bars(words(name), value, name, bounds)
        if all(isinstance(item, list) and len(item) in (2, 3) and all(map(_number, item)) for item in items):
            spans = {key: (item[0], item[1] if len(item) == 3 else None, item[-1]) for key, item in value.items()}
            return _whiskers(words(name), spans, name, bounds)
        if all(isinstance(item, Mapping) for item in items):
            return _by_two_names(name, value, bounds)
    if isinstance(value, list) and len(value) > 1:
        if all(isinstance(item, Mapping) for item in value):
            return _records(name, value, bounds)
        if all(isinstance(item, list) and len(item) == len(value[0]) > 1 and all(map(_number, item)) for item in value):
            return _heat(words(name), *_labels(value, evidence), value)
    return None


def _records(name: str, records: Sequence[Mapping[str, Any]], bounds: Mapping[str, float]) -> Picture | None:
    """Draw records that each name something and give one estimate or one share."""
    named = {
        " – ".join(takewhile(lambda item: isinstance(item, str), record.values())) or str(number): record
        for number, record in enumerate(records, 1)
    }
    spans = {label: next(_intervals(record), None) for label, record in named.items()}
    if all(spans.values()):
        first = next(iter(spans.values()))
        quantity = first[0] if first else name
        return _whiskers(words(name), {label: span[1] for label, span in spans.items() if span}, quantity, bounds)
    return _by_two_names(name, named, bounds, matrix=False)


def _by_two_names(
    name: str, value: Mapping[str, Mapping[str, Any]], bounds: Mapping[str, float], *, matrix: bool = True
) -> Picture | None:
    """Draw a mapping of mappings: the telling quantity of each as bars, or all numbers as a heat map."""
    first = next(iter(value.values()))
    own = {**bounds, **{key: item for key, item in first.items() if _is_bound(key) and _number(item)}}
    for quantity in first:
        if not _is_bound(quantity) and (_share(quantity) or _bounds_for(quantity, own)):
            column = {label: item.get(quantity) for label, item in value.items()}
            if all(map(_number, column.values())):
                return _bars(f"{words(quantity)}, {words(name)}", column, quantity, own)
    columns = list(dict.fromkeys(key for item in value.values() for key in item))
    rows = [[item.get(column) for column in columns] for item in value.values()]
    if matrix and all(_number(number) or number is None for row in rows for number in row):
        return _heat(words(name), columns, list(value), rows)
    return None


def _labels(value: Sequence[Sequence[Any]], evidence: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    def named(count: int) -> list[str]:
        for item in evidence.values():
            if isinstance(item, list) and len(item) == count and all(isinstance(label, str) for label in item):
                return item
        return [str(number) for number in range(1, count + 1)]

    return named(len(value[0])), named(len(value))


def _heat(caption: str, columns: Sequence[str], labels: Sequence[str], rows: Sequence[Sequence[Any]]) -> Heat:
    numbers = [number for row in rows for number in row if _number(number)]
    low, high = min(numbers, default=0), max(numbers, default=1)
    low = min(low, 0)
    reach = (high - low) or 1
    kept = [
        (
            label,
            [
                Cell(
                    text=brief(number, "") if _number(number) else "–",
                    level=min(int(HEAT_LEVELS * (number - low) / reach), HEAT_LEVELS - 1) if _number(number) else 0,
                )
                for number in row[:MAX_CELLS_ACROSS]
            ],
        )
        for label, row in zip(labels[:MAX_CELLS_ACROSS], rows[:MAX_CELLS_ACROSS], strict=True)
    ]
    more = max(0, len(rows) - MAX_CELLS_ACROSS, len(columns) - MAX_CELLS_ACROSS)
    return Heat(caption=caption, columns=list(columns)[:MAX_CELLS_ACROSS], rows=kept, more=more)


class _Scale:
    """Maps numbers to per cent of the width; 0 to 1 where that holds all of them, so that pictures compare."""

    def __init__(self, numbers: Sequence[float], *, name: str) -> None:
        self.low = min(0.0, *numbers)
        top = max(0.0, *numbers)
        unit = _share(name) or (0 < top <= 1 and any(isinstance(number, float) for number in numbers))
        self.high = 1.0 if unit and top <= 1 else (top or 1.0)
        self.name = name

    def __call__(self, number: float) -> float:
        return round(100 * (number - self.low) / (self.high - self.low), 2)

    def __str__(self) -> str:
        return f"{shown(self.low, self.name)} to {shown(self.high, self.name)}"


def _marks(bounds: Mapping[str, float], scale: _Scale) -> list[Mark]:
    sides = {"max": "at most", "min": "at least"}
    return [
        Mark(at=scale(value), text=f"{sides[bound[:3]]} {shown(value, scale.name)} allowed")
        if bound.startswith("max")
        else Mark(at=scale(value), text=f"{sides[bound[:3]]} {shown(value, scale.name)} wanted")
        for bound, value in bounds.items()
    ]


def _beyond(number: float, bounds: Mapping[str, float]) -> bool:
    return any(number > value if bound.startswith("max") else number < value for bound, value in bounds.items())


def _bars(caption: str, values: Mapping[str, Any], name: str, bounds: Mapping[str, float]) -> Rows:
    own = _bounds_for(name, bounds)
    scale = _Scale([*map(float, values.values()), *own.values()], name=name)
    kept = sorted(values.items(), key=lambda pair: -pair[1])
    # Both ends tell: of many, the largest and the smallest stay.
    cut = kept if len(kept) <= MAX_BARS else [*kept[: MAX_BARS - 3], *kept[-3:]]
    rows = [
        Row(
            label=label,
            begin=min(scale(0), scale(value)),
            end=max(scale(0), scale(value)),
            text=brief(value, name),
            beyond=_beyond(value, own),
        )
        for label, value in cut
    ]
    return Rows(caption=caption, rows=rows, marks=_marks(own, scale), more=len(kept) - len(cut))


def _whiskers(caption: str, spans: Mapping[str, Interval], name: str, bounds: Mapping[str, float]) -> Rows:
    own = _bounds_for(name, bounds)
    scale = _Scale(
        [*(float(end) for span in spans.values() for end in span if end is not None), *own.values()], name=name
    )
    rows = []
    for label, (low, estimate, high) in list(spans.items())[:MAX_BARS]:
        text = f"{brief(low, name)} to {brief(high, name)}"
        rows.append(
            Row(
                label=label,
                begin=scale(low),
                end=scale(high),
                middle=None if estimate is None else scale(estimate),
                text=text if estimate is None else f"{brief(estimate, name)} ({text})",
                beyond=_beyond(low if estimate is None else estimate, own),
            )
        )
    more = max(0, len(spans) - MAX_BARS)
    return Rows(caption=caption, rows=rows, marks=_marks(own, scale), more=more, scale=str(scale))
