"""Texts that nearly equal another text of their split, or stand in a longer one.

What it finds
    Rows whose text shares at least four fifths of its runs of five words with that of an earlier row that stays: a
    page with another date, an article of two agencies, a form letter with another name. Where a table has several
    columns of text, each of them must. Texts with the same words are left to duplicates/duplicate-texts. Runs that many
    texts share are a form that is filled in and do not count.

    And, by itself, rows whose text of 50 words and more stands in a longer one: four fifths of its runs are there, as
    of a page that was also filed in sections, the beginning of a conversation beside the whole, an abstract beside the
    article. What a reply quotes is not counted where it is marked as mails, forums and Markdown do.

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
    min_inside_share: the same as min_share for texts that stand in a longer one, which may be on purpose (0.01).

Calibration
    `python bench/calibrate_text_pairs.py` prints: in 390 data sets of 100 to 5,000 texts without copies (of 4, 40 and
    200 words, in few words, on a form, below one header, with a formula of courtesy, quoting each other in part and
    whole, of several columns, in Chinese) no warning and no remark; of 30 copies among 1,000 texts of 100 words, in
    five data sets each, all that have one word in 100 exchanged or a sentence added, .89 of those with two words in 100
    exchanged, which share less than four fifths of their runs, and .99 of parts of 60 words that were filed again by
    themselves. `python bench/scan_texts.py`: of 35,235 pairs that share so many among 200,000 documents, .9996 were
    found, in a twentieth of the time that datasketch's MinHashLSH takes to find .836.

Limits
    A text of fewer than 13 words that differs in one of them shares fewer of its runs. Texts in longer ones are looked
    for within a split; leakage/benchmark-contamination finds those across splits. What stands in ten longer texts and
    more is taken for a form, and what is put together in another order for no part of them. Of more than 1,000,000
    rows, or 400 million letters, a part is read, drawn by the hash of the texts, and near copies are missed with the
    rows that were not; the finding says so. At most 500,000 pairs are compared run by run.

Source
    A. Broder, On the resemblance and containment of documents, 1997, for the sketches; K. Lee et al., Deduplicating
    training data makes language models better, ACL 2022, for runs of five words and the bound of .8.
"""

from collections.abc import Iterator

from doctor.evidence.text_counts import Alike
from doctor.evidence.text_inside import MIN_INSIDE
from doctor.evidence.text_pairs import TextPairs, TextTwins
from doctor.model import Advise, Check, DropRows, Finding, Safety, Severity

NEAR, INSIDE = "", "inside"
CHECK = Check(
    "duplicates/near-duplicate-texts",
    Severity.WARNING,
    {
        NEAR: "{column}: {extra_rows:,} of {read_rows:,} rows ({share:.1%}) have nearly the text of an earlier row: at "
        "least {min_shared:.0%} of their runs of five words{such}",
        INSIDE: "{column}: {extra_rows:,} of {read_rows:,} rows ({share:.1%}) have a text that stands in that of "
        "another, longer one: at least {min_shared:.0%} of their runs of five words{such}",
    },
)


def examine(
    pairs: TextPairs, *, min_share: float = 0.005, min_rows: int = 2, min_inside_share: float = 0.01
) -> Iterator[Finding]:
    """Judge the near copies, and what stands in longer texts, within each split."""
    for twins in pairs.splits:
        for kind, found, least in ((NEAR, twins.near, min_share), (INSIDE, twins.inside, min_inside_share)):
            if not found.rows or found.surprising_share < 0.5:
                continue
            grave = found.rows * found.surprising_share >= max(min_rows, least * twins.read_rows)
            yield _finding(kind, Severity.WARNING if grave else Severity.INFO, pairs, twins, found)


def _finding(kind: str, severity: Severity, pairs: TextPairs, twins: TextTwins, found: Alike) -> Finding:
    split = None if twins.split == "all" else twins.split
    finding = CHECK.finding(
        kind,
        at=found.place(split, pairs.columns),
        severity=severity,
        repair=_repair(kind, pairs, found, split),
        extra_rows=found.rows,
        read_rows=twins.read_rows,
        rows=twins.rows,
        share=found.rows / twins.read_rows,
        stars=found.stay,
        min_shared=pairs.min_shared if kind == NEAR else MIN_INSIDE,
        compared_pairs=pairs.compared_pairs,
        all_compared=pairs.all_compared,
        drawn_one_of=pairs.drawn_one_of,
        **found.judged(stays="stays"),
    )
    return finding.showing(excerpts=found.excerpts)


def _repair(kind: str, pairs: TextPairs, found: Alike, split: str | None) -> DropRows | Advise:
    where = f" in {split}" if split else ""
    if pairs.drawn_one_of > 1 or not pairs.all_compared or not found.numbers:
        return Advise(safety=Safety.MANUAL, summary=f"look at the pairs, then keep one of each{where}")
    kept = (
        "near copies, keep the first of each" if kind == NEAR else "texts that stand in longer ones, keep the longest"
    )
    return DropRows(split=split, rows=found.numbers, safety=Safety.UNSAFE, summary=f"drop the {kept}{where}")
