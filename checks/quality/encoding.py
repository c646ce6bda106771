"""Text files that are not plain UTF-8.

What it finds
    Files in another encoding than UTF-8, a byte order mark in front of the first name, and files of one data set that
    are encoded in different ways.

Why it matters
    A reader that expects UTF-8 stops at the first letter beyond ASCII, or replaces it. With a mark in front the first
    column has another name than it seems for readers that do not know the mark, and is not found. Where files differ,
    one word is two different levels.

What to do
    Write all files as UTF-8 without a mark, or name the encoding wherever they are read.

Thresholds
    max_encodings: encodings within one data set, above which it is a warning and not a remark (1).

Calibration
    Bytes are looked at, all of them; UTF-8 is not taken for anything else. Pure ASCII counts as UTF-8.

Limits
    Which of the 8-bit encodings it is cannot be known, only that it is none of UTF-8 and UTF-16. Bytes that fit no
    encoding are told by quality/malformed-rows; letters that were decoded wrongly before are not seen here.

Source
    The Unicode Standard, section 23.8, on the byte order mark.
"""

from collections.abc import Iterator

from doctor.evidence.writing import Writing
from doctor.model import Advise, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/encoding",
    Severity.INFO,
    {
        "mixed": "the files are encoded in different ways: {encodings}",
        "other": "the text is encoded as {encodings}, not as UTF-8",
        "mark": "the text begins with a byte order mark, which some readers take for a part of the first column's name",
    },
)
PLAIN = ("utf-8", "utf-8-sig", "ascii")


def examine(writing: Writing, *, max_encodings: int = 1) -> Iterator[Finding]:
    """Report encodings, then marks."""
    names = {file.path: "UTF-8" if file.encoding in PLAIN else file.encoding for file in writing.files}
    different = sorted(set(names.values()))
    others = [path for path, name in names.items() if name != "UTF-8"]
    marked = [file.path for file in writing.files if file.mark]
    encode = Advise(safety=Safety.MANUAL, summary="write the files anew as UTF-8 without a byte order mark")
    if others:
        mixed = len(different) > max_encodings
        yield CHECK.finding(
            "mixed" if mixed else "other",
            severity=Severity.WARNING if mixed else Severity.INFO,
            at=Location(file=others[0]),
            encodings=", ".join(different),
            files=len(names),
            repair=encode,
        )
    if marked:
        yield CHECK.finding("mark", at=Location(file=marked[0]), marked=len(marked), files=len(names), repair=encode)
