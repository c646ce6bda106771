"""Gradients that die out on their way to the first layers.

What it finds
    Deep models whose first weight matrices get gradients that are smaller by orders of magnitude than those of the last
    ones, both measured against the weights themselves, falling steadily from layer to layer, all through the run.

Why it matters
    The first layers stay as they were initialised: the model learns on random features, or not at all.

What to do
    Use ReLU-like functions with a fitting initialisation, normalisation layers or residual connections instead of
    stacked sigmoids.

Thresholds
    max_ratio: relative gradient of the first third of the layers over that of the last third (0.0001).
    min_layers: weight matrices below which depth is no reason (4).
    min_steps: recorded steps (20).
    min_correlation: between depth and the logarithm of the relative gradient (0.8).

Calibration
    `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    Layers are taken in the order in which the model registers them. Frozen layers and exact zeros (a low-rank branch at
    its start, dead units) are left out.

Source
    Hochreiter: The vanishing gradient problem during learning recurrent neural nets and problem solutions (1998).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.history import History, Layers, Trace
from doctor.evidence.parameters import Parameters
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

MATRIX = 2
"""Dimensions from which a weight has a direction; biases and scales may have no gradient by construction."""

CHECK = Check(
    "numerics/vanishing-gradients",
    Severity.WARNING,
    "gradients are {factor:.2g} times smaller in the first of {layers} layers than in the last: {module} gets "
    "{least:.2g} of its own size",
    leads_to=("learning/not-converging",),
)


def examine(
    history: History,
    parameters: Parameters,
    *,
    max_ratio: float = 1e-4,
    min_layers: int = 4,
    min_steps: int = 20,
    min_correlation: float = 0.8,
) -> Iterator[Finding | Undecided]:
    """Judge the layers of each optimizer."""
    matrices = {
        tensor.name
        for model in parameters.models
        for tensor in model.tensors
        if len(tensor.shape) >= MATRIX and tensor.requires_grad
    }
    judged = False
    for trace in history.leading("grad_norm"):
        names, sizes = _relative(trace, matrices, min_steps)
        if len(names) < min_layers:
            continue
        judged = True
        third = max(1, len(names) // 3)
        first, last = float(np.median(sizes[:third])), float(np.median(sizes[-third:]))
        steady = float(np.corrcoef(np.arange(len(names)), np.log(sizes))[0, 1])
        if first < max_ratio * last and steady >= min_correlation:
            yield CHECK.finding(
                at=Location(step=1, rank=trace.rank, module=names[0]),
                factor=last / first,
                least=float(sizes[0]),
                layers=len(names),
                repair=Advise(
                    summary="use rectifiers with a fitting initialisation, normalisation or residual connections",
                    safety=Safety.MANUAL,
                ),
            )
    if not judged:
        yield CHECK.not_applicable(f"fewer than {min_layers} weight matrices have recorded gradients")


def _relative(trace: Trace, matrices: set[str], min_steps: int) -> tuple[list[str], NDArray[np.float64]]:
    """Return the matrices with gradients, and the median of each's gradient norm over its weight norm."""
    gradients, weights = trace.layers.get("gradients"), trace.layers.get("weights")
    if gradients is None or len(gradients.steps) < min_steps:
        return [], np.empty(0)
    names, sizes = [], []
    for place, name in enumerate(gradients.names):
        if name not in matrices:
            continue
        values = gradients.values[gradients.given[:, place], place]
        values = values[np.isfinite(values) & (values > 0)]
        if len(values) < min_steps:
            continue
        names.append(name)
        sizes.append(float(np.median(values)) / _weight(weights, name))
    return names, np.array(sizes)


def _weight(weights: Layers | None, name: str) -> float:
    if weights is None or name not in weights.names:
        return 1.0
    place = weights.names.index(name)
    known = weights.values[weights.given[:, place], place]
    known = known[np.isfinite(known) & (known > 0)]
    return float(np.median(known)) if len(known) else 1.0
