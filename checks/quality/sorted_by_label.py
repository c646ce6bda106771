"""Training rows that are stored class by class.

What it finds
    A training split in which long stretches of rows share one label, longer than a shuffle buffer can mix.

Why it matters
    Streaming readers shuffle within a buffer of some thousand rows. If a stretch of one label is longer, whole batches,
    and then hours of batches, hold a single class: the model forgets one class while it learns the next, and the loss
    saws up and down. A cut of the file into a head and a tail puts different classes on each side.

What to do
    Shuffle the rows once, on disk, before they are streamed. Readers that draw from the whole file are not concerned.

Thresholds
    buffer_rows: rows of a usual shuffle buffer (10000).
    max_changes_ratio: changes of the label from row to row, over those of a random order, above which the rows are
        mixed (0.1).
    min_seen: drawn rows, below which the order is not judged (50).
    min_deviations: how far the changes fall short, in standard deviations of a random order (6.0).

Calibration
    In random order the number of changes is known with its spread; six standard deviations short is one in 10⁹. The
    stretch is measured on the drawn rows, which are few of many, so only long stretches show, as is wanted.

Limits
    Order by something that goes with the label, such as time, is not looked for here. A table smaller than the buffer
    is mixed by it, and not judged.

Source
    The shuffle buffers of tf.data, webdataset and Hugging Face datasets in streaming mode.
"""

from collections.abc import Iterator

from doctor.evidence.label_runs import LabelRuns
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "quality/sorted-by-label",
    Severity.WARNING,
    "the rows are stored class by class: half of them stand in stretches of {run_rows:,.0f} rows or more with one "
    "{target}, more than a shuffle buffer of {buffer_rows:,} holds",
)


def examine(
    runs: LabelRuns,
    *,
    buffer_rows: int = 10000,
    max_changes_ratio: float = 0.1,
    min_seen: int = 50,
    min_deviations: float = 6.0,
) -> Iterator[Finding | Undecided]:
    """Judge the order of the training rows."""
    if runs.rows <= buffer_rows:
        yield CHECK.not_applicable(f"a shuffle buffer of {buffer_rows:,} rows holds all of them")
        return
    if runs.seen < min_seen or not runs.expected_changes:
        yield CHECK.unavailable(f"too few rows ({runs.seen}) to judge their order by")
        return
    short = runs.expected_changes - runs.changes
    mixed = runs.changes > max_changes_ratio * runs.expected_changes
    if mixed or short < min_deviations * runs.spread_changes or runs.half_run_rows <= buffer_rows:
        return
    yield CHECK.finding(
        at=Location(columns=(runs.target,), split=None if runs.split == "all" else runs.split),
        target=runs.target,
        run_rows=runs.half_run_rows,
        buffer_rows=buffer_rows,
        changes=runs.changes,
        expected_changes=runs.expected_changes,
        repair=Advise(safety=Safety.MANUAL, summary="shuffle the rows on disk before they are streamed"),
    )
