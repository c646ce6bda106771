"""A model that is moved after its optimizer was made.

What it finds
    In one block, an optimizer that is made of a model's parameters and, below it, the model's first move to a device or
    its first wrapping in FullyShardedDataParallel.

Why it matters
    FSDP replaces the parameters: the optimizer then steps tensors that nobody uses, and the model does not learn.
    Adagrad makes its state when it is made, on the device where the parameters are then, and fails at its first step.
    For other optimizers torch keeps the parameters' identity today and advises against relying on it.

What to do
    Move and wrap the model first, make the optimizer then.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Moves after training, back to the CPU, to another type, or of a model that had been moved
    before are not judged. Where nothing is lost today it is a remark.

Source
    torch.optim, "Constructing it"; torch.distributed.fsdp, FullyShardedDataParallel, on initialising the optimizer.
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.model_moves import ModelMoves
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/optimizer-before-model-move",
    Severity.INFO,
    {
        "sharded": "{where}: {move} replaces the parameters that {optimizer} was given in {optimizer_where}",
        "state": "{where}: {move} leaves the state of {optimizer} behind, which was made in {optimizer_where}",
        "moved": "{where}: {move} comes after {optimizer} was made of its parameters in {optimizer_where}",
    },
)
_SEVERITY = {"sharded": Severity.ERROR, "state": Severity.ERROR, "moved": Severity.INFO}


def examine(moves: ModelMoves) -> Iterator[Finding | Undecided]:
    """State each move that comes too late."""
    for path in moves.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not moves.optimizers:
        yield CHECK.not_applicable("no optimizer of torch is made here")
    for one in moves.late:
        yield CHECK.finding(
            one.kind,
            at=location(one.spot),
            severity=_SEVERITY[one.kind],
            repair=repair_by(one.changes, f"put {one.move} before {one.optimizer} is made"),
            where=one.spot.at.short,
            move=one.move,
            model=one.model,
            optimizer=one.optimizer,
            optimizer_where=one.optimizer_spot.at.short,
        )
