"""Values beyond the range of float16, in the forward pass.

What it finds
    An operation in float16 whose finite inputs gave infinity where float64 would have survived; or modules whose
    float16 outputs hold infinities or NaN at several looks at the activations.

Why it matters
    float16 ends at 65,504. No loss scale helps against an overflow in the forward pass: every such step is lost.

What to do
    Scale the inputs (divide images by 255, standardise), divide scores before they are multiplied, keep normalisation,
    softmax and losses in float32, or use bfloat16.

Thresholds
    min_looks: looks at the activations at which a module's output must not be finite, where no step was run again (2).

Calibration
    Exact where a step was run again. `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    An overflow in the scaled backward pass is what a loss scaler is there for, and no finding; `loss-scale-collapse`
    judges that.

Source
    IEEE 754 binary16; Micikevicius et al.: Mixed precision training, ICLR 2018.
"""

import re
from collections.abc import Iterator

from doctor.evidence.activations import Activations
from doctor.evidence.nan_origin import NanOrigins
from doctor.model import ChangeTraining, Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "numerics/fp16-overflow",
    Severity.ERROR,
    {
        "operation": "{operation} overflowed float16 in {module} at step {step}: from values up to {largest_input:.4g} "
        "to infinity, which float64 would have survived",
        "output": "outputs of {module} in float16 are not finite, first at step {step} ({share:.0%} of the values)",
    },
    leads_to=(
        "numerics/nan-source",
        "numerics/non-finite-loss",
        "numerics/masked-non-finite",
        "numerics/loss-scale-collapse",
        "learning/not-converging",
    ),
)
IN_BFLOAT16 = ChangeTraining(
    summary="use bfloat16, or keep that part in float32 or its inputs small",
    changes={"precision": "bf16"},
    otherwise=({"norm_in_fp32": True},),
)
NORM_IN_FLOAT32 = ChangeTraining(
    summary="keep normalisation layers in float32, or use bfloat16",
    changes={"norm_in_fp32": True},
    otherwise=({"precision": "bf16"},),
)
NORMS = re.compile(r"norm|(^|[._])ln([._]|$)|layernorm|(^|[._])bn\d*([._]|$)", re.IGNORECASE)
"""Usual names of modules that normalise."""


def examine(
    origins: NanOrigins | None, activations: Activations | None, *, min_looks: int = 2
) -> Iterator[Finding | Undecided]:
    """Take the word of the replay where there is one, else that of the activations."""
    if origins is None and activations is None:
        yield CHECK.not_applicable("neither operations nor activations were recorded")
        return
    for origin in origins.origins if origins else ():
        if origin.where == "forward" and origin.fault == "overflow" and origin.output.dtype == "float16":
            reached = [
                abs(value) for part in origin.inputs for value in (part.least, part.greatest) if value is not None
            ]
            yield CHECK.finding(
                "operation",
                at=Location(
                    path=origin.path,
                    line=origin.line,
                    step=origin.step,
                    rank=origin.rank,
                    module=origin.module or None,
                    operation=origin.operation or None,
                ),
                largest_input=max(reached, default=float("nan")),
                repair=_repair(origin.module or "", origin.operation or ""),
            )
            return
    for module, course in activations.of_first_rank().items() if activations else ():
        bad = [(step, output) for step, output in course if output.dtype == "float16" and output.non_finite > 0]
        if len(bad) >= min_looks and activations:
            step, output = bad[0]
            yield CHECK.finding(
                "output",
                at=Location(step=step, rank=activations.looks[0].rank, module=module),
                share=output.non_finite,
                repair=_repair(module, output.type),
            )
            return


def _repair(module: str, operation: str) -> ChangeTraining:
    return NORM_IN_FLOAT32 if NORMS.search(module) or NORMS.search(operation) else IN_BFLOAT16
