"""An evaluation that records gradients which nobody uses.

What it finds
    A loop that only goes forward over evaluation data, or in a function named for evaluation, with a model that the
    same program trains, outside of `torch.no_grad()`, `torch.inference_mode()` and their like.

Why it matters
    Every intermediate result is kept for a backward pass that never comes. Evaluation takes up to twice the memory and
    more time, batches must be smaller, and where outputs or losses are collected the memory grows until it ends.

What to do
    Put the loop below `with torch.no_grad():`, or write `@torch.no_grad()` above the function.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: two findings, both true. With every
    no_grad taken out of four of them, 6 of 25 files are told of; see bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Evaluation that only callers out of view can reach is not judged, nor are loops that speak of
    gradients themselves. A context manager that has no_grad, inference or evaluation in its name is taken at its word.

Source
    PyTorch's notes on autograd mechanics, "No-grad mode" and "Inference mode".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.evaluation_code import EvaluationCode
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/missing-no-grad",
    Severity.WARNING,
    "{where}: {model} is evaluated with gradients recorded, outside of torch.no_grad()",
)


def examine(evaluations: EvaluationCode) -> Iterator[Finding | Undecided]:
    """State each loop that evaluates with gradients on."""
    for path in evaluations.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not evaluations.loops:
        yield CHECK.not_applicable("no loop here trains a model")
    for one in evaluations.evaluations:
        if one.with_gradients:
            yield CHECK.finding(
                at=location(one.spot),
                repair=repair_by(one.gradient_changes, "put the loop below `with torch.no_grad():`"),
                where=one.spot.at.short,
                model=one.model,
            )
