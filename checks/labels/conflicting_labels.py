"""Rows with the same features, or images with the same content, and different labels.

What it finds
    Rows that are equal in every feature (names of rows and entities left out, text without case and blanks around it)
    and have different labels, within a split or across splits. Each group of such rows costs whoever sees only the
    features all rows but those with its commonest label; their share is the floor below which no error can fall. It is
    a warning where no coincidence explains that the rows are equal, so that one record was labelled twice; among few
    levels rows are equal by nature, and then the floor is a remark: the features do not decide the label.
    Also rows whose text is the same, case and punctuation aside, with another label: a warning where texts are all that
    there is to tell the label by, a remark where other columns may tell it.
    Of images: those of the same bytes, or of the same pixels however they are stored, that lie under several classes.

Why it matters
    One of two different labels of the same record is wrong, and a model trained on both learns neither. Where rows are
    equal by nature, the floor tells when a score is as good as it can get.

What to do
    Go through the review list, whose rows stand in groups of equal ones, and settle on one label each. Ask what the
    two labellings had that the table lacks: another date, another source, another guideline. Where the floor is high
    by nature, only further features help.

Thresholds
    min_share: share of labelled rows that must be wrong in groups no coincidence explains, for a warning (0.001).
    min_floor: floor below which rows that are equal by nature are not worth a remark (0.01).
    max_several: share of the images in several classes, above which that is the rule and a remark: an image may show
        several things (0.2).

Calibration
    Counts are exact, the floor is a bound on these rows and needs no model. What is no coincidence is told in bits, as
    by duplicates/duplicate-rows. `python bench/calibrate_labels.py conflicts` prints: in 540 tables of eighteen designs
    (100 to 5,000 rows, half with 5 % of the rows twice with the same label) no warning; before `min_floor` was set, a
    remark in 290 of them, whose rows are equal by nature; 0.2, 1 or 5 % of the rows twice with the other label: a
    warning in 89 of 90 tables of numbers or sentences (a remark in one), a remark in all of 45 tables of few levels,
    where copies cannot be told.

Limits
    Rows that nearly equal each other are not compared, nor images that were coded anew with loss or resized: their
    copies are told by duplicates/near-duplicate-images. Rows of the same entity, each an event of its own, differ
    rightly in their labels; where a column names entities it is a remark. Quantities are not compared, nor items that
    several people labelled: that is labels/low-agreement.

Source
    The floor is the resubstitution error of the best rule on the distinct rows; it never exceeds the Bayes error of
    their distribution in expectation (Devroye, Györfi and Lugosi, A probabilistic theory of pattern recognition, 1996).
"""

from collections.abc import Iterator

from doctor.evidence.conflicts import Conflict, Conflicts
from doctor.evidence.image_conflicts import ImageConflicts
from doctor.evidence.keys import Keys
from doctor.evidence.text_conflicts import TextConflicts
from doctor.model import Check, Finding, Location, ReviewRows, Safety, Severity

COUNTED = "{rows:,} rows in {groups:,} groups are equal in every feature but not in {target}"
SAID = "{rows:,} rows in {groups:,} groups have the same text, but for case and punctuation, "
CHECK = Check(
    "labels/conflicting-labels",
    Severity.WARNING,
    {
        "relabelled": COUNTED + ", and so equal by no coincidence; at least {floor:.2%} of all labels are wrong "
        "or cannot be told from the features",
        "few": COUNTED + "; at least {wrong_rows:,} of them cannot be told from the features",
        "entities": COUNTED + "; where each is an event of its own, the features leave {floor:.1%} of the rows open",
        "texts": SAID
        + "and not the same {target}; at least {floor:.2%} of all labels are wrong or cannot be told from the texts",
        "texts and more": SAID + "and not the same {target}; does it hang on {beside}?",
        "natural": COUNTED + ", as happens among so few levels; no model of these features "
        "can be right in more than {ceiling:.1%} of the rows",
        "images": "the same image under several classes: {images:,} images in {groups:,} groups, such as {first} as "
        "{classes}; at least {wrong:,} of the classes are wrong or not the only ones",
    },
)

