"""Training in evaluation mode, or the reverse.

What it finds
    A model with dropout or batch normalisation that is updated in evaluation mode, typically from the first validation
    on (`model.eval()` without `model.train()` after it), or that is evaluated in training mode.

Why it matters
    In evaluation mode dropout is off and batch statistics stand still: the regularisation that was asked for does not
    take place. In training mode an evaluation is noisy, depends on its batches and changes the running statistics.

What to do
    Call `model.train()` at the start of each epoch and `model.eval()` before each evaluation.

Thresholds
    min_records: looks at the modes that must agree, up to the latest (5).
    min_share: of all looks (0.3).
    min_evaluations: evaluations in training mode, all there were (3).

Calibration
    Exact as to the modes. Models with some modules in evaluation mode (frozen batch normalisation) and those without a
    module that minds are silent.

Limits
    Only modules are seen, not `functional.dropout(training=…)`. A model that was never in training mode may be meant
    so: that is information only.

Source
    torch.nn.Module.training, looked at every 16 steps and at evaluations.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History, Trace
from doctor.evidence.parameters import Parameters
from doctor.model import ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "learning/wrong-mode",
    Severity.WARNING,
    {
        "trained": "the model is updated in evaluation mode since step {step}: {kinds} do nothing there",
        "never": "the model was never in training mode: {kinds} do nothing there",
        "evaluated": "all {evaluations} evaluations took place in training mode: {kinds} make them noisy",
    },
    leads_to=("learning/overfitting", "learning/not-converging"),
)


def examine(
    history: History,
    parameters: Parameters,
    *,
    min_records: int = 5,
    min_share: float = 0.3,
    min_evaluations: int = 3,
) -> Iterator[Finding | Undecided]:
    """Judge the modes at updates and at evaluations."""
    kinds = ", ".join(dict.fromkeys(kind for model in parameters.models for kind in model.mode_sensitive))
    if not kinds:
        yield CHECK.not_applicable("no module of the model minds its mode")
        return
    for trace in history.leading("training_mode"):
        yield from _trained(trace, kinds, min_records, min_share)
        modes = trace.series("evaluation_training_mode")
        if len(modes) >= min_evaluations and (modes.values > 0.5).all():
            yield CHECK.finding(
                "evaluated",
                at=Location(step=int(modes.steps[0]), rank=trace.rank),
                kinds=kinds,
                evaluations=len(modes),
                repair=_repair("model.eval()", "before each evaluation"),
            )


def _trained(trace: Trace, kinds: str, min_records: int, min_share: float) -> Iterator[Finding]:
    modes = trace.series("training_mode")
    training = np.flatnonzero(modes.values > 0)
    first = int(training[-1]) + 1 if len(training) else 0
    if len(modes) - first < max(min_records, min_share * len(modes)):
        return
    yield CHECK.finding(
        "trained" if len(training) else "never",
        at=Location(step=int(modes.steps[first]), rank=trace.rank),
        severity=Severity.WARNING if len(training) else Severity.INFO,
        kinds=kinds,
        records=len(modes) - first,
        repair=_repair("model.train()", "at the start of each epoch and after each evaluation"),
    )


def _repair(code: str, when: str) -> ChangeTraining:
    return ChangeTraining(changes={"evaluation_mode": True}, summary=f"call {code} {when}", safety=Safety.UNSAFE)
