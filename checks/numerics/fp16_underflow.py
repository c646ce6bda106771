"""Gradients too small for float16.

What it finds
    Training in float16 in which most gradient values of most weights are exactly 0, while the loss is not.

Why it matters
    Below 6e-8 a float16 is 0: what is lost there is never learned, and the training stops early without a word.

What to do
    Scale the loss (`torch.amp.GradScaler`), raise the scale where one is in use, or train in bfloat16.

Thresholds
    min_zero_share: of a weight's gradient values that are exactly 0 (0.5).
    min_layers_share: of the weight matrices for which that holds (0.5).
    min_records: steps at which it was counted (4).

Calibration
    `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    Embeddings, whose rows are 0 unless used, are left out as far as their module's type is known. Gradients that are 0
    because units are dead are `numerics/dead-units`, which comes first.

Source
    Micikevicius et al.: Mixed precision training, ICLR 2018, section 3.2.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.activations import Activations
from doctor.evidence.history import History
from doctor.evidence.parameters import Parameters
from doctor.model import ChangeTraining, Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "numerics/fp16-underflow",
    Severity.WARNING,
    "in {layers} of {judged} weights most gradient values are exactly 0 in float16 ({zero_share:.0%} in {module}); the "
    "loss scale is {scale}",
    leads_to=("learning/not-converging", "numerics/vanishing-gradients", "learning/learning-rate-misconfigured"),
)

REPAIR = ChangeTraining(
    summary="scale the loss (torch.amp.GradScaler) or use bfloat16",
    changes={"loss_scale": "dynamic"},
    otherwise=({"precision": "bf16"},),
)
REPAIR_SCALED = ChangeTraining(
    summary="use bfloat16, or raise the loss scale",
    changes={"precision": "bf16"},
    otherwise=({"loss_scale": "dynamic"},),
)


def examine(
    history: History,
    activations: Activations,
    parameters: Parameters,
    *,
    min_zero_share: float = 0.5,
    min_layers_share: float = 0.5,
    min_records: int = 4,
) -> Iterator[Finding | Undecided]:
    """Judge the weight matrices of each optimizer."""
    halved = any(output.dtype == "float16" for look in activations.looks for output in look.outputs)
    if not halved and not any(tensor.dtype == "float16" for model in parameters.models for tensor in model.tensors):
        yield CHECK.not_applicable("nothing was computed in float16")
        return
    matrices = {
        tensor.name
        for model in parameters.models
        for tensor in model.tensors
        if len(tensor.shape) > 1 and tensor.requires_grad and "embed" not in tensor.name.lower()
    }
    for trace in history.leading("grad_norm"):
        zeros = trace.layers.get("zero_gradients")
        if zeros is None or len(zeros.steps) < min_records:
            yield CHECK.unavailable("zeros among the gradients were counted at too few steps")
            continue
        shares = {
            name: float(np.median(zeros.values[zeros.given[:, place], place]))
            for place, name in enumerate(zeros.names)
            if name in matrices and zeros.given[:, place].sum() >= min_records
        }
        lost = [name for name, share in shares.items() if share >= min_zero_share]
        if shares and len(lost) >= min_layers_share * len(shares):
            place = zeros.names.index(lost[0])
            often = zeros.given[:, place] & (zeros.values[:, place] >= min_zero_share)
            scale = trace.series("loss_scale")
            yield CHECK.finding(
                at=Location(step=int(zeros.steps[often][0]), rank=trace.rank, module=lost[0]),
                layers=len(lost),
                judged=len(shares),
                zero_share=shares[lost[0]],
                scale=f"{scale.values[-1]:g}" if len(scale) else "1, as none is in use",
                repair=REPAIR_SCALED if len(scale) else REPAIR,
            )
