"""The same batch at every step.

What it finds
    Batches from a data loader whose content is the same at every recorded step.

Why it matters
    The model learns one batch by heart. A usual cause is `next(iter(loader))` in the loop, which starts the loader anew
    each time and never gets past its first batch.

What to do
    Iterate over the loader; make the iterator once, outside of the loop.

Thresholds
    min_steps: with a batch on record (50).
    max_rows: of a batch; a larger one may be the whole data set, trained on as one batch (4096).

Calibration
    Exact: hashes of 48 bits of values spread over the batch.

Limits
    Only batches that come from a torch DataLoader, and lie on the host, have a hash. Whoever overfits one batch on
    purpose, as a test, sees this too.

Source
    A. Karpathy: A recipe for training neural networks (2019), which does so on purpose first.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History
from doctor.model import Check, EditCode, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "learning/identical-batches",
    Severity.WARNING,
    "all {steps} recorded batches ({rows} rows each) are the same",
    leads_to=("learning/overfitting", "learning/not-converging"),
)


def examine(history: History, *, min_steps: int = 50, max_rows: int = 4096) -> Iterator[Finding | Undecided]:
    """Judge each optimizer's batches."""
    traces = history.leading("batch_hash")
    if not traces:
        yield CHECK.not_applicable("no batch of a data loader was seen")
    for trace in traces:
        hashes, samples = trace.series("batch_hash"), trace.series("samples")
        if len(hashes) < min_steps:
            yield CHECK.unavailable(f"{len(hashes)} recorded batches are not enough to tell (needed: {min_steps})")
            continue
        rows = int(np.median(samples.values)) if len(samples) else 0
        if (hashes.values == hashes.values[0]).all() and rows <= max_rows:
            yield CHECK.finding(
                at=Location(step=int(hashes.steps[1]), rank=trace.rank),
                steps=len(hashes),
                rows=rows,
                repair=EditCode(
                    code="for batch in loader:",
                    summary="iterate over the loader, or make its iterator once",
                    safety=Safety.MANUAL,
                ),
            )
