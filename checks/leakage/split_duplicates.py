"""Rows or images of one split that also stand in another.

What it finds
    Rows of the test or validation split whose features equal those of a row of an earlier split: to the letter, or
    once case and blanks are folded. Columns that only name rows or entities, and the target, are left out of the
    comparison; whether the labels agree is reported. And near copies: numbers equal up to a small tolerance, text
    equal apart from case, punctuation and white space. And texts, whatever stands beside them, that have the words of
    a text of the earlier split, or share four fifths of their runs of five words with it. Of images, those that hold
    the same bytes as one of an earlier split, or show the same picture: encoded anew, resized, cut, mirrored, turned
    or written over.

Why it matters
    The model has seen the answer to these rows. The score on them measures memory, and the score of the split is too
    good by about their share.

What to do
    Drop the copies from the earlier split, or from the later one where it must stay comparable to nothing published.
    Then remove copies before you split, not after.

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
    5 % copied among four numbers of one decimal, silent in 8 of 500 rows and a warning in 8 of 5,000.
    `python bench/calibrate_text_pairs.py` prints for texts: no alarm in 150 data sets without copies (ten designs, 100
    to 5,000 texts); 30 copies of texts of 100 words among 300 of the test, in five data sets each: an error in all,
    which counts all copies that were retyped, have one word in 100 exchanged or a sentence added, and .89 of those with
    two words in 100 exchanged.

Limits
    Near copies are searched among at most 100,000 pairs; the evidence says whether all were compared.
    Very large splits are searched for near copies by a sample of the later split's rows; the number is in the evidence.
    Rows that differ strongly in one column are not near copies, unless that is beside their texts. Of images holds what
    duplicates/near-duplicate-images says; frames of one film or burst are copies in so far as hardly a thing moves.

Source
    Barz and Denzler, Do we train on test data?, 2020, for images; Chow and Liu, 1968, and Grassberger and Procaccia,
    1983, for the bits; the bound is our own.
"""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from doctor.evidence.image_copies import ImageCopies
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_families import ImageCrossing
from doctor.evidence.near_rows import NearCrossing, NearRows
from doctor.evidence.row_hashes import RowHashes
from doctor.evidence.splits import Crossing, Splits
from doctor.evidence.text_pairs import TextCrossing, TextPairs
from doctor.model import Advise, Check, DropFiles, DropRows, Finding, Location, Safety, Severity, Undecided

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
    facts: ImageFacts | None,
    *,
    min_share: float = 0.01,
    min_excess: float = 3.0,
    min_copies: int = 10,
    min_sure_share: float = 0.5,
    min_near_share: float = 0.002,
) -> Iterator[Finding | Undecided]:
    """Judge each pair of splits."""
    for images in copies.crossings if copies and facts else ():
        if images.copies and copies and facts:
            yield _images(images, copies, facts, min_share)
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
    told = set()
    if texts is not None:
        for crossed in texts.crossings:
            if crossed.sure_rows < 1:
                continue
            told.add((crossed.earlier, crossed.later))
            share = crossed.sure_rows / crossed.read_rows if crossed.sure_rows > 1 else 0.0
            near_severity = Severity.WARNING if share >= min_near_share else Severity.INFO
            yield _near_texts(crossed, texts, Severity.ERROR if share >= min_share else near_severity)
    for close in near.crossings:
        if (close.earlier, close.later) in told:
            continue  # their texts are nearly equal too
        apart = close.near_pairs >= max(1, close.ring_pairs)
        if apart and close.share * close.surprising_share >= min_near_share:
            yield _near(close, near, splits)


def _near(close: NearCrossing, near: NearRows, splits: Splits) -> Finding:
    return CHECK.finding(
        "near copies",
        at=Location(split=close.later, rows=tuple(row for row, _ in close.examples), file=close.file),
        severity=Severity.WARNING,
        repair=Advise(safety=Safety.MANUAL, summary=f"look at the pairs, then drop the copies from {close.earlier}"),
        share=close.share,
        tolerance=near.tolerance,
        features=splits.features,
        examples=[{"row": row, "original": original} for row, original in close.examples],
        **_facts(close),
    )


def _near_texts(crossed: TextCrossing, texts: TextPairs, severity: Severity) -> Finding:
    found = crossed.alike
    summary = f"look at the pairs, then drop the copies from {crossed.earlier}"
    repair: DropRows | Advise = Advise(safety=Safety.MANUAL, summary=summary)
    if texts.drawn_one_of == 1 and texts.all_compared and found.numbers:
        summary = f"drop the texts from {crossed.earlier} that nearly stand in {crossed.later}"
        repair = DropRows(split=crossed.earlier, rows=found.numbers, safety=Safety.UNSAFE, summary=summary)
    finding = CHECK.finding(
        "near texts",
        at=found.place(crossed.later, texts.columns),
        severity=severity,
        repair=repair,
        near_rows=found.rows,
        probed_rows=crossed.read_rows,
        share=found.rows / crossed.read_rows,
        **_facts(crossed, "earlier", "later", "equal_rows", "later_rows"),
        **_facts(texts, "min_shared", "drawn_one_of", "all_compared"),
        **found.judged(stays="original"),
    )
    return finding.showing(excerpts=found.excerpts)


def _finding(crossing: Crossing, splits: Splits, hashes: RowHashes, severity: Severity) -> Finding:
    labels = crossing.same_label_rows
    file = crossing.examples[0].file if crossing.examples else None
    agreement = "" if labels is None else f", {labels:,} of them with the same label"
    return CHECK.finding(
        "copies",
        at=Location(split=crossing.later, rows=tuple(example.row for example in crossing.examples), file=file),
        severity=severity,
        repair=DropRows(
            split=crossing.earlier,
            also_in=crossing.later,
            duplicates_of=splits.features,
            folded=hashes.folded,
            safety=Safety.UNSAFE,
            summary=f"drop the copies from {crossing.earlier}",
        ),
        share=crossing.share,
        agreement=agreement,
        **_facts(crossing),
        examples=[_facts(e, "row", "original", "copies", "verbatim", "bits") for e in crossing.examples],
    )


def _facts(found: Struct, *names: str) -> dict[str, Any]:
    """Return what evidence says by its own names: these, or all but examples."""
    names = names or tuple(name for name in found.__struct_fields__ if name not in ("examples", "file"))
    return {name: getattr(found, name) for name in names}


def _images(crossing: ImageCrossing, copies: ImageCopies, facts: ImageFacts, min_share: float) -> Finding:
    indices = [copy.index for copy in crossing.copies]
    kinds = copies.kinds(crossing.copies)
    other_label = copies.other_labels(crossing)
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
        **_facts(crossing, "earlier", "later", "later_images", "share"),
        sources=len(crossing.sources),
        kinds=kinds,
        how=copies.told(kinds),
        first=copies.files[crossing.copies[0].index].name,
        original=copies.files[crossing.copies[0].original].name,
        other_label=other_label,
        conflicts=f"; {other_label:,} under another label" if other_label else "",
        files=facts.names(indices),
        examples=copies.examples(crossing.copies),
    ).showing(thumbnails=copies.thumbnails(crossing.copies))
