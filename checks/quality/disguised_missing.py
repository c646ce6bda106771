"""Values that stand for "missing" without saying so.

What it finds
    Marks and words such as "?", "#N/A", "ERROR" or "unknown" among other values; numbers such as -1, 999 or 99999 at
    the end of a column and apart from all others; and zeros that stand apart from all other values of a column although
    they are no part of its distribution (a blood pressure of 0).

Why it matters
    To the model such a value is a measurement. A mean with 999 in it is wrong, a scaler that sees it squeezes all true
    values together, and one "?" turns a column of numbers into text. What is missing is then neither imputed nor
    flagged, and no check of missing values sees it.

What to do
    Read the data's documentation. Where the value means "missing", empty the cells (`doctor fix` does) and impute with
    a flag; where it means something of its own ("no garage", "unknown to the bank"), keep it as a level or add a flag.

Thresholds
    min_rows: rows that hold one spelling of a mark among levels; among numbers or dates a single one tells (2).
    min_gap_share: distance of a usual sentinel from the next value, as a share of the range of all others (0.25).
    min_spacings: distance of a lone number from the next value, in mean distances of the values next to it; of a usual
        sentinel five times as much is enough by itself (4.5).
    min_crowding: rows of a lone number per row of the values next to it (3.0).
    min_nearest_share: distance of lone zeros from the next value, as a share of the median, in whole numbers (0.1).
    min_clear: distance of the bulk from lone zeros in widths of the bulk, in numbers with decimals (0.2).
    sure_clear: the same, from which it is enough that there are zeros at all (0.5).
    max_zero_share: share of zeros above which zero is the column's normal state (0.5).
    min_zero_share: share of zeros below which they are single errors, told by quality/out-of-range (0.002).

Calibration
    Marks are counted, not estimated. Lone numbers need a gap and a crowd at once, which no smooth distribution makes:
    `python bench/calibrate_quality.py` prints the false alarms on tables of eight distributions without sentinels and
    the recall of planted ones: of 600 healthy tables (200 each of 50, 300 and 3,000 rows) 2 were accused, one of them
    for ages that were capped at 99, after which the share of the range was added; 999, marks and zeros in 3 % of the
    rows were found in all of 160 tables. Zeros are remarks alone, for a zero may be true; so are words that may be
    levels of their own.

Limits
    A sentinel inside the range of true values, such as a mean filled in, cannot be seen. Of large tables lone numbers
    are looked for on the drawn rows. "None" and "NA" among levels are taken for levels.

Source
    Pearson, The problem of disguised missing data, SIGKDD Explorations 8 (1), 2006.
"""

from collections.abc import Iterator

from doctor.evidence.cell_texts import CODES
from doctor.evidence.keys import Keys
from doctor.evidence.magnitudes import SENTINELS, Lone, Magnitude, Magnitudes
from doctor.evidence.roles import Roles
from doctor.evidence.spellings import Spelling, Spellings
from doctor.model import Check, Finding, Location, RewriteCells, Safety, Severity

CHECK = Check(
    "quality/disguised-missing",
    Severity.WARNING,
    {
        "marks": "{column}: {affected:,} of {rows:,} values are no value but {marks}",
        "words": "{column}: {affected:,} of {rows:,} values are {marks}, which may mean missing",
        "sentinel": "{column}: {affected:,} values are {value:g}, far from all others ({other_low:g} to "
        "{other_high:g}); that number may stand for missing",
        "zeros": "{column}: {affected:,} zeros stand apart from all other values ({other_low:g} to {other_high:g}); "
        "they may stand for missing",
    },
    leads_to=("quality/extreme-scale", "drift/feature-drift"),
)


def examine(
    spellings: Spellings,
    magnitudes: Magnitudes,
    roles: Roles,
    keys: Keys,
    *,
    min_rows: int = 2,
    min_gap_share: float = 0.25,
    min_spacings: float = 4.5,
    min_crowding: float = 3.0,
    min_nearest_share: float = 0.1,
    min_clear: float = 0.2,
    sure_clear: float = 0.5,
    max_zero_share: float = 0.5,
    min_zero_share: float = 0.002,
) -> Iterator[Finding]:
    """Report marks and words in columns of text, and lone numbers in numeric ones."""
    for text in spellings.columns:
        yield from _of_text(text, min_rows)
    for column in magnitudes.columns:
        if column.name in keys.names or column.name in (roles.target, roles.time):
            continue
        for lone in column.lone:
            if len(lone.values) > 1 or lone.rows < max(3, min_rows):
                continue
            apart = lone.spacings >= min_spacings and lone.crowding >= min_crowding
            share = lone.rows / column.rows
            if lone.values[0] == 0 and lone.low:
                whole = column.whole and lone.nearest >= min_nearest_share * column.middle
                odd = apart and (whole or lone.clear >= min_clear)
                odd = odd or (lone.spacings >= min_spacings and lone.clear >= sure_clear)
                if odd and min_zero_share <= share <= max_zero_share:
                    yield _of_number("zeros", column, lone)
                continue
            far = lone.spacings >= 5 * min_spacings
            far_off = abs(lone.values[0] - lone.nearest) >= min_gap_share * (lone.other_high - lone.other_low)
            if lone.values[0] in SENTINELS and (
                (far_off and (apart or far)) or _only_negative(column, lone, min_crowding)
            ):
                yield _of_number("sentinel", column, lone)


def _only_negative(column: Magnitude, lone: Lone, min_crowding: float) -> bool:
    """Whether -1 is the only negative among many whole numbers, and common."""
    common = lone.rows >= 0.01 * column.rows and lone.crowding >= min_crowding
    return lone.low and lone.values[0] == -1 and lone.nearest >= 0 and column.whole and common


def _of_text(text: Spelling, min_rows: int) -> Iterator[Finding]:
    typed = text.numeric or text.dated
    if not text.nothing or not (typed or text.levels):
        return
    marks = {value: n for value, n in text.nothing.items() if typed or n >= min_rows}
    # "-" beside "+" is a level, and so is a mark in a column that has hardly anything else.
    if not typed and (text.distinct - len(marks) < 2 or sum(marks.values()) < 3):
        return
    if marks:
        sure = typed or any(value.strip().lower() in CODES for value in marks)
        affected = sum(marks.values())
        yield CHECK.finding(
            "marks" if sure else "words",
            at=Location(columns=(text.name,)),
            severity=Severity.WARNING if sure else Severity.INFO,
            affected=affected,
            rows=text.rows,
            marks=", ".join(f"“{value}” ({n:,})" for value, n in list(marks.items())[:3]),
            spellings=marks,
            repair=RewriteCells(
                columns=(text.name,),
                values=dict.fromkeys(marks, ""),
                safety=Safety.SAFE if typed else Safety.UNSAFE,
                summary=f"empty the cells of {text.name} that stand for missing",
            ),
        )


def _of_number(kind: str, column: Magnitude, lone: Lone) -> Finding:
    value = f"{lone.values[0]:.17g}"
    return CHECK.finding(
        kind,
        at=Location(columns=(column.name,)),
        severity=Severity.INFO if kind == "zeros" else Severity.WARNING,
        affected=lone.rows,
        rows=column.rows,
        value=lone.values[0],
        nearest=lone.nearest,
        other_low=lone.nearest if lone.low else lone.other_low,
        other_high=lone.other_high if lone.low else lone.nearest,
        spacings=lone.spacings,
        crowding=lone.crowding,
        repair=RewriteCells(
            columns=(column.name,), values={value: ""}, summary=f"empty the cells of {column.name} that are {value}"
        ),
    )
