"""Memory that ran out in a step, and where it had gone.

What it finds
    An allocation that failed on a device or on the host, with the bytes in use by parameters, gradients, optimizer
    state and activations, the largest modules, and the smallest change with which the step would fit.

Why it matters
    The message of the exception names the allocation that came last, which is seldom the one that took the memory.

What to do
    Make the change that is named; where none is, a larger device or a smaller model is needed.

Thresholds
    None: the allocation failed.

Calibration
    Exact in what failed. `python bench/oom_receipt.py` prints the receipt beside the measured peak and runs the
    program again with the change.

Limits
    Where memory ran out in the first forward pass, the activations that were still to come are not known and the
    need is a lower bound. An exception that the program caught is not reported.

Source
    Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost"; Rajbhandari et al. (2020), ZeRO; Dettmers et
    al. (2022), 8-bit optimizers.
"""

from collections.abc import Iterator, Sequence

from doctor.evidence.receipts import Change, Receipts, Shortage, fitting_changes, needed_bytes
from doctor.model import Advise, AnyRepair, ChangeTraining, Check, Finding, Location, Safety, Severity

CHECK = Check(
    "memory/oom-culprit",
    Severity.ERROR,
    {
        "receipt": "{device} memory ran out at step {step} when {requested_mb:.0f} MB more were asked for: of"
        " {peak_mb:.0f} MB in use, parameters took {parameters_mb:.0f}, gradients {gradients_mb:.0f}, optimizer state"
        " {optimizer_mb:.0f}, activations {activations_mb:.0f}; {limit_mb:.0f} can be had ({bound}){change:long}",
        "bare": "memory ran out at step {step}: {text:long}",
    },
    leads_to=("crash/exit-cause", "crash/launcher-cascade"),
)
MAX_OTHERS = 3
"""Further changes that are named for a trial."""


def examine(receipts: Receipts) -> Iterator[Finding]:
    """Explain every shortage."""
    world = 1 + max((shortage.rank for shortage in receipts.shortages), default=0)
    for shortage in receipts.shortages:
        yield (
            _explained(shortage, world)
            if shortage.receipt
            else CHECK.finding("bare", at=_place(shortage), text=shortage.message, requested_bytes=shortage.requested)
        )


def _explained(shortage: Shortage, world: int) -> Finding:
    receipt = shortage.receipt
    assert receipt  # noqa: S101  # for the type checker; the caller looked
    fitting = fitting_changes(shortage, world)
    change = fitting[0] if fitting else None
    numbers = {
        name: getattr(receipt, name)
        for name in ("parameters", "gradients", "optimizer", "buffers", "activations", "other", "peak", "limit")
    }
    return CHECK.finding(
        "receipt",
        at=_place(shortage),
        device="device" if receipt.device == "cuda" else "main",
        requested_mb=(shortage.requested or 0) / 1e6,
        bound=receipt.bound,
        change=f"; it would fit with {change.summary}" if change else "; none of the usual changes makes it fit",
        needed_bytes=needed_bytes(shortage),
        needed_after_bytes=change.needed if change else None,
        **{f"{name}_mb": size / 1e6 for name, size in numbers.items()},
        largest_modules_bytes=dict(receipt.modules),
        repair=_repair(fitting),
    )


def _repair(fitting: Sequence[Change]) -> AnyRepair | None:
    if not fitting or not fitting[0].changes:
        return Advise(summary=fitting[0].summary, safety=Safety.MANUAL) if fitting else None
    first, *others = (change.changes for change in fitting if change.changes)
    same_training = not first.keys() - {"micro_batch_ratio", "activation_checkpointing", "zero_stage"}
    return ChangeTraining(
        summary=fitting[0].summary,
        safety=Safety.SAFE if same_training else Safety.UNSAFE,
        changes=first,
        otherwise=tuple(others[:MAX_OTHERS]),
    )


def _place(shortage: Shortage) -> Location:
    return Location(path=shortage.path, line=shortage.line, step=shortage.step, rank=shortage.rank)
