"""Reads pictures from several quantities that belong together, again by their names and shapes alone.

- `x_first` and `x_last` of two or more `x`, as times or numbers: stretches on one axis, with what they share; where
  `course` counts rows, how dense they lie.
- `a_mb`, `b_mb`, … that add up to `peak_mb` or `total_mb`: one bar of parts, with `requested_mb` and `limit_mb`.
- Records that name two of the same few and give a kappa: a heat map of everybody against everybody.
- `x` from names to `[share, share]`, beside `before_share` or `before` and `after`: shares that moved.
- `labels` with square `counts`: a table of confusion.
- Records with `min` and `max`: ranges one after the other, on a scale that bends like a logarithm.
- Records with `frames`: stacks of calls, innermost last.
"""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from doctor_reports.quantities import UNITS, brief, is_number, shown, unit_of, words
from doctor_reports.shapes import Band, Cell, Heat, Mark, Moved, Part, Parts, Picture, Row, Rows, Shift, Stack, Stacks

TOTALS = ("peak", "total")
BESIDE = ("limit", "requested", "needed", "free", "idle")
"""Sizes that are no part of a total."""
MAX_SUM_ERROR = 0.02
MIN_PART_SHARE = 0.001
KAPPAS = ("kappa", "cohen", "value")
"""Names of an estimate that belongs to a bare `interval`, or to a pair of people."""
MAX_PEOPLE = 12
MAX_MOVED = 14
MAX_STRETCHES = 100
MAX_RANGES = 12
TWICE = ("before", "after")
MAX_STACKS = 8
HEAT_LEVELS = 6

Read = tuple[Picture, set[str]]


def readings(evidence: Mapping[str, Any]) -> Iterator[Read]:
    """Return pictures, each with the names of the quantities that need not be drawn again."""
    for unit in UNITS:
        yield from _receipt(evidence, unit)
    yield from _timeline(evidence)
    yield from _shift(evidence)
    for name, value in evidence.items():
        people = _agreement(name, value)
        if people is not None:
            yield people, set()  # the intervals of the pairs are worth a picture of their own
        for picture in (_ranges(value), _confusion(name, value), _stacks(name, value)):
            if picture is not None:
                yield picture, {name}


def _receipt(evidence: Mapping[str, Any], unit: str) -> Iterator[Read]:
    sizes = {
        name.removesuffix(f"_{unit}"): float(value)
        for name, value in evidence.items()
        if unit_of(name) == unit and is_number(value) and name != unit
    }
    total = next((name for name in TOTALS if sizes.get(name, 0) > 0), None)
    parts = {name: size for name, size in sizes.items() if name not in (*TOTALS, *BESIDE) and size >= 0}
    whole = sizes.get(total or "", 0.0)
    if total is None or len(parts) < 3 or abs(sum(parts.values()) - whole) > MAX_SUM_ERROR * whole:
        return
    asked, limit = sizes.get("requested", 0.0), sizes.get("limit", 0.0)
    reach = max(whole + asked, limit)
    drawn, at = [], 0.0
    kept = sorted((pair for pair in parts.items() if pair[1] >= MIN_PART_SHARE * whole), key=lambda pair: -pair[1])
    for name, size in kept:
        drawn.append(_part(words(name), at, size, reach, unit))
        at += size
    if asked:
        drawn.append(_part("asked for besides", whole, asked, reach, unit, asked=True))
    marks = [Mark(at=_per_cent(limit, reach), text=f"limit {shown(limit, unit)}")] if limit else []
    caption = f"{words(total).capitalize()} {shown(whole, unit)}, by what takes it"
    said = [f"{part.label} {part.text}" for part in drawn] + [mark.text for mark in marks]
    spoken = {f"{name}_{unit}" for name in (*parts, *TOTALS, "limit", "requested")}
    yield Parts(caption=caption, parts=drawn, marks=marks, sentence=f"{caption}: {', '.join(said)}"), spoken


def _part(label: str, begin: float, size: float, reach: float, unit: str, *, asked: bool = False) -> Part:
    begin, width = _per_cent(begin, reach), _per_cent(size, reach)
    return Part(label=label, begin=begin, width=width, text=shown(size, unit), asked=asked)


def _per_cent(value: float, reach: float) -> float:
    return round(100 * value / reach, 2)


