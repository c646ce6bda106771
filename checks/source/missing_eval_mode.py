"""A model that is evaluated in training mode.

What it finds
    A loop that only goes forward over evaluation data, or in a function named for evaluation, with a model that the
    same program trains, while nothing has put the model into evaluation mode since it was made or since `train()`. It
    speaks only where that matters: the model has dropout or batch normalisation in view, or `train()` says so.

Why it matters
    Dropout goes on dropping and batch normalisation takes its statistics from the evaluation batch, and learns from
    it. The score is noisy, too low, and depends on how the evaluation data is cut into batches; models are chosen by
    it.

What to do
    Call `model.eval()` before the loop and `model.train()` after it.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no false alarm. With every eval()
    taken out of seven of them, 6 of 56 files are told of, for most models there come from out of view; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Programs are followed from their beginning through the functions in view; a model of unknown
    origin, one that comes ready from `from_pretrained`, and evaluation that only callers out of view can reach are not
    judged. Sampling with dropout on purpose is known by its name (mc_, uncertainty).

Source
    PyTorch's notes on autograd mechanics, "Evaluation mode (nn.Module.eval())".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.evaluation_code import EvaluationCode
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/missing-eval-mode",
    Severity.ERROR,
    {
        "layers": "{where}: {model} is evaluated in training mode, and it has {layers}",
        "switched": "{where}: {model} is evaluated in the training mode that {after} put it into",
    },
)


def examine(evaluations: EvaluationCode) -> Iterator[Finding | Undecided]:
    """State each loop that evaluates in training mode."""
    for path in evaluations.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not evaluations.loops:
        yield CHECK.not_applicable("no loop here trains a model")
    for one in evaluations.evaluations:
        if one.in_training_mode:
            told = f"write {one.model}.eval() before the loop and {one.model}.train() after it"
            yield CHECK.finding(
                "layers" if one.layers else "switched",
                at=location(one.spot),
                severity=Severity.ERROR if one.layers else Severity.WARNING,
                repair=repair_by(one.mode_changes, told),
                where=one.spot.at.short,
                model=one.model,
                layers=one.layers,
                after=one.after,
            )
