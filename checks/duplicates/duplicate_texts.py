"""Texts that stand in several rows of a split.

What it finds
    Rows whose text has the same words as that of an earlier row, in the same order; case, punctuation and white space
    aside. Where a table has several columns of text, a prompt and its answer for example, all of them must agree. Rows
    that are equal in every column are left to duplicates/duplicate-rows and not counted here.

Why it matters
    A text that was crawled twice, or filed under two numbers, counts twice. A language model learns such texts by heart
    and recites them; a classifier is tested on what it has read, once a random split puts the copies on both sides.

What to do
    Look at what the rows differ in. Where that is a number, a date of retrieval or an address, keep one of each text
    (`doctor fix --unsafe` keeps the first). Where it is the label, labels/conflicting-labels lists the rows.

Thresholds
    min_share: share of rows that repeat a text which nobody says twice by chance, from which it is a warning (0.01).
    min_rows: rows that this takes at least (2); fewer are a remark.
    min_natural: share of rows that repeat short texts, from which it is worth a remark (0.05).

Calibration
    A text counts where its words have more bits than the logarithm of the number of pairs of rows, plus 10.
    `python bench/calibrate_text_pairs.py` prints: in 390 data sets of 100 to 5,000 texts without copies (of 4, 40 and
    200 words, in few words, on a form, with a formula of courtesy, quoting each other, of several columns, in Chinese)
    no warning and no remark; 30 texts of 1,000 in capitals or with other punctuation, a warning in all of 5 data sets,
    which counts all of them.

Limits
    Texts that begin with the same page and differ behind it are not equal; duplicates/near-duplicate-texts finds them.
    Scripts without blanks between words are compared letter by letter. Of more than 1,000,000 rows, or 400 million
    letters, a part is read, drawn by the hash of the texts so that equal ones stay together; the finding says so.

Source
    K. Lee et al., Deduplicating training data makes language models better, ACL 2022. The bits are those of the words'
    frequencies, of which half is taken for what the words before tell (P. Brown et al., Computational Linguistics 18,
    1992).
"""

from collections.abc import Iterator

from doctor.evidence.text_pairs import TextPairs, TextTwins
from doctor.model import Advise, Check, DropRows, Finding, Safety, Severity

SAID = (
    "{extra_rows:,} of {read_rows:,} rows ({share:.1%}) have the text of an earlier row, but for case and punctuation"
)
CHECK = Check(
    "duplicates/duplicate-texts",
    Severity.WARNING,
    {
        "texts": "{column}: " + SAID + "{such}",
        "short": "{column}: " + SAID + "{such}; most are so short that they are said more than once by chance",
    },
)


def examine(
    pairs: TextPairs, *, min_share: float = 0.01, min_rows: int = 2, min_natural: float = 0.05
) -> Iterator[Finding]:
    """Judge the repeated texts of each split."""
    for twins in pairs.splits:
        found = twins.equal
        if not found.rows:
            continue
        share = found.rows / twins.read_rows
        sure = found.rows * found.surprising_share
        if sure >= 1 and found.surprising_share >= 0.5:
            grave = sure >= max(min_rows, min_share * twins.read_rows)
            yield _finding("texts", Severity.WARNING if grave else Severity.INFO, pairs, twins)
        elif sure >= max(min_rows, min_share * twins.read_rows):
            yield _finding("texts", Severity.WARNING, pairs, twins)
        elif share >= min_natural:
            yield _finding("short", Severity.INFO, pairs, twins)


def _finding(kind: str, severity: Severity, pairs: TextPairs, twins: TextTwins) -> Finding:
    found = twins.equal
    split = None if twins.split == "all" else twins.split
    finding = CHECK.finding(
        kind,
        at=found.place(split, pairs.columns),
        severity=severity,
        repair=None if kind == "short" else _repair(pairs, twins, split),
        extra_rows=found.rows,
        read_rows=twins.read_rows,
        rows=twins.rows,
        share=found.rows / twins.read_rows,
        texts=found.stay,
        drawn_one_of=pairs.drawn_one_of,
        **found.judged(stays="stays"),
    )
    return finding.showing(excerpts=found.excerpts)


def _repair(pairs: TextPairs, twins: TextTwins, split: str | None) -> DropRows | Advise:
    where = f" in {split}" if split else ""
    if pairs.drawn_one_of > 1 or not twins.equal.numbers:
        return Advise(safety=Safety.MANUAL, summary=f"keep one row of each text{where}")
    summary = f"drop the rows that repeat a text, keep the first of each{where}"
    return DropRows(split=split, rows=twins.equal.numbers, safety=Safety.UNSAFE, summary=summary)
