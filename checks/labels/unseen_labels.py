"""Labels of one split that another never has.

What it finds
    Classes in the test or validation split without a single training row, or training image, and classes of training
    that a later split lacks although it has rows enough to hold them. Where the labels of both splits differ only in
    spelling (">50K" and ">50K.", case, blanks), that is said instead.

Why it matters
    A model cannot answer a class that it never saw: those rows count as errors whatever it learnt, and with another
    spelling that is every row. Of a class that the test lacks, the score says nothing.

What to do
    Bring spellings to one form. Otherwise split stratified, so that every class is on both sides; join or drop classes
    of which there is one row.

Thresholds
    min_share: share of a split's rows with such labels, from which it is more than a remark (0.01).
    max_p: bound of the probability of so many by chance, above which it is a remark, or, of classes that the test
        lacks, nothing (0.001).
    min_error_share: share of the later split's rows with labels that training lacks, from which it is an error (0.5).

Calibration
    Labels are counted over all rows, so that the finding itself has no error; whether chance explains it (rare classes
    and a small test) decides on its grade. `python bench/drift.py` prints the tables. Both splits drawn alike, twelve
    columns of many shapes (no mean, counts, mostly zero, coarse, rare categories, holes) and a label, 200 data sets per
    row, 75 + 25 to 75,000 + 25,000 rows cut at random, to 7,500 + 2,500 along time and by entity: more than a remark in
    1.0 % at 75 + 25 rows (a class of a fifth that 25 rows indeed lack), in none of the larger ones. 5 % of a new class:
    told in all of 20 data sets at 1,001 + 100 and at 7,500 + 2,500 rows.

Limits
    Quantities, and a split published without labels, are not compared. Of two spellings the first split's is taken for
    the right one.

Source
    As drift/new-categories: hypergeometric chances, bounded by Chernoff's method.
"""

from collections.abc import Iterator

from doctor.evidence.unseen import UnseenClasses, UnseenLabels
from doctor.model import Advise, AnyRepair, Check, Finding, Location, Resplit, RewriteCells, Safety, Severity, Undecided

CHECK = Check(
    "labels/unseen-labels",
    Severity.WARNING,
    {
        "respelled": '{target}: {later} spells its labels otherwise than {earlier}: "{example}" for "{known}" '
        "({rows:,} of {all_rows:,} {unit})",
        "unseen": "{target}: {rows:,} of {all_rows:,} {unit} of {later} ({share:.1%}) have a label that {earlier} "
        "never has, such as {example}",
        "untested": "{target}: {rows:,} of {all_rows:,} {unit} of {earlier} ({share:.1%}) have a label that {later} "
        "never has, such as {example}",
    },
    leads_to=("drift/label-drift",),
)
MAX_SHOWN = 10


def examine(
    labels: UnseenLabels, *, min_share: float = 0.01, max_p: float = 0.001, min_error_share: float = 0.5
) -> Iterator[Finding | Undecided]:
    """Compare the labels of the first split that has any with those of each later one."""
    if not labels.pairs:
        yield CHECK.not_applicable("fewer than two splits have labels")
    for pair in labels.pairs:
        new, lost = sum(pair.new.values()), sum(pair.lost.values())
        if new:
            grave = Severity.ERROR if new >= min_error_share * pair.after else Severity.WARNING
            chance = new < min_share * pair.after or pair.new_p > max_p
            kind = "respelled" if len(pair.respelled) == len(pair.new) else "unseen"
            yield _finding(kind, labels, pair, Severity.INFO if chance else grave)
        others = set(pair.lost) - set(pair.respelled.values())
        if others and lost >= min_share * pair.before and pair.lost_p <= max_p:
            yield _finding("untested", labels, pair, Severity.WARNING)


def _finding(kind: str, labels: UnseenLabels, pair: UnseenClasses, severity: Severity) -> Finding:
    untested, target = kind == "untested", labels.target
    found, all_rows = (pair.lost, pair.before) if untested else (pair.new, pair.after)
    found = {name: rows for name, rows in found.items() if not untested or name not in pair.respelled.values()}
    rows = sum(found.values())
    example = next(iter(found))
    repair: AnyRepair = Resplit(
        by="stratified", column=target, safety=Safety.UNSAFE, summary=f"split stratified by {target}"
    )
    if not labels.columns:
        told = f"call the classes of {pair.later} as {pair.earlier} does" if kind == "respelled" else repair.summary
        repair = Advise(safety=Safety.MANUAL, summary=told)
    elif kind == "respelled":
        repair = RewriteCells(
            columns=(target,),
            values=pair.respelled,
            safety=Safety.SAFE,
            summary=f"spell the labels of {pair.later} as {pair.earlier} does",
        )
    return CHECK.finding(
        kind,
        at=Location(split=pair.later, columns=labels.columns),
        severity=severity,
        repair=repair,
        target=target,
        unit=labels.unit,
        earlier=pair.earlier,
        later=pair.later,
        rows=rows,
        all_rows=all_rows,
        share=rows / all_rows,
        example=_shown(example),
        known=pair.respelled.get(example),
        labels={_shown(name): count for name, count in list(found.items())[:MAX_SHOWN]},
        label_count=len(found),
        p=pair.lost_p if untested else pair.new_p,
    )


def _shown(label: str) -> str:
    """Write a class that is a whole number without a point, however it is stored."""
    return label.removesuffix(".0")
