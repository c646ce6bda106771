"""The operation from which NaN or infinity came.

What it finds
    The first operation whose inputs were finite and whose result was not, and from which the bad loss or the bad
    gradients follow: its module, the line, forward or backward, the sample of the batch, and whether float64 would have
    survived. Or that the batch, or a weight, was bad before the step.

Why it matters
    NaN spreads: where it is seen first is seldom where it was made.

What to do
    Guard the operation named: a small constant under `log`, `sqrt` and `/`, a mask that leaves one entry per row; where
    float64 survives, compute that part in float32 or scale it down. Drop or repair the sample named.

Thresholds
    None: the operation is found, not estimated.

Calibration
    `python bench/nan_origin.py` prints how often operation and line are right, beside torch's anomaly detection.

Limits
    The step is run again from the variables of the training loop, in a copy of the process, on a CPU; on a GPU the
    weights are already overwritten when the loss is known. Code that cannot be run again (generators, exhausted
    iterators) leaves the origin unknown, and so does more than half a minute of replay. Three times per run at most.

Source
    IEEE 754; torch's dispatch of operations.
"""

from collections.abc import Iterator

from doctor.evidence.nan_origin import NanOrigins, Origin, Values, short
from doctor.model import Advise, AnyRepair, ChangeTraining, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "numerics/nan-source",
    Severity.ERROR,
    {
        "operation": "{operation} made {made} of {given} at {place}, {direction} pass{whose}: {verdict}",
        "early": "{made} before any weight was used{whose}, at step {step}: in the data, or in how it was prepared",
        "input": "{made} in the batch itself{whose}: {name} was not finite before the model saw it, at step {step}",
        "weights": "the weight {name} was {made} before step {step}{since}",
        "differs": "the loss was not finite at step {step}, but running the step again gives a finite one: hardware, a "
        "race between threads, memory that was written to meanwhile, or code that counts how often it ran",
    },
    leads_to=("numerics/non-finite-loss", "numerics/loss-scale-collapse", "crash/exit-cause"),
)
WHOLE = ("early", "input", "weights", "differs")
"""Faults that no single operation has made."""
GUARDS = {
    "log": "keep its input above zero: log(x.clamp_min(eps)), or log_softmax and logsigmoid instead of a log of their "
    "results",
    "sqrt": "add a small constant under the root: its derivative at 0 is infinite",
    "div": "keep the divisor from zero: x / y.clamp_min(eps), and with where() guard the divisor, not the result",
    "softmax": "leave at least one entry of each row unmasked, or zero the rows that have none",
    "pow": "keep its base from zero and above: x.clamp_min(eps) ** p",
    "norm": "add a small constant to what is normalised",
}


def examine(origins: NanOrigins) -> Iterator[Finding | Undecided]:
    """State every explained NaN."""
    unknown = [origin for origin in origins.origins if origin.fault == "unknown"]
    for origin in origins.origins:
        if origin in unknown:
            continue
        kind = origin.fault if origin.fault in WHOLE else "operation"
        yield CHECK.finding(
            kind,
            at=Location(
                path=origin.path,
                line=origin.line,
                step=origin.step,
                rank=origin.rank,
                module=origin.module or None,
                operation=origin.operation or None,
            ),
            confidence=0.5 if origin.fault == "differs" else None,  # code with a memory of its own differs as well
            repair=_repair(origin),
            name=origin.name or "a tensor",
            made=_made(origin.output),
            given=_given(origin.inputs),
            place=_place(origin),
            direction=origin.where,
            whose="" if origin.sample is None else f", sample {origin.sample} of the batch at step {origin.step}",
            since="" if origin.since is None else f"; gradients were not finite at step {origin.since}",
            verdict=_verdict(origin),
            fault=origin.fault,
            float64_survives=origin.float64,
            code=origin.code,
            sample=origin.sample,
            way=list(origin.way),
            seconds=round(origin.seconds, 3),
        )
    if unknown and len(unknown) == len(origins.origins):
        yield CHECK.unavailable(f"step {unknown[0].step} could not be explained: {unknown[0].reason}")


def _made(values: Values) -> str:
    if values.nan:
        return "NaN"
    return "infinity" if values.infinite else "a value that is not finite"


def _given(inputs: tuple[Values, ...]) -> str:
    told = []
    for values in inputs[:2]:
        if values.least is None or values.greatest is None:
            told.append("masked values" if values.infinite else "nothing")
        elif values.least == values.greatest:
            told.append(f"{values.least:.4g}")
        else:
            told.append(f"{values.least:.4g} … {values.greatest:.4g}")
    return " and ".join(told) or "its arguments"


def _place(origin: Origin) -> str:
    line = f"{short(origin.path)}:{origin.line}" if origin.path else "code that is not in a file"
    return f"{line}, module {origin.module}" if origin.module else line


def _verdict(origin: Origin) -> str:
    if origin.fault == "mask":
        return "only masked entries were left, and nothing can be made of them"
    if origin.fault == "rounding":
        return "lost to rounding, float64 would have survived"
    if origin.float64:
        return "out of range, float64 would have survived"
    if origin.float64 is None:
        return "whether float64 would have survived could not be told"
    return "float64 would not help" if origin.fault == "domain" else "out of range, even of float64"


def _repair(origin: Origin) -> AnyRepair:
    if origin.fault == "overflow" and origin.output.dtype == "float16" and origin.float64:
        return ChangeTraining(summary="use bfloat16; or " + _advice(origin), changes={"precision": "bf16"})
    return Advise(summary=_advice(origin), safety=Safety.MANUAL)


def _advice(origin: Origin) -> str:
    if origin.fault in WHOLE:
        return {
            "early": "check the data for missing values, and what is computed from it before the model",
            "input": "repair or drop that sample, and check the data for missing values before training",
            "weights": "restart from a checkpoint without it, and find what made its gradient or its initial value",
            "differs": "run the step on other hardware and with one thread; look for memory shared between processes",
        }[origin.fault]
    if origin.fault == "rounding":
        return (
            "compute that part in float64, or in a form that does not subtract nearly equal numbers; clamp the result"
        )
    if origin.operation in GUARDS and origin.fault != "overflow":
        return GUARDS[origin.operation]
    if origin.fault == "mask":
        return GUARDS["softmax"]
    if origin.fault == "overflow":
        return "compute that part in float32, or keep its inputs small: normalise, clamp, lower the learning rate, clip"
    return "keep its inputs inside the operation's domain"
