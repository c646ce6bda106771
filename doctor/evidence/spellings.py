"""How the values of text columns are spelled: numbers kept as text, words for "nothing", levels spelled in two ways.

The drawn rows show which columns are worth a closer look; these are then counted over all rows.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec import Struct
from sqlglot import exp

from doctor.evidence.cell_texts import (
    commonest,
    date_form,
    dress_of,
    folded,
    is_number,
    is_unit,
    shape_of,
    stands_for_nothing,
    stripped,
)
from doctor.evidence.keys import Keys
from doctor.evidence.profile import Profile
from doctor.evidence.sample import Array, Sample
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

FIRST_LOOK = 400
"""Different values that show whether a column is one of numbers or dates."""
MIN_LIKE_SHARE = 0.8
MAX_LEVELS = 2_000
MIN_ROWS_PER_LEVEL = 2.0
MIN_SHAPES = 20
MAX_SHAPED = 10_000
MIN_DIGITS = 9
"""A number that always has so many digits is a name, such as that of a telephone, and no quantity."""
MAX_COUNTED = 50_000
SHOWN = 20
MAX_JOINED_LEVELS = 200
MIN_JOINED_ROWS = 5
MIN_JOINED_SHARE = 0.8
MAX_JOINED_ELSEWHERE = 0.05

Counts = Mapping[str, int]
MAX_UNITS = 3
"""Kinds of letters behind numbers, above which they are parts of codes."""
PLUSES = frozenset({"+", "++", "+++", "pos", "positive", "+/-"})
OUTCOMES = frozenset(
    {"info", "warning", "warn", "debug", "critical", "fatal", "success", "ok", "fail", "failed", "pass"}
)


class Variants(Struct, frozen=True, kw_only=True):
    """Spellings of one level, the commonest first, with their rows."""

    spellings: dict[str, int]


class Shapes(Struct, frozen=True, kw_only=True):
    """The form that nearly all values of a column share, and values of another form."""

    form: str
    share: float
    odd: dict[str, int]
    odd_rows: int


class Spelling(Struct, frozen=True, kw_only=True):
    """What the values of a column of text are, by number of rows.

    Attributes
    ----------
    rows : int
        Rows with a value: of the table, or of the drawn rows where nothing asked for more.
    numbers : int
        Plain numbers, blanks around them not counted.
    dressed : dict of str to int
        Numbers with a sign of their own (%, a currency, separators, a unit).
    dates : dict of str to int
        Dates, by form.
    nothing, blank : dict of str to int
        Values that stand for "no value" and values of blanks alone, as they are spelled.
    others : dict of str to int
        The commonest of what is none of these, where most values are numbers or dates.
    other_rows : int
        Rows of all of what is none of these.
    padded : int
        Rows with blanks around the value.
    levels : bool
        Whether the values are few and come again, as those of a category do.
    """

    name: str
    rows: int
    distinct: int
    levels: bool
    numbers: int = 0
    dressed: dict[str, int] = {}
    dates: dict[str, int] = {}
    nothing: dict[str, int] = {}
    blank: dict[str, int] = {}
    others: dict[str, int] = {}
    other_rows: int = 0
    padded: int = 0
    variants: tuple[Variants, ...] = ()
    shapes: Shapes | None = None

    @property
    def quantities(self) -> int:
        """Rows with a number, dressed or not."""
        return self.numbers + sum(self.dressed.values())

    @property
    def said(self) -> int:
        """Rows that say something: neither blank nor a word for nothing."""
        return self.rows - sum(self.nothing.values()) - sum(self.blank.values())

    @property
    def numeric(self) -> bool:
        """Whether most of what is said are numbers."""
        return self.quantities >= MIN_LIKE_SHARE * self.said > 0

    @property
    def dated(self) -> bool:
        """Whether most of what is said are dates."""
        return sum(self.dates.values()) >= MIN_LIKE_SHARE * self.said > 0


class Joined(Struct, frozen=True, kw_only=True):
    """A column that also holds, at its end, what is missing in another: "Manhattan KS" where the state is empty."""

    column: str
    other: str
    rows: int
    example: str


class Spellings(Struct, frozen=True, kw_only=True):
    """The spelling of every column of text, and of those whole numbers that are names.

    Attributes
    ----------
    padded_names : tuple of str
        Columns with blanks around their names.
    """

    columns: tuple[Spelling, ...]
    joined: tuple[Joined, ...]
    padded_names: tuple[str, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, keys: Keys, sample: Sample) -> "Spellings":
        """Look at the drawn rows, and count again where all rows are more and something showed."""
        told = []
        for column in table.columns:
            if column.kind is Kind.INTEGER and (shapes := _digits(sample.columns[column.name])):
                told.append(Spelling(name=column.name, rows=sample.rows, distinct=0, levels=False, shapes=shapes))
            if column.kind is not Kind.TEXT:
                continue
            counts = Counter(value for value in sample.columns[column.name] if value is not None)
            prose = column.name in keys.shapes and keys.shapes[column.name].prose
            spelling = spelling_of(column.name, counts, prose=prose)
            if sample.rows < table.rows and _telling(spelling):
                spelling = _over_all(table, profile, column, spelling, prose=prose)
            told.append(spelling)
        names = tuple(column.name for column in table.columns if stripped(column.name) != column.name)
        return cls(columns=tuple(told), joined=tuple(_joined(table, sample, keys)), padded_names=names)


def spelling_of(name: str, counts: Counter[str], *, prose: bool = False) -> Spelling:
    """Sort the values of a column by what they look like.

    Parameters
    ----------
    name : str
        The column.
    counts : Counter of str
        Rows of each value.
    prose : bool
        Whether they are sentences, which are no levels and no codes.
    """
    rows, distinct = counts.total(), len(counts)
    levels = not prose and 1 < distinct <= min(MAX_LEVELS, rows / MIN_ROWS_PER_LEVEL)
    nothing = {value: n for value, n in counts.items() if stands_for_nothing(value)}
    nothing = _without_levels(nothing, counts)
    bare = {value: stripped(value) for value in counts}
    blank = {value: n for value, n in counts.items() if not bare[value]}
    said = {value: n for value, n in counts.items() if value not in nothing and value not in blank}
    facts: dict[str, object] = {"nothing": commonest(nothing, SHOWN), "blank": commonest(blank, SHOWN)}
    facts["padded"] = sum(n for value, n in said.items() if bare[value] != value)
    first = [bare[value] for value in commonest(said, FIRST_LOOK)]
    if sum(bool(dress_of(value)[1] or date_form(value)) for value in first) >= MIN_LIKE_SHARE * len(first) > 0:
        facts |= _sorted_out(said)
    elif not prose:
        facts["variants"] = tuple(_variants(said)) if levels else ()
        facts["shapes"] = _shapes(said)
    return Spelling(name=name, rows=rows, distinct=distinct, levels=levels, **facts)  # type: ignore[arg-type]  # by name


def _without_levels(nothing: Counts, counts: Counts) -> dict[str, int]:
    """Leave out what is a level beside its likes: "-" beside "+", "error" beside "warning"."""
    others = {stripped(value).lower() for value in islice(counts, MAX_LEVELS)}
    levels = {"-", "--", "–"} if others & PLUSES else set()
    levels |= {"error"} if others & OUTCOMES else set()
    return {value: n for value, n in nothing.items() if stripped(value).lower() not in levels}


def _sorted_out(said: Counts) -> dict[str, object]:
    numbers, dressed, dates = 0, Counter[str](), Counter[str]()
    others: dict[str, int] = {}
    units: dict[str, dict[str, int]] = {}
    for value, n in said.items():
        bare = stripped(value)
        if is_number(bare):
            numbers += n
        elif (dress := dress_of(bare))[1]:
            dressed[dress[0]] += n
            units.setdefault(dress[0], {})[value] = n
        elif form := date_form(bare):
            dates[form] += n
        else:
            others[value] = n
    if sum(map(is_unit, units)) > MAX_UNITS:
        for unit in filter(is_unit, units):
            others |= units[unit]
            del dressed[unit]
    return {
        "numbers": numbers,
        "dressed": commonest(dressed, SHOWN),
        "dates": commonest(dates, SHOWN),
        "others": commonest(others, SHOWN),
        "other_rows": sum(others.values()),
    }


def _variants(said: Counts) -> Iterator[Variants]:
    """Join the levels that are one but for case, blanks and the signs between words."""
    groups: dict[str, dict[str, int]] = defaultdict(dict)
    for value, n in said.items():
        groups[folded(value)][value] = n
    for key in sorted(groups):
        # A blank at both ends of every value is told once for the column, not level by level.
        if len(groups[key]) > 1:
            yield Variants(spellings=commonest(groups[key], SHOWN))


def _shapes(said: Counts) -> Shapes | None:
    """Find the form that all but a few codes share; names and words without a digit have none."""
    if len(said) < MIN_SHAPES:
        return None
    some = Counter(map(_coarse, list(said)[:FIRST_LOOK]))
    likely, times = some.most_common(1)[0]
    if "9" not in likely or times < MIN_LIKE_SHARE * some.total():
        return None
    said = dict(islice(said.items(), MAX_SHAPED))
    odd = {value: n for value, n in said.items() if _coarse(value) != likely}
    if not odd:
        long = max(shape_of(value).count("9") for value in list(said)[:FIRST_LOOK]) >= MIN_DIGITS
        return _fixed_length(said) if long else None
    odd_rows = sum(odd.values())
    share = 1 - odd_rows / sum(said.values())
    return Shapes(form=likely, share=share, odd=commonest(odd, SHOWN), odd_rows=odd_rows)


def _fixed_length(said: Counts) -> Shapes | None:
    """Codes of many digits have a fixed number of them."""
    by_shape: Counter[str] = Counter()
    for value, n in said.items():
        by_shape[shape_of(value)] += n
    form, rows = by_shape.most_common(1)[0]
    if form.count("9") < MIN_DIGITS or len(by_shape) < 2:
        return None
    odd = {value: n for value, n in said.items() if shape_of(value) != form}
    share = rows / by_shape.total()
    return Shapes(form=form, share=share, odd=commonest(odd, SHOWN), odd_rows=sum(odd.values()))


def _coarse(value: str) -> str:
    return re.sub(r"9+", "9", shape_of(stripped(value)))


def _digits(values: Array) -> Shapes | None:
    """Find whole numbers that nearly all have the same, large number of digits."""
    present = values[values == values]
    if len(present) < MIN_SHAPES or abs(present).max() < 10 ** (MIN_DIGITS - 1):
        return None
    counts = Counter(f"{value:.0f}" for value in present.tolist())
    lengths: Counter[int] = Counter()
    for value, n in counts.items():
        lengths[len(value)] += n
    length, rows = lengths.most_common(1)[0]
    odd = {value: n for value, n in counts.items() if len(value) != length}
    if length < MIN_DIGITS or not odd or len(counts) < MIN_SHAPES:
        return None
    # Numbers that count on beyond a power of ten change their length without a fault.
    near = [abs(float(value)) for value in odd if 0.5 < abs(float(value)) / 10 ** (length - 1) < 1]
    over = [abs(float(value)) for value in odd if 1 <= abs(float(value)) / 10**length < 2]
    if len(near) + len(over) == len(odd):
        return None
    return Shapes(form="9" * length, share=rows / len(present), odd=commonest(odd, SHOWN), odd_rows=sum(odd.values()))


def _telling(spelling: Spelling) -> bool:
    """Whether something showed on the drawn rows that is worth counting over all."""
    common = spelling.nothing or spelling.blank or spelling.variants or spelling.padded
    return spelling.numeric or spelling.dated or bool(spelling.levels and common)


def _over_all(table: Table, profile: Profile, column: Column, spelling: Spelling, *, prose: bool) -> Spelling:
    """Count values over all rows; of numbers and dates those alone that stand out, the rest as on the drawn rows."""
    name = sql.column(column.name)
    value, times = name.as_("value"), sql.call("count", exp.Star()).as_("times")
    query = table.select(value, times).where(name.is_(exp.null()).not_()).group_by(name.copy())
    if not (spelling.numeric or spelling.dated):
        found = table.ask(query.limit(MAX_COUNTED))
        return spelling_of(column.name, Counter(dict(found)), prose=prose)
    odd = sql.call("regexp_full_match", name.copy(), r"\s*[-+]?[0-9][0-9.,/: TZ%+-]*\s*").not_()
    rare = Counter(dict(table.ask(query.where(odd).limit(MAX_COUNTED))))
    rows = profile[column.name].present
    kept = spelling_of(column.name, rare)
    nothing = {value: n for value, n in rare.items() if stands_for_nothing(value)}
    blank = {value: n for value, n in rare.items() if not stripped(value)}
    factor = rows / max(1, spelling.rows)
    others = Counter({v: n for v, n in rare.items() if v not in nothing and v not in blank and _plain_text(v)})
    return Spelling(
        name=column.name,
        rows=rows,
        distinct=spelling.distinct,
        levels=spelling.levels,
        numbers=round(spelling.numbers * factor),
        dressed={dress: round(n * factor) for dress, n in spelling.dressed.items()},
        dates={form: round(n * factor) for form, n in spelling.dates.items()},
        nothing=kept.nothing,
        blank=kept.blank,
        others=commonest(others, SHOWN),
        other_rows=others.total(),
        padded=round(spelling.padded * factor),
    )


def _plain_text(value: str) -> bool:
    bare = stripped(value)
    return not (dress_of(bare)[1] or date_form(bare))


def _joined(table: Table, sample: Sample, keys: Keys) -> Iterator[Joined]:
    """Find texts that end with a level of another column in just those rows where that column is empty."""
    texts = [column.name for column in table.columns if column.kind is Kind.TEXT]
    for other in texts:
        values = sample.columns[other]
        empty = values == None  # noqa: E711  # element by element
        levels = set(values[~empty])
        if empty.sum() < MIN_JOINED_ROWS or not 1 < len(levels) <= MAX_JOINED_LEVELS:
            continue
        endings = {stripped(level) for level in levels}
        for name in texts:
            if name == other or (name in keys.shapes and keys.shapes[name].prose):
                continue
            here = [value for value in sample.columns[name][empty] if value is not None]
            hits = [value for value in here if _ends_with(value, endings)]
            if len(hits) < max(MIN_JOINED_ROWS, MIN_JOINED_SHARE * empty.sum()):
                continue
            elsewhere = [value for value in sample.columns[name][~empty] if value is not None]
            if sum(_ends_with(value, endings) for value in elsewhere) <= MAX_JOINED_ELSEWHERE * len(elsewhere):
                rows = round(len(hits) * table.rows / max(1, sample.rows))
                yield Joined(column=name, other=other, rows=rows, example=min(hits))


def _ends_with(value: str, endings: set[str]) -> bool:
    words = re.split(r"[\s,;]+", stripped(value))
    return len(words) > 1 and words[-1] in endings
