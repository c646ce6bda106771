"""Chooses small pictures for evidence by its shape and by the names of its quantities, never by the check.

A share, a number with a bound `max_…` or `min_…`, a mapping from names to numbers become bars; an estimate with its
interval becomes a whisker; numbers by two names become a heat map; what several quantities tell together, such as a
receipt of memory or two splits on one axis of time, is read in `readings`. The template draws, as SVG of rectangles
and lines in per cent of the width; here are only numbers and words.

Altair with vl-convert was weighed and not taken (`bench/render_reports.py --altair`, bench/results/render_reports.md).
It adds 106 MB to an install, takes a second until its first picture and 35 to 71 ms for each, where these take 0.2 to
0.7: a report of 1,000 findings would take most of a minute to write instead of a second, and pages would be four times
as large. Its SVG has width and colours fixed when it is written; these pictures reflow on a phone, follow the reader's
dark or light scheme, print in the page's own type, and are tables to who cannot see them: each row has its name, its
number and an alt text.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import Any

from doctor_reports import readings
from doctor_reports.quantities import brief, is_number, is_share, unit_of, words
from doctor_reports.scales import Scale, beyond, bounds_for, is_bound, marks
from doctor_reports.shapes import Cell, Heat, Picture, Row, Rows

MAX_BARS = 14
MAX_CELLS_ACROSS = 12
HEAT_LEVELS = 6
LOW_NAMES, HIGH_NAMES = ("low", "lower"), ("high", "upper")
ABOUT = ("rarest", "annotator")
"""Quantities that name the one of several that a finding is about."""
SIDE_ISSUES = ("coefficients", "intervals", "class_agreement", "surprising_share", "verbatim_share", "null_share")
"""Drawn last: they support a verdict, and are not what it is about."""

Interval = tuple[float, float | None, float]


def pictures(evidence: Mapping[str, Any]) -> list[Picture]:
    """Return the pictures that the shape of the evidence allows, possibly none; the most telling first."""
    bounds = {name: float(value) for name, value in evidence.items() if is_bound(name) and is_number(value)}
    made: list[Picture | None] = []
    spoken: set[str] = set()
    for picture, names in readings.readings(evidence):
        made.append(picture)
        spoken |= names
    intervals = {name: span for name, span in _intervals(evidence) if name not in spoken}
    spoken |= {part for name in intervals for part in _interval_names(name)}
    for name, span in intervals.items():
        caption = evidence.get("coefficient") if name == "value" else None
        made.append(_whiskers(caption if isinstance(caption, str) else words(name), {"": span}, name, bounds))
    left = {name: value for name, value in evidence.items() if name not in spoken}
    made += _singles(left, bounds)
    made += [_nested(name, value, evidence, bounds) for name, value in left.items()]
    return sorted((picture for picture in made if picture is not None), key=lambda picture: picture.weight)


def _singles(evidence: Mapping[str, Any], bounds: Mapping[str, float]) -> Iterator[Rows]:
    """Draw bare numbers, those of one kind together: `score` beside `rival_score`, shares beside shares."""
    kinds: dict[str, dict[str, float]] = {}
    for name, value in evidence.items():
        if is_number(value) and name not in bounds and name not in SIDE_ISSUES:
            kind = "share" if is_share(name) and name != "percent" else name.rpartition("_")[2]
            kinds.setdefault(kind, {})[name] = value
    for kind, values in kinds.items():
        told = [name for name in values if _told(name, evidence, bounds)]
        unit = unit_of(next(iter(values)))
        small = all(isinstance(value, float) and -1 <= value <= 1 for value in values.values())
        sized = bool(unit) and all(value >= 0 for value in values.values())
        kept = values if len(values) > 1 and (small or sized) else {name: values[name] for name in told}
        if kept:
            named = {words(name): value for name, value in kept.items()}
            yield _bars("", named, (told or [unit or kind])[0], bounds)


def _told(name: str, evidence: Mapping[str, Any], bounds: Mapping[str, float]) -> bool:
    """Whether a bare number says something as a bar: a share, or the quantity that a bound is about."""
    about = [bound for bound in bounds_for(name, bounds) if bound[4:] == name or bound[4:] not in evidence]
    return is_share(name) or bool(about)


def _interval_names(name: str) -> list[str]:
    tails = [f"_{tail}" for tail in (*LOW_NAMES, *HIGH_NAMES, "interval", "ci")]
    return [name, *(name + tail for tail in tails), *(LOW_NAMES + HIGH_NAMES if name == "value" else ())]


def _intervals(evidence: Mapping[str, Any]) -> Iterator[tuple[str, Interval]]:
    """Find estimates with intervals: `[low, estimate, high]`, `x_interval`, or `x` with `x_low` and `x_high`."""
    for name, value in evidence.items():
        stem = name.removesuffix("_interval").removesuffix("_ci")
        if isinstance(value, list) and all(map(is_number, value)):
            span = _span(value, _estimate(evidence, stem, name), stem != name or name == "interval")
            if span:
                yield stem, span
        elif is_number(value):
            low, high = _end(evidence, name, LOW_NAMES), _end(evidence, name, HIGH_NAMES)
            if low is not None and high is not None:
                yield name, (low, float(value), high)


def _estimate(evidence: Mapping[str, Any], stem: str, name: str) -> Any:
    """Return what an interval is about: of `x_interval` that is `x`, of a bare `interval` the one kappa there is."""
    if name == "interval":
        return next((evidence[kappa] for kappa in readings.KAPPAS if kappa in evidence), None)
    return evidence.get(stem) if stem != name else None


def _end(evidence: Mapping[str, Any], name: str, tails: Sequence[str]) -> float | None:
    """Return an end of the interval of a quantity; that of `value` may be plainly called `low`."""
    names = [f"{name}_{tail}" for tail in tails] + (list(tails) if name == "value" else [])
    return next((float(evidence[end]) for end in names if is_number(evidence.get(end))), None)


def _span(value: Sequence[float], estimate: Any, named: bool) -> Interval | None:
    if len(value) == 3 and value[0] <= value[1] <= value[2] and (named or any(isinstance(x, float) for x in value)):
        return float(value[0]), float(value[1]), float(value[2])
    if len(value) == 2 and named and value[0] <= value[1]:
        return float(value[0]), float(estimate) if is_number(estimate) else None, float(value[1])
    return None


def _nested(name: str, value: Any, evidence: Mapping[str, Any], bounds: Mapping[str, float]) -> Picture | None:
    if isinstance(value, Mapping) and len(value) > 1:
        items = list(value.values())
        if all(map(is_number, items)):
            told = {str(evidence[about]) for about in ABOUT if about in evidence}
            return _bars(words(name), value, name, bounds, told)
        if all(isinstance(item, list) and len(item) in (2, 3) and all(map(is_number, item)) for item in items):
            spans = {key: (min(item), item[1] if len(item) == 3 else None, max(item)) for key, item in value.items()}
            return _whiskers(words(name), spans, name, bounds)
        if all(isinstance(item, Mapping) for item in items):
            return _by_two_names(name, value, bounds)
    if isinstance(value, list) and len(value) > 1:
        if all(isinstance(item, Mapping) for item in value):
            return _records(name, value, bounds)
        if all(
            isinstance(item, list) and len(item) == len(value[0]) > 1 and all(map(is_number, item)) for item in value
        ):
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
    own = {**bounds, **{key: item for key, item in first.items() if is_bound(key) and is_number(item)}}
    for quantity in first:
        if not is_bound(quantity) and (is_share(quantity) or bounds_for(quantity, own)):
            column = {label: item.get(quantity) for label, item in value.items()}
            if all(map(is_number, column.values())):
                return _bars(f"{words(quantity)}, {words(name)}", column, quantity, own)
    columns = list(dict.fromkeys(key for item in value.values() for key in item))
    rows = [[item.get(column) for column in columns] for item in value.values()]
    if matrix and all(is_number(number) or number is None for row in rows for number in row):
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
    numbers = [number for row in rows for number in row if is_number(number)]
    low, high = min(numbers, default=0), max(numbers, default=1)
    low = min(low, 0)
    reach = (high - low) or 1
    kept = [
        (
            label,
            [
                Cell(
                    text=brief(number, "") if is_number(number) else "–",
                    level=min(int(HEAT_LEVELS * (number - low) / reach), HEAT_LEVELS - 1) if is_number(number) else 0,
                )
                for number in row[:MAX_CELLS_ACROSS]
            ],
        )
        for label, row in zip(labels[:MAX_CELLS_ACROSS], rows[:MAX_CELLS_ACROSS], strict=True)
    ]
    more = max(0, len(rows) - MAX_CELLS_ACROSS, len(columns) - MAX_CELLS_ACROSS)
    return Heat(caption=caption, columns=list(columns)[:MAX_CELLS_ACROSS], rows=kept, more=more)


def _bars(
    caption: str, values: Mapping[str, Any], name: str, bounds: Mapping[str, float], told: Collection[str] = ()
) -> Rows:
    own = bounds_for(name, bounds)
    scale = Scale([*map(float, values.values()), *own.values()], name=name)
    kept = sorted(values.items(), key=lambda pair: -pair[1])
    # Both ends tell: of many, the largest and the smallest stay.
    cut = kept if len(kept) <= MAX_BARS else [*kept[: MAX_BARS - 3], *kept[-3:]]
    rows = [
        Row(
            label=label,
            begin=min(scale(0), scale(value)),
            end=max(scale(0), scale(value)),
            text=brief(value, name),
            beyond=beyond(value, own),
            told=label in told,
        )
        for label, value in cut
    ]
    weight = 1 if own or any(row.told for row in rows) else _weight(name)
    return Rows(caption=caption, rows=rows, marks=marks(own, scale), more=len(kept) - len(cut), weight=weight)


def _weight(name: str) -> int:
    return 4 if name in SIDE_ISSUES else 3


def _whiskers(caption: str, spans: Mapping[str, Interval], name: str, bounds: Mapping[str, float]) -> Rows:
    own = bounds_for(name, bounds)
    scale = Scale(
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
                beyond=beyond(low if estimate is None else estimate, own),
            )
        )
    more = max(0, len(spans) - MAX_BARS)
    weight = 1 if own else _weight(name)
    return Rows(caption=caption, rows=rows, marks=marks(own, scale), more=more, scale=str(scale), weight=weight)
