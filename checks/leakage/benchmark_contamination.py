"""Texts or images that a model is tested by stand in those that it is trained on.

What it finds
    Texts of a later split, or of benchmarks given with --benchmark, most of whose words stand in the same order in the
    texts that are trained on: as runs of 13 words, or whole where they are shorter. Every run is verified word by word.
    Rows that equal an earlier one, and texts that nearly do, are left to leakage/split-duplicates; here are those that
    are quoted or embedded in a longer text. Of a benchmark equal texts count too. Of images, those of a benchmark given
    with --benchmark are told of which the images that are trained on hold a copy, by the rules of
    duplicates/near-duplicate-images.

Why it matters
    A model that has seen the question with its answer recalls it. Its score on that benchmark says nothing of other
    questions, and the comparison with other models is void.

What to do
    Drop the rows that hold the texts, or the copies of the images, from what is trained on, and say so beside the
    score. Where the test was made from the training texts, make another.

Thresholds
    min_cover: share of a text's words that must be part of runs of one earlier text, templates and phrases aside (0.5).
        Less is a quotation.
    min_share: share of the later texts or images, from which it is an error (0.01).
    min_texts: texts or images that this takes at least (3); fewer are a warning.
    max_tiny_share: share of a benchmark's images too small to be compared, above which there is no verdict (0.5).

Calibration
    `python bench/calibrate_contamination.py` prints the tables. Texts of 40 words, some with a formula of courtesy,
    forms that are filled in, and texts that quote ten words of others, in data sets of 100 and 1,000 earlier and 50 and
    300 later texts: no finding in 60 of them.

Limits
    Texts of fewer than 8 words are not looked for, and texts in other words are not found. Runs that stand in more than
    3 of the later texts are taken for a template, runs in more than 10 of the earlier ones for a phrase; a text with
    fewer than 13 words beside them is not judged. Languages that are written without blanks have no words here. Of many
    texts 20,000 later ones and some 60 million letters of earlier ones are read, drawn by their hash; the finding says
    how many. Rows of numbers are not looked for in benchmarks.

Source
    T. Brown et al., Language models are few-shot learners, 2020, appendix C: runs of 13 words, and runs met more than
    ten times left out.
"""

from collections.abc import Iterator

from doctor.evidence.contamination import Contamination, Overlap
from doctor.evidence.image_contamination import ImageContamination, ImageOverlap
from doctor.evidence.word_runs import Contained
from doctor.model import Check, DropFiles, DropRows, Finding, Location, Safety, Severity, Undecided

STAND = "({share:.1%}) stand in {earlier}, {whole:,} of them word for word; {read_rows:,} of {earlier_rows:,} rows read"
CHECK = Check(
    "leakage/benchmark-contamination",
    Severity.ERROR,
    {
        "split": f"{{column}}: {{texts:,}} of {{looked_for:,}} texts of {{later}} {STAND}",
        "benchmark": f"{{column}}: {{texts:,}} of {{looked_for:,}} texts of {{benchmark}} {STAND}",
        "images": "{images:,} of {looked_for:,} images of {benchmark} ({share:.1%}) are also in what is trained on "
        "({how}), such as {first} of {original}",
    },
)


def examine(
    contamination: Contamination | ImageContamination,
    *,
    min_cover: float = 0.5,
    min_share: float = 0.01,
    min_texts: int = 3,
    max_tiny_share: float = 0.5,
) -> Iterator[Finding | Undecided]:
    """Judge each column, or all images, against each later side."""
    if isinstance(contamination, ImageContamination):
        for one in contamination.overlaps:
            if copies := len(one.crossing.copies):
                grave = copies >= max(min_texts, min_share * one.looked_for)
                yield _images(one, Severity.ERROR if grave else Severity.WARNING)
            if one.tiny > max_tiny_share * one.looked_for:
                yield CHECK.unavailable(
                    f"{one.tiny:,} of {one.looked_for:,} images of {one.benchmark} have a side of fewer than "
                    f"{one.copies.min_side} pixels: at that size different pictures look like copies, so that only "
                    "equal files are found"
                )
        return
    if contamination.overlaps and not any(overlap.looked_for for overlap in contamination.overlaps):
        yield CHECK.not_applicable("no text has as many words as are looked for")
        return
    for overlap in contamination.overlaps:
        contained = [one for one in overlap.found if one.share >= min_cover]
        if contained:
            grave = len(contained) >= max(min_texts, min_share * overlap.looked_for)
            yield _finding(overlap, contained, Severity.ERROR if grave else Severity.WARNING)


def _finding(overlap: Overlap, contained: list[Contained], severity: Severity) -> Finding:
    rows = tuple(sorted({source for one in contained for source in one.sources}))
    of_split = overlap.benchmark is None
    examples = overlap.examples[: len(contained)]
    return CHECK.finding(
        "split" if of_split else "benchmark",
        at=Location(
            split=overlap.later if of_split else overlap.earlier,
            columns=(overlap.column,),
            rows=tuple(later if of_split else source for later, source in examples),
            file=overlap.file,
        ),
        severity=severity,
        repair=DropRows(
            rows=rows, safety=Safety.UNSAFE, summary=f"drop the {len(rows):,} rows of {overlap.earlier} that hold them"
        ),
        benchmark=overlap.benchmark,
        earlier=overlap.earlier,
        later=overlap.later,
        texts=len(contained),
        whole=sum(one.whole for one in contained),
        share=len(contained) / overlap.looked_for,
        looked_for=overlap.looked_for,
        later_rows=overlap.later_rows,
        earlier_rows=overlap.earlier_rows,
        read_rows=overlap.read_rows,
        examples=[{"row": later, "original": source} for later, source in examples],
    )


def _images(overlap: ImageOverlap, severity: Severity) -> Finding:
    return CHECK.finding(
        "images",
        at=overlap.place,
        severity=severity,
        repair=DropFiles(
            files=overlap.sources,
            safety=Safety.UNSAFE,
            summary=f"leave the {len(overlap.sources):,} copies out of what is trained on",
        ),
        **overlap.judged,
    ).showing(thumbnails=overlap.copies.thumbnails(overlap.crossing.copies))