def _timeline(evidence: Mapping[str, Any]) -> Iterator[Read]:
    stems = [name.removesuffix("_first") for name in evidence if name.endswith("_first")]
    spans: dict[str, tuple[float, float]] = {}
    for stem in stems:
        first, last = (_moment(evidence.get(f"{stem}_{end}")) for end in ("first", "last"))
        if first is not None and last is not None and first <= last:
            spans[stem] = (first, last)
    if len(spans) < 2:
        return
    low, high = min(first for first, _ in spans.values()), max(last for _, last in spans.values())
    course = evidence.get("course")
    course = course if isinstance(course, Mapping) else {}
    if (first := _moment(course.get("first"))) is not None and (last := _moment(course.get("last"))) is not None:
        low, high = min(low, first), max(high, last)
    reach = (high - low) or 1.0
    rows = []
    for stem, (first, last) in spans.items():
        label = str(evidence[stem]) if isinstance(evidence.get(stem), str) else words(stem)
        rows.append(
            Row(
                label=label,
                begin=_per_cent(first - low, reach),
                end=_per_cent(last - low, reach),
                text=f"{_time(evidence[f'{stem}_first'])} to {_time(evidence[f'{stem}_last'])}",
                heights=_heights(course.get("rows"), label),
            )
        )
    begin, end = max(spans, key=lambda stem: spans[stem][0]), min(spans, key=lambda stem: spans[stem][1])
    band = None
    if spans[begin][0] < spans[end][1]:
        text = f"shared: {_time(evidence[f'{begin}_first'])} to {_time(evidence[f'{end}_last'])}"
        band = Band(begin=_per_cent(spans[begin][0] - low, reach), end=_per_cent(spans[end][1] - low, reach), text=text)
    dense = all(row.heights for row in rows)
    caption = "Rows of each over time" if dense else "From the first to the last row of each"
    spoken = {f"{stem}_{end}" for stem in spans for end in ("first", "last")} | {"course"}
    yield Rows(caption=caption, rows=rows, band=band, weight=0), spoken


def _heights(rows: Any, label: str) -> list[float]:
    """Return how dense the rows of one lie, the densest stretch being 100 per cent."""
    counts = rows.get(label) if isinstance(rows, Mapping) else None
    if not isinstance(counts, list) or not counts or not all(is_number(count) and count >= 0 for count in counts):
        return []
    most = max(counts) or 1
    return [_per_cent(count, most) for count in counts[:MAX_STRETCHES]]


def _shift(evidence: Mapping[str, Any]) -> Iterator[Read]:
    """Draw `bins = {"a": [0.5, 0.2]}` where the evidence speaks of a before and an after, or two mappings of shares."""
    before, after = (evidence.get(name) for name in TWICE)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        pairs = {name: [before.get(name, 0.0), after.get(name, 0.0)] for name in {**before, **after}}
        yield from _moved("", pairs, evidence, set(TWICE))
    elif "before_share" in evidence and "after_share" in evidence:
        for name, value in evidence.items():
            if isinstance(value, Mapping):
                yield from _moved(name, value, evidence, {name, "before_share", "after_share"})


def _moved(name: str, value: Mapping[str, Any], evidence: Mapping[str, Any], spoken: set[str]) -> Iterator[Read]:
    pairs = {str(label): pair for label, pair in value.items() if isinstance(pair, (list, tuple)) and len(pair) == 2}
    if len(pairs) < 2 or len(pairs) < len(value):
        return
    if not all(is_number(share) and 0 <= share <= 1 for pair in pairs.values() for share in pair):
        return
    reach = max(share for pair in pairs.values() for share in pair) or 1.0
    kept = set(sorted(pairs, key=lambda label: -abs(pairs[label][1] - pairs[label][0]))[:MAX_MOVED])
    rows = [
        Moved(
            label=label,
            before=_per_cent(before, reach),
            after=_per_cent(after, reach),
            text=f"{shown(float(before), 'share')} → {shown(float(after), 'share')}",
            told=label == str(evidence.get("level")),
        )
        for label, (before, after) in pairs.items()
        if label in kept
    ]
    before, after = (_text(evidence.get(side)) or side for side in ("earlier", "later"))
    caption = f"Share of the rows{f', by {words(name)}' if name not in ('', 'bins') else ''}"
    scale = f"0% to {shown(float(reach), 'share')}"
    more = len(pairs) - len(kept)
    yield Shift(caption=caption, rows=rows, before=before, after=after, scale=scale, more=more), spoken


