"""A training that will not fit its device.

What it finds
    The configuration of a training (DeepSpeed's JSON, the arguments of transformers' Trainer) with the config.json of
    the model beside it, whose memory on one device, predicted from the model's shape, is more than the device has. The
    finding names what takes the memory, the largest first, and the three cheapest changes with which it fits.

Why it matters
    The run dies of it: at the first step, or hours later at the longest batch.

What to do
    Make one of the changes that are named. `doctor estimate` predicts others, and follows the model itself, layer by
    layer, instead of a formula.

Thresholds
    min_spare_share: of the device, by which the prediction must be beyond what tensors can have before it is reported
    (0.05); so much do the formulas differ from the real model.

Calibration
    The formulas give the exact number of weights of the thirteen kinds of model that they know. Of the peak of GPT-2
    and Llama at eight settings each, and of BERT at four in 32 bits, they give between 0.95 and 1.00 of what following
    the model itself does: `python bench/estimate.py --formulas`. Weights and states are within 1 % of what a DeepSpeed
    engine holds at every stage, and the peak of its passes within 8 %: `python bench/estimate_deepspeed.py`.

Limits
    Nothing is said without the device's memory (--device-memory, or device-memory in the settings). What is not written
    down, such as the number of ranks or the length of a text, is taken at its least and at its most; there is a finding
    only where even the least is too much, and no verdict where it depends. Adapters, weights in 8 or 4 bits, FSDP,
    kernels that fuse the loss, and kinds of model that the formulas do not know are left without a verdict.

Source
    Rajbhandari et al. (2020), ZeRO; Korthikanti et al. (2022), "Reducing Activation Recomputation in Large Transformer
    Models"; Chen et al. (2016), "Training Deep Nets with Sublinear Memory Cost"; Dettmers et al. (2022), 8-bit
    optimizers.
"""

from collections.abc import Iterator

from doctor.evidence.memory_needs import MemoryNeeds, Need
from doctor.model import Advise, AnyRepair, ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "config/memory-estimate",
    Severity.ERROR,
    {
        "states": "weights, gradients and optimizer state alone take {states_gb:.1f} GB of a device with"
        " {device_gb:.1f} GB: {parameters:,} parameters, {how}{change:long}",
        "peak": "the training takes {peak_gb:.1f} GB at its peak, {least}of a device with {device_gb:.1f} GB:"
        " {culprits}{change:long}",
    },
)


def examine(needs: MemoryNeeds, *, min_spare_share: float = 0.05) -> Iterator[Finding | Undecided]:
    """Judge each training by the least that it can take, and by the most."""
    for reason in needs.untold:
        yield CHECK.unavailable(reason)
    bound = needs.usable + min_spare_share * needs.device
    for need in needs.needs:
        if need.states > bound:
            yield _finding("states", Severity.ERROR, need, needs)
        elif need.least.total > bound:
            yield _finding("peak", Severity.WARNING, need, needs)
        elif need.most is None or need.most.total > bound:
            known = f"{need.least.total / 1e9:.1f} GB at the least"
            more = f", {need.most.total / 1e9:.1f} GB at the most" if need.most else ""
            depends = f", depending on {', '.join(need.unknown).replace('_', '-')}" if need.unknown else ""
            yield CHECK.unavailable(f"{need.path}: {known}{more}{depends}")


def _finding(kind: str, severity: Severity, need: Need, needs: MemoryNeeds) -> Finding:
    first = need.changes[0] if need.changes else None
    sizes = need.least.culprits()
    ways = [{"summary": one.summary, "peak_bytes": one.total, "time": one.cost} for one in need.changes]
    return CHECK.finding(
        kind,
        at=Location(path=need.path, line=need.line),
        severity=severity,
        repair=_repair(need),
        model=need.model,
        parameters=need.parameters,
        how=f"{need.training.optimizer}, {need.training.precision}",
        states_gb=need.states / 1e9,
        peak_gb=need.least.total / 1e9,
        device_gb=needs.device / 1e9,
        least="at the least, " if need.unknown else "",
        culprits=", ".join(f"{name} {size / 1e9:.1f}" for name, size in sizes),
        change=f"; it would fit with {first.summary} ({first.total / 1e9:.1f} GB, {first.cost})" if first else "",
        changes=ways,
        unknown=list(need.unknown),
        usable_bytes=needs.usable,
        **{f"{name}_bytes": size for name, size in sizes},
    )


def _repair(need: Need) -> AnyRepair:
    if not need.changes and need.most is None:
        return Advise(summary="`doctor estimate` says with what it fits, given rows and tokens", safety=Safety.MANUAL)
    if not need.changes:
        return Advise(summary="train adapters, a smaller model, or on more devices", safety=Safety.MANUAL)
    plans = [_plan(need, number) for number in range(len(need.changes))]
    first = plans[0]
    if first is None:
        return Advise(summary=need.changes[0].summary, safety=Safety.MANUAL)
    # Micro-batches, recomputation and sharding lead to the same weights; 8-bit states and 16 bits do not quite.
    same = not first.keys() - {"micro_batch_ratio", "activation_checkpointing", "zero_stage"}
    return ChangeTraining(
        summary=need.changes[0].summary,
        safety=Safety.SAFE if same else Safety.UNSAFE,
        changes=first,
        otherwise=tuple(plan for plan in plans[1:] if plan),
    )


def _plan(need: Need, number: int) -> dict[str, float | str | bool] | None:
    """Return a change by the names of `doctor.repair.treatments`; None where they cannot make it."""
    before, after = need.training, need.changes[number].training
    fused = after.optimizer == "adamw-fused" != before.optimizer
    if fused or after.offload != before.offload or after.precision != before.precision:
        return None
    plan: dict[str, float | str | bool] = {}
    if after.micro_batch != before.micro_batch:
        plan["micro_batch_ratio"] = after.micro_batch / before.micro_batch
    if after.checkpointing != before.checkpointing:
        plan["activation_checkpointing"] = True
    if after.zero_stage is not None and after.zero_stage != before.zero_stage:
        plan["zero_stage"] = after.zero_stage
    if after.optimizer != before.optimizer:
        plan["optimizer"] = "adam8bit"
    return plan or None
