"""Rows or images of one split that also stand in another.

What it finds
    Rows of the test or validation split whose features equal those of a row of an earlier split: to the letter, or
    once case and blanks are folded. Columns that only name rows or entities, and the target, are left out of the
    comparison; whether the labels agree is reported. And near copies: numbers equal up to a small tolerance, text
    equal apart from case, punctuation and white space. And texts that have the words of one of the earlier split, or
    share four fifths of their runs of five words with it. And images of the same bytes or the same picture.

Why it matters
    The model has seen the answer to these rows. Their score measures memory, and that of the split is too good.

What to do
    Drop the copies from the earlier split, or from the later one where nothing published is compared with it. Then
    remove copies before you split, not after.

Thresholds
    min_share: share of the later split's rows that no coincidence explains, from which it is an error (0.01); the same
        for texts and for images.
    min_excess: ratio of the copied share to what the earlier split shows within itself, from which rows of a small
        domain are called copies too (3.0).
    min_copies: copied rows that this takes at least (10).
    min_sure_share: share of the copied rows that no coincidence explains, below which few copies are a remark (0.5).
    min_near_share: share of the later split's rows with a near copy, from which it is a warning (0.002); texts below
        it are a remark.

Calibration
    A row counts where its content has more bits than the logarithm of the number of pairs across the splits, plus 10,
    so that natural repetition in a small domain stays silent. The bits come from column frequencies joined by a tree of
    mutual information, less what pairs of different rows show to be too many where many columns are functions of a few.
    A single surprising row, or few among many that are not, is a remark. Near copies count where they stand apart: more
    pairs within the tolerance than the pairs within four times the tolerance would let expect.
    `python bench/calibrate_rows.py` prints: no alarm in 255 data sets with nothing wrong (100 to 20,000 rows; five of
    scikit-learn's, fifteen designs); 1 % or 5 % of the test rows copied, an error in all of 64 tables of correlated
    numbers, sentences or functions of three numbers; 5 % moved by .01 % or .5 % of the spread, a warning in all of 32;
    5 % copied among four numbers of one decimal, silent in 8 of 500 rows and a warning in 8 of 5,000. `python
    bench/calibrate_text_pairs.py`, texts: no alarm in 150 data sets; 30 of 300 copied, five data sets each: an error in
    all, with all that were retyped, have a sentence more or one word in 100 exchanged, and .89 of those with two.

Limits
    Near copies are searched among at most 100,000 pairs, in very large splits by a sample of the later one's rows; the
    evidence says so. Rows that differ much in one column are no near copies, unless that is beside their texts. Images:
    see duplicates/near-duplicate-images; frames of one film are copies in so far as hardly a thing moves.

Source
    Barz and Denzler, Do we train on test data?, 2020, for images; Chow and Liu, 1968, and Grassberger and Procaccia,
    1983, for the bits; the bound is our own.
"""

from collections.abc import Iterator

from doctor.evidence.image_copies import ImageCopies
from doctor.evidence.image_families import ImageCrossing
from doctor.evidence.near_rows import NearCrossing, NearRows
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.splits import Crossing, Splits
from doctor.evidence.text_pairs import TextCrossing, TextPairs
from doctor.model import Advise, Check, DropFiles, DropRows, Finding, Location, Safety, Severity, Undecided, facts_of

CHECK = Check(
    "leakage/split-duplicates",
    Severity.ERROR,
    {
        "copies": "{copied_rows:,} of {later_rows:,} rows of {later} ({share:.1%}) are also in {earlier}{agreement}",
        "near copies": "{near_rows:,} of {probed_rows:,} rows of {later} ({share:.1%}) nearly equal one of {earlier}: "
        "numbers within {tolerance:.0%} of the spread, text but for case and punctuation",
        "near texts": "{column}: {near_rows:,} of {probed_rows:,} texts of {later} ({share:.1%}) are nearly those of "
        "rows in {earlier}: {equal_rows:,} but for case and punctuation, the others in at least {min_shared:.0%} of "
        "their runs of five words{such}",
        "copied images": "{copied_images:,} of {later_images:,} images of {later} ({share:.1%}) are also in {earlier} "
        "({how}), such as {first} of {original}{conflicts}",
    },
)