def _moment(value: Any) -> float | None:
    if is_number(value):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _time(value: Any) -> str:
    return value.removesuffix(" 00:00:00") if isinstance(value, str) else shown(value)


def _agreement(name: str, value: Any) -> Heat | None:
    """Draw records such as `{"first": "ann", "second": "bo", "cohen": 0.4}`."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return None
    kappa = next((one for one in KAPPAS if all(is_number(item.get(one)) for item in value)), None)
    pairs = [[word for word in list(item.values())[:2] if isinstance(word, str)] for item in value]
    people = sorted({person for pair in pairs for person in pair})
    if kappa is None or any(len(pair) < 2 for pair in pairs) or not 3 <= len(people) <= MAX_PEOPLE:
        return None
    known = {frozenset(pair): float(item[kappa]) for pair, item in zip(pairs, value, strict=True)}
    rows = [(one, [_pair_cell(known.get(frozenset((one, other))), one == other) for other in people]) for one in people]
    return Heat(caption=f"{words(name).capitalize()}: kappa, 1 is full agreement", columns=people, rows=rows)


def _pair_cell(kappa: float | None, same: bool) -> Cell:
    if kappa is None:
        return Cell(text="" if same else "–", level=0, own=same)
    return Cell(text=brief(round(kappa, 2), "kappa"), level=_level(kappa))


def _level(share: float) -> int:
    return max(0, min(int(HEAT_LEVELS * share), HEAT_LEVELS - 1))


def _confusion(name: str, value: Any) -> Heat | None:
    labels, counts = (value.get("labels"), value.get("counts")) if isinstance(value, Mapping) else (None, None)
    if not isinstance(labels, list) or not isinstance(counts, list) or len(labels) != len(counts):
        return None
    if not all(isinstance(row, list) and len(row) == len(labels) and all(map(is_number, row)) for row in counts):
        return None
    rows = [
        (
            str(label),
            [
                Cell(text=brief(count, ""), level=_level(count / (sum(row) or 1)), own=here == there)
                for there, count in enumerate(row)
            ],
        )
        for here, (label, row) in enumerate(zip(labels, counts, strict=True))
    ]
    who, others = value.get("rows", "rows"), value.get("columns", "columns")
    caption = f"{words(name).capitalize()}: what {who} says (a line each) and what {others} say of the same (columns)"
    return Heat(caption=caption, columns=list(map(str, labels)), rows=rows)


def _ranges(value: Any) -> Rows | None:
    """Draw what went through operations one after the other; what is not finite stands across the whole width."""
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return None
    if not all({"min", "max"} <= set(item) for item in value):
        return None
    ends = [(_bent(item["min"]), _bent(item["max"])) for item in value[-MAX_RANGES:]]
    known = [end for pair in ends for end in pair if end is not None]
    if not known:
        return None
    low, high = min(*known, 0.0), max(*known, 0.0)
    reach = (high - low) or 1.0
    rows = []
    for item, (first, last) in zip(value[-MAX_RANGES:], ends, strict=True):
        finite = first is not None and last is not None
        rows.append(
            Row(
                label=", ".join(_text(item.get(key)) for key in ("operation", "module") if _text(item.get(key))),
                begin=_per_cent((first or 0.0) - low, reach) if finite else 0.0,
                end=_per_cent((last or 0.0) - low, reach) if finite else 100.0,
                text=f"{brief(item['min'], '')} to {brief(item['max'], '')}" if finite else "not finite",
                beyond=not finite,
            )
        )
    return Rows(caption="What the last operations gave, from the smallest to the largest value", rows=rows, weight=0)


def _bent(value: Any) -> float | None:
    """Place a number of any size: linear around 0, logarithmic far from it."""
    return math.asinh(value) if is_number(value) else None


def _stacks(name: str, value: Any) -> Stacks | None:
    if not isinstance(value, list) or not value:
        return None
    if not all(isinstance(item, Mapping) and isinstance(item.get("frames"), list) for item in value):
        return None
    drawn = [
        Stack(who=_text(item.get("who")), doing=_text(item.get("doing")), frames=[str(line) for line in item["frames"]])
        for item in value[:MAX_STACKS]
    ]
    return Stacks(caption=f"{words(name).capitalize()}, the innermost call last", stacks=drawn)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