MAX_EXAMPLES = 5


def examine(
    conflicts: Conflicts | ImageConflicts,
    keys: Keys | None,
    texts: TextConflicts | None,
    *,
    min_share: float = 0.001,
    min_floor: float = 0.01,
    max_several: float = 0.2,
) -> Iterator[Finding]:
    """Judge the groups by whether their rows are equal by nature."""
    if texts is not None and texts.surprising:
        yield _of_texts(texts, min_share)
    if not conflicts.groups:
        return
    if isinstance(conflicts, ImageConflicts):
        yield _images(conflicts, max_several)
        return
    share = conflicts.surprising_share
    sure = share * conflicts.groups > 1 and conflicts.floor * share >= min_share
    if share < 0.5 or (keys and keys.entities):
        if conflicts.floor < min_floor:
            return
        by_nature = share < 0.5
        kind, shown = ("natural", conflicts.natural) if by_nature else ("entities", conflicts.surprising)
        yield _finding(kind, Severity.INFO, conflicts, shown)
    elif sure:
        yield _finding("relabelled", Severity.WARNING, conflicts, conflicts.surprising)
    else:
        yield _finding("few", Severity.INFO, conflicts, conflicts.surprising)


def _of_texts(texts: TextConflicts, min_share: float) -> Finding:
    share = texts.surprising_share
    sure = share * texts.groups > 1 and texts.floor * share >= min_share and not texts.beside
    return CHECK.finding(
        "texts and more" if texts.beside else "texts",
        at=Location(columns=(texts.target,), rows=texts.surprising[0].rows, file=texts.surprising[0].file),
        severity=Severity.WARNING if sure else Severity.INFO,
        repair=_review(texts.surprising),
        target=texts.target,
        texts=texts.columns,
        beside=", ".join(texts.beside),
        groups=texts.groups,
        rows=texts.rows,
        labelled_rows=texts.labelled_rows,
        wrong_rows=texts.wrong_rows,
        floor=texts.floor,
        surprising_share=share,
        bound_bits=texts.bound_bits,
        groups_read=texts.groups_read,
        examples=[
            {"rows": group.rows, "labels": group.labels, "copies": group.copies, "bits": group.bits}
            for group in texts.surprising[:MAX_EXAMPLES]
        ],
    )


def _finding(kind: str, severity: Severity, conflicts: Conflicts, shown: tuple[Conflict, ...]) -> Finding:
    first = shown[0] if shown else None
    return CHECK.finding(
        kind,
        at=Location(columns=(conflicts.target,), rows=first.rows if first else (), file=first.file if first else None),
        severity=severity,
        repair=None if kind == "natural" else _review(shown),
        target=conflicts.target,
        groups=conflicts.groups,
        rows=conflicts.rows,
        labelled_rows=conflicts.labelled_rows,
        wrong_rows=conflicts.wrong_rows,
        floor=conflicts.floor,
        ceiling=1 - conflicts.floor,
        surprising_share=conflicts.surprising_share,
        median_bits=conflicts.median_bits,
        bound_bits=conflicts.bound_bits,
        groups_read=conflicts.groups_read,
        examples=[
            {"rows": group.rows, "labels": group.labels, "copies": group.copies, "bits": group.bits}
            for group in shown[:MAX_EXAMPLES]
        ],
    )


def _images(conflicts: ImageConflicts, max_several: float) -> Finding:
    return CHECK.finding(
        "images",
        at=conflicts.place,
        severity=Severity.INFO if conflicts.images > max_several * conflicts.labelled else Severity.WARNING,
        repair=conflicts.review,
        **conflicts.told,
    ).showing(thumbnails=conflicts.pictures)


def _review(groups: tuple[Conflict, ...]) -> ReviewRows:
    return ReviewRows(
        rows=tuple(row for group in groups for row in group.rows),
        numbers=tuple(number for group in groups for number in group.numbers),
        safety=Safety.MANUAL,
        summary="settle on one label for each group of equal rows",
    )