def examine(
    splits: Splits | None,
    near: NearRows | None,
    hashes: RowHashes | None,
    texts: TextPairs | None,
    copies: ImageCopies | None,
    *,
    min_share: float = 0.01,
    min_excess: float = 3.0,
    min_copies: int = 10,
    min_sure_share: float = 0.5,
    min_near_share: float = 0.002,
) -> Iterator[Finding | Undecided]:
    """Judge each pair of splits."""
    if copies:
        yield from (_images(crossing, copies, min_share) for crossing in copies.crossings if crossing.copies)
    if not (splits and near and hashes):
        if not (copies and copies.crossings):
            yield CHECK.not_applicable("there is only one split")
        return
    for crossing in splits.crossings:
        surprising = crossing.share * crossing.surprising_share
        # By the rule of three, the null may be larger by 3 rows than what was seen.
        null = crossing.later_rows * (crossing.null_share + 3 / crossing.earlier_rows)
        excess = crossing.copied_rows >= max(min_copies, min_excess * null)
        if not crossing.copied_rows or (crossing.surprising_share == 0 and not excess):
            continue
        several = crossing.copied_rows * crossing.surprising_share > 1
        sure = excess or (several and crossing.surprising_share >= min_sure_share)
        severity = Severity.WARNING if sure else Severity.INFO
        yield _finding(crossing, splits, hashes, Severity.ERROR if several and surprising >= min_share else severity)
    told = [(texts, crossed) for crossed in texts.crossings if crossed.sure_rows >= 1] if texts else []
    for of, crossed in told:
        share = crossed.sure_rows / crossed.read_rows if crossed.sure_rows > 1 else 0.0
        severity = Severity.WARNING if share >= min_near_share else Severity.INFO
        yield _near_texts(crossed, of, Severity.ERROR if share >= min_share else severity)
    for close in near.crossings:
        apart = close.near_pairs >= max(1, close.ring_pairs)
        texts_too = any((one.earlier, one.later) == (close.earlier, close.later) for _, one in told)
        if apart and not texts_too and close.share * close.surprising_share >= min_near_share:
            yield _near(close, near, splits)


def _near(close: NearCrossing, near: NearRows, splits: Splits) -> Finding:
    return CHECK.finding(
        "near copies",
        at=Location(split=close.later, rows=tuple(row for row, _ in close.examples), file=close.file),
        severity=Severity.WARNING,
        repair=Advise(safety=Safety.MANUAL, summary=f"look at the pairs, then drop the copies from {close.earlier}"),
        tolerance=near.tolerance,
        features=splits.features,
        **close.judged,
    )


def _near_texts(crossed: TextCrossing, texts: TextPairs, severity: Severity) -> Finding:
    return CHECK.finding(
        "near texts",
        at=crossed.alike.place(crossed.later, texts.columns),
        severity=severity,
        repair=texts.removal(crossed),
        **crossed.judged,
        **facts_of(texts, "min_shared", "drawn_one_of", "all_compared"),
    ).showing(excerpts=crossed.alike.excerpts)


def _finding(crossing: Crossing, splits: Splits, hashes: RowHashes, severity: Severity) -> Finding:
    labels = crossing.same_label_rows
    agreement = "" if labels is None else f", {labels:,} of them with the same label"
    return CHECK.finding(
        "copies",
        at=crossing.place,
        severity=severity,
        repair=DropRows(
            split=crossing.earlier,
            also_in=crossing.later,
            duplicates_of=splits.features,
            folded=hashes.folded,
            safety=Safety.UNSAFE,
            summary=f"drop the copies from {crossing.earlier}",
        ),
        agreement=agreement,
        **crossing.judged,
    )


def _images(crossing: ImageCrossing, copies: ImageCopies, min_share: float) -> Finding:
    indices = [copy.index for copy in crossing.copies]
    sure = len(indices) > 1 and crossing.share >= min_share
    return CHECK.finding(
        "copied images",
        at=Location(split=crossing.later, file=copies.files[indices[0]].name),
        severity=Severity.ERROR if sure else Severity.WARNING,
        repair=DropFiles(
            files=copies.names(crossing.sources),
            instead=copies.names(indices),
            safety=Safety.UNSAFE,
            summary=f"leave the copies out of {crossing.earlier}",
        ),
        copied_images=len(indices),
        sources=len(crossing.sources),
        **facts_of(crossing, "earlier", "later", "later_images"),
        **copies.kinds(crossing.copies),
        **copies.judged(crossing),
    ).showing(thumbnails=copies.thumbnails(crossing.copies))
