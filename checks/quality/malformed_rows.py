"""Rows that a text file does not hold as they should be.

What it finds
    Lines of a text table with too many or too few fields or with a quote that is not closed, lines of a JSONL file that
    are no JSON objects; these are left out of every other check, so this is where their loss is told, with the numbers
    of the first lines. Also lines with zero bytes or with bytes that do not fit the encoding, which are kept.

Why it matters
    Readers differ in what they do with such lines: some stop, some drop them without a word, some fill up with missing
    values or shift the rest of the row into the wrong columns. Two people then train on different data from one file.
    Zero bytes are what is left where a disk was full or a copy was cut off.

What to do
    Look at the lines that are named and write the file anew with a real CSV or JSON writer; fields that contain the
    delimiter, a quote or a line end belong in quotes. Do not let the reader skip bad lines.

Thresholds
    max_share: share of the rows left out, above which it is an error whatever the fault (0.01).

Calibration
    Rows are counted, not estimated; the healthy twins give no finding. Lines at which the common readers stop (too many
    fields, an open quote, no JSON) are an error at once, since the training run dies there. Too few fields, which they
    fill up in silence, are a warning up to the bound.

Limits
    How many fields a row should have is taken from most rows. A quote that is closed on a later line swallows the lines
    between, which then count as one. In JSON the value NaN, which Python writes, is read as missing.

Source
    RFC 4180 for CSV, RFC 8259 for JSON.
"""

from collections.abc import Iterator

from doctor.evidence.opening import Opening
from doctor.model import Advise, Check, Finding, Safety, Severity

CHECK = Check(
    "quality/malformed-rows",
    Severity.ERROR,
    {
        "unreadable": "left out {lost:,} of {rows:,} rows, which cannot be read: {faults} ({places})",
        "short": "left out {lost:,} of {rows:,} rows, which have too few fields ({places})",
        "damaged": "{faults} in the text ({places})",
    },
)
SHORT = "too few fields"


def examine(opening: Opening, *, max_share: float = 0.01) -> Iterator[Finding]:
    """State what was left out, one finding per kind of fault."""
    for kind in ("unreadable", "short", "damaged"):
        faults = [fault for fault in opening.faults if kind == _kind(fault.fault, fault.kept)]
        if not faults:
            continue
        lost = sum(fault.rows for fault in faults)
        harmless = kind == "damaged" or (kind == "short" and lost <= max_share * opening.rows)
        several = len({fault.path for fault in opening.faults}) > 1
        places = [f"{fault.path}:{line}" if several else f"line {line}" for fault in faults for line in fault.lines]
        yield CHECK.finding(
            kind,
            severity=Severity.WARNING if harmless else Severity.ERROR,
            lost=lost,
            rows=opening.rows,
            lost_share=lost / opening.rows,
            faults=", ".join(dict.fromkeys(fault.fault for fault in faults)),
            lines=[line for fault in faults for line in fault.lines],
            places=", ".join(places[:3]) + (", …" if lost > 3 else ""),
            repair=Advise(safety=Safety.MANUAL, summary="mend these lines, or write the file anew with a real writer"),
        )


def _kind(fault: str, kept: bool) -> str:
    if kept:
        return "damaged"
    return "short" if fault == SHORT else "unreadable"
