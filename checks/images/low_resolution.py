"""Images that are smaller than what a model needs.

What it finds
    Images whose shorter side is below the size at which the configured model takes them, where one is written
    (`image_size`); else below 512 pixels, where most others are larger; and images much smaller than their collection.
    A collection that is small throughout is only remarked, whatever size is configured.

Why it matters
    A small image is enlarged before it enters the model, and what was not recorded is filled with blur. The model
    learns the blur, and if one class has more of it, the blur is what it tells the class by.

What to do
    Leave small images out (`doctor fix` filters by 512 pixels, or by what `--set` gives), fetch larger originals, or
    train at the size that the images have.

Thresholds
    min_side: pixels of the shorter side, where no input size is configured (512).
    max_share: of small images, above which the collection is small throughout, which is a remark (0.5).
    min_images: images of a collection that is small throughout, below which not even that is said (100).
    min_ratio: of the shorter side to the median of the collection, below which an image is much smaller (0.25).
    max_outlier_share: of much smaller images, above which they belong to what is collected (0.1).

Calibration
    512 is the figure of the guides that this project implements. scikit-learn's digits (8 × 8, 200 images) give one
    remark, imagededup's photographs of 640 × 480 none.

Limits
    What an image really resolves is told by images/upscaled. Annotations of small objects may need more.

Source
    The training guides; the configured size is the key `image_size` of models and trainers.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_inputs import ImageInputs
from doctor.model import Advise, Check, DropFiles, Finding, Safety, Severity

CHECK = Check(
    "images/low-resolution",
    Severity.WARNING,
    {
        "small": "images smaller than {side:,} pixels: {images:,} of {total:,} ({first}); the median is {median:,}",
        "input": "images smaller than the {side:,} pixels of {where}: {images:,} of {total:,} ({first})",
        "outlier": "images much smaller than the median of {median:,} pixels: {images:,} of {total:,} ({first})",
        "throughout": "most images are smaller than {side:,} pixels: {images:,} of {total:,}, the median is {median:,}",
    },
)


def examine(
    facts: ImageFacts,
    inputs: ImageInputs,
    *,
    min_side: int = 512,
    max_share: float = 0.5,
    min_images: int = 100,
    min_ratio: float = 0.25,
    max_outlier_share: float = 0.1,
) -> Iterator[Finding]:
    """Hold the shorter side against what is configured, or against the usual size."""
    read = np.flatnonzero(facts.readable)
    if not len(read):
        return
    sides = facts.shorter[read]
    median = int(np.median(sides))
    wanted = inputs.side or min_side
    small = read[sides < wanted]
    share = len(small) / len(read)
    kind = "input" if inputs.side else "small"
    if not inputs.side and share > max_share:
        if share * len(read) >= min_images:
            yield _finding(facts, small, "throughout", Severity.INFO, wanted, median)
        small, kind, wanted = read[sides < min_ratio * median], "outlier", int(min_ratio * median)
        if len(small) > max_outlier_share * len(read):
            return
    if len(small):
        where = f"{inputs.sizes[0].name} in {inputs.sizes[0].place.short}" if inputs.side else ""
        # Who trains on small pictures alone, as on those of CIFAR, knows it.
        severity = Severity.WARNING if len(small) <= max_share * len(read) else Severity.INFO
        yield _finding(facts, small, kind, severity, wanted, median, where=where)


def _finding(
    facts: ImageFacts, small: np.ndarray, kind: str, severity: Severity, side: int, median: int, where: str = ""
) -> Finding:
    worst = small[np.argsort(facts.shorter[small], kind="stable")]
    names = facts.names(worst)
    finding = CHECK.finding(
        kind,
        severity=severity,
        at=facts.place(worst),
        images=len(small),
        total=len(facts.files),
        share=len(small) / int(facts.readable.sum()),
        side=side,
        median=median,
        where=where,
        first=facts.first(worst),
        files=names,
        repair=DropFiles(files=tuple(names), safety=Safety.UNSAFE, summary=f"leave images below {side:,} pixels out")
        if severity is not Severity.INFO
        else Advise(safety=Safety.MANUAL, summary="train at the size that the images have, or fetch larger originals"),
    )
    sizes = (f"{facts.width[index]}×{facts.height[index]}" for index in worst)
    return finding if kind == "throughout" else finding.showing(thumbnails=facts.thumbnails(worst, sizes))
