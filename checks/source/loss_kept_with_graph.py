"""A loss that is kept together with the graph that it was computed by.

What it finds
    A training loop that adds the loss it goes backward from to a sum, or puts it on a list, as it is: `total += loss`
    in place of `total += loss.item()`. Helpers that return the loss are followed.

Why it matters
    The sum holds on to the graph of every batch. Memory grows with each step until the machine runs out of it, which
    looks like a leak and comes late in an epoch.

What to do
    Add `loss.item()`, or `loss.detach()` where a tensor is wanted and the step must not wait for the device.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. A sum that goes backward itself, that begins anew within the loop, or that is a deque or a
    meter is not judged. After the backward pass most of what the graph held is gone; what remains is small per step.

Source
    PyTorch's FAQ, "My model reports cuda runtime error(2): out of memory": "Don't accumulate history across your
    training loop".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.kept_losses import KeptLosses
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/loss-kept-with-graph",
    Severity.WARNING,
    {
        "sum": "{where}: {statement} keeps the graph of every batch; {plain} would not",
        "list": "{where}: {statement} puts the graph of every batch on a list; {plain} would not",
    },
)


def examine(losses: KeptLosses) -> Iterator[Finding | Undecided]:
    """State each statement that keeps a loss."""
    for path in losses.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not losses.loops:
        yield CHECK.not_applicable("no loop here goes backward and steps an optimizer")
    for one in losses.kept:
        yield CHECK.finding(
            "list" if one.listed else "sum",
            at=location(one.spot),
            repair=repair_by(one.changes, f"write {one.plain} for {one.loss}"),
            where=one.spot.at.short,
            statement=one.statement,
            plain=one.plain,
            kept_in=one.kept_in,
        )
