"""Texts that nearly equal another text of their split.

What it finds
    Rows whose text shares at least four fifths of its runs of five words with that of an earlier row that stays: a
    page with another date, an article of two agencies, a form letter with another name. Where a table has several
    columns of text, each of them must. Texts with the same words are left to duplicates/duplicate-texts. Runs that many
    texts share are a form that is filled in and do not count.

Why it matters
    Copies with small changes count as often as they occur, escape whoever drops equal rows, and stand on both sides of
    a later random split. Language models trained on them recite more and learn less from the same number of tokens.

What to do
    Look at the pairs, of which the findings show where they differ. Keep one of each (`doctor fix --unsafe` keeps the
    first); where the small difference is what matters, as in questions with other numbers, keep all of them, but on the
    same side of every split.

Thresholds
    min_share: share of the rows with a near copy that no coincidence explains, from which it is a warning (0.005).
    min_rows: near copies below which it is a remark (2).

Calibration
    `python bench/calibrate_text_pairs.py` prints: in 300 data sets of 100 to 5,000 texts without copies (of 4, 40 and
    200 words, in few words, on a form, with a formula of courtesy, quoting each other, of several columns, in Chinese)
    no warning and no remark; of 30 copies among 1,000 texts of 100 words, in five data sets each, all that have one
    word in 100 exchanged or a sentence added, and .89 of those with two words in 100 exchanged, which share less than
    four fifths of their runs. `python bench/scan_texts.py`: of 35,235 pairs that share so many among 200,000 documents,
    .9996 were found, in a twentieth of the time that datasketch's MinHashLSH takes to find .836.

Limits
    A text of fewer than 13 words that differs in one of them shares fewer of its runs. A text that is quoted whole in a
    much longer one is no near copy; leakage/benchmark-contamination finds those across splits. Of more than 1,000,000
    rows, or 400 million letters, a part is read, drawn by the hash of the texts, and near copies are missed with the
    rows that were not; the finding says so. At most 500,000 pairs are compared run by run.

Source
    A. Broder, On the resemblance and containment of documents, 1997, for the sketches; K. Lee et al., Deduplicating
    training data makes language models better, ACL 2022, for runs of five words and the bound of .8.
"""

from collections.abc import Iterator

from doctor.evidence.text_pairs import TextPairs, TextTwins
from doctor.model import Advise, Check, DropRows, Finding, Safety, Severity

CHECK = Check(
    "duplicates/near-duplicate-texts",
    Severity.WARNING,
    "{column}: {extra_rows:,} of {read_rows:,} rows ({share:.1%}) have nearly the text of an earlier row: at least "
    "{min_shared:.0%} of their runs of five words{such}",
)


def examine(pairs: TextPairs, *, min_share: float = 0.005, min_rows: int = 2) -> Iterator[Finding]:
    """Judge the near copies within each split."""
    for twins in pairs.splits:
        found = twins.near
        sure = found.rows * found.surprising_share
        if not found.rows or found.surprising_share < 0.5:
            continue
        grave = sure >= max(min_rows, min_share * twins.read_rows)
        yield _finding(Severity.WARNING if grave else Severity.INFO, pairs, twins)


def _finding(severity: Severity, pairs: TextPairs, twins: TextTwins) -> Finding:
    found = twins.near
    split = None if twins.split == "all" else twins.split
    finding = CHECK.finding(
        at=found.place(split, pairs.columns),
        severity=severity,
        repair=_repair(pairs, twins, split),
        extra_rows=found.rows,
        read_rows=twins.read_rows,
        rows=twins.rows,
        share=found.rows / twins.read_rows,
        stars=found.stay,
        min_shared=pairs.min_shared,
        compared_pairs=pairs.compared_pairs,
        all_compared=pairs.all_compared,
        drawn_one_of=pairs.drawn_one_of,
        **found.judged(stays="stays"),
    )
    return finding.showing(excerpts=found.excerpts)


def _repair(pairs: TextPairs, twins: TextTwins, split: str | None) -> DropRows | Advise:
    where = f" in {split}" if split else ""
    if pairs.drawn_one_of > 1 or not pairs.all_compared or not twins.near.numbers:
        return Advise(safety=Safety.MANUAL, summary=f"look at the pairs, then keep one of each{where}")
    summary = f"drop the near copies, keep the first of each{where}"
    return DropRows(split=split, rows=twins.near.numbers, safety=Safety.UNSAFE, summary=summary)
