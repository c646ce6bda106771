"""Labels of one split that another never has.

What it finds
    Classes in the test or validation split without a single training row, and classes of training that a later split
    lacks although it has rows enough to hold them. Where the labels of both splits differ only in spelling (">50K" and
    ">50K.", case, blanks), that is said instead.

Why it matters
    A model cannot answer a class that it never saw: those rows count as errors whatever it learnt, and with another
    spelling that is every row. Of a class that the test lacks, the score says nothing.

What to do
    Bring spellings to one form. Otherwise split stratified, so that every class is on both sides; join or drop classes
    of which there is one row.

Thresholds
    min_share: share of a split's rows with such labels, from which it is more than a remark (0.01).
    max_p: bound of the probability of so many by chance, above which it is a remark, or, of classes that the test
        lacks, nothing (0.01).
    min_error_share: share of the later split's rows with labels that training lacks, from which it is an error (0.5).

Calibration
    Labels are counted over all rows, so that the finding itself has no error; whether chance explains it (rare classes
    and a small test) decides on its grade. `python bench/drift.py` prints the tables. CALIBRATION

Limits
    Quantities, and a split published without labels, are not compared. Which of two spellings is right is not said.

Source
    As drift/new-categories: hypergeometric chances, bounded by Chernoff's method.
"""

from collections.abc import Iterator, Mapping

from doctor.evidence.classes import Classes
from doctor.evidence.unseen import respelled, unseen_classes
from doctor.model import Advise, AnyRepair, Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "labels/unseen-labels",
    Severity.WARNING,
    {
        "respelled": '{column}: {later} spells its labels otherwise than {earlier}: "{example}" for "{known}" '
        "({rows:,} of {all_rows:,} rows)",
        "unseen": "{column}: {rows:,} of {all_rows:,} rows of {later} ({share:.1%}) have a label that {earlier} never "
        "has, such as {example}",
        "untested": "{column}: {rows:,} of {all_rows:,} rows of {earlier} ({share:.1%}) have a label that {later} "
        "never has, such as {example}",
    },
    leads_to=("drift/label-drift",),
)
MAX_SHOWN = 10


def examine(
    classes: Classes, *, min_share: float = 0.01, max_p: float = 0.01, min_error_share: float = 0.5
) -> Iterator[Finding | Undecided]:
    """Compare the labels of the first split that has any with those of each later one."""
    filled = [split for split, counts in classes.by_split.items() if counts]
    if len(filled) < 2:
        yield CHECK.not_applicable("fewer than two splits have labels")
        return
    earlier, before = filled[0], classes.by_split[filled[0]]
    for later in filled[1:]:
        after = classes.by_split[later]
        new, p = unseen_classes(before, after)
        spelled = respelled(new, before)
        if new:
            share = sum(new.values()) / sum(after.values())
            grave = Severity.ERROR if share >= min_error_share else Severity.WARNING
            severity = Severity.INFO if share < min_share or p > max_p else grave
            kind = "respelled" if len(spelled) == len(new) else "unseen"
            yield _finding(kind, classes, (earlier, later), new, after, severity, p, spelled)
        lost, p = unseen_classes(after, before)
        lost = {name: rows for name, rows in lost.items() if name not in spelled.values()}
        if p <= max_p and sum(lost.values()) >= min_share * sum(before.values()):
            yield _finding("untested", classes, (earlier, later), lost, before, Severity.WARNING, p, {})


def _finding(
    kind: str,
    classes: Classes,
    splits: tuple[str, str],
    labels: Mapping[str, int],
    counts: Mapping[str, int],
    severity: Severity,
    p: float,
    spelled: Mapping[str, str],
) -> Finding:
    rows, all_rows = sum(labels.values()), sum(counts.values())
    example = next(iter(labels)).removesuffix(".0")
    repair: AnyRepair = Resplit(
        by="stratified", column=classes.target, safety=Safety.UNSAFE, summary=f"split stratified by {classes.target}"
    )
    if kind == "respelled":
        repair = Advise(safety=Safety.MANUAL, summary=f"spell {classes.target} alike in every split")
    return CHECK.finding(
        kind,
        at=Location(split=splits[1], columns=(classes.target,)),
        severity=severity,
        repair=repair,
        earlier=splits[0],
        later=splits[1],
        rows=rows,
        all_rows=all_rows,
        share=rows / all_rows,
        example=example,
        known=spelled.get(next(iter(labels))),
        labels={name.removesuffix(".0"): rows for name, rows in list(labels.items())[:MAX_SHOWN]},
        label_count=len(labels),
        p=p,
    )
