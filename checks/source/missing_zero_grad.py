"""A training loop in which nothing zeroes the gradients.

What it finds
    A loop that goes backward and steps an optimizer, helpers and methods followed, in which nothing zeroes the
    gradients: no zero_grad of the optimizer or of its model, no `p.grad = None`, no closure. Also one where they are
    zeroed outside only, once per epoch; and one of two optimizers that nobody zeroes.

Why it matters
    PyTorch adds each gradient to the last. From the second batch on, a step follows the sum of all batches so far: the
    steps grow, point backwards in time, and the training diverges or settles at a worse place.

What to do
    Call `optimizer.zero_grad()` once per step. `doctor fix` writes it after the step, where it is right also if the
    gradients of several batches are added on purpose.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py --planted FOLDER…` on the training code of 26 libraries: no false alarm. With every
    zero_grad taken out of five of them, 61 of 74 files are told of; see bench/results/source_corpora.md.

Limits
    Nothing is executed. A loop that hands its optimizer to a function out of view, that calls hooks, or that yields, is
    not judged, nor are tests. An optimizer that was not seen to be made is known by its name alone, and the finding is
    a warning. Engines and trainers that zero by themselves (DeepSpeed, Lightning, the Hugging Face Trainer) take no
    such step.

Source
    PyTorch's recipe "Zeroing out gradients"; torch.optim's "Taking an optimization step".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.zeroing import Zeroing
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/missing-zero-grad",
    Severity.ERROR,
    {
        "never": "{where}: {optimizer} steps in this loop and nothing zeroes its gradients",
        "outside": "{where}: {optimizer} steps in this loop, but its gradients are zeroed outside of it only",
    },
)


def examine(zeroing: Zeroing) -> Iterator[Finding | Undecided]:
    """State each optimizer that steps in a loop without zeroing."""
    for path in zeroing.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not zeroing.loops:
        yield CHECK.not_applicable("no loop here goes backward and steps an optimizer")
    for step in zeroing.steps:
        safety = Safety.SAFE if step.made and not step.accumulates else Safety.UNSAFE
        yield CHECK.finding(
            "outside" if step.outside else "never",
            at=location(step.spot),
            severity=Severity.ERROR if step.made else Severity.WARNING,
            repair=repair_by(step.changes, f"write {step.optimizer}.zero_grad() after the step", safety),
            where=step.spot.at.short,
            optimizer=step.optimizer,
            optimizer_seen=step.made,
            accumulates=step.accumulates,
        )
