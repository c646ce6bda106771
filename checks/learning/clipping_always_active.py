"""Clipping that cuts every gradient down to next to nothing.

What it finds
    Gradient norms that exceed the clipping bound at nearly every step and by a large factor, with an optimizer whose
    update is proportional to the gradient (SGD).

Why it matters
    The effective rate is the learning rate times bound over norm: a bound far below the usual norm slows the training
    down by that factor, and the learning rate means nothing any more.

What to do
    Set the bound to about the 90th percentile of the norms, which the finding states, or drop it and lower the rate.

Thresholds
    min_clipped_share: of the steps (0.95).
    min_ratio: median of norm over bound (30.0).
    min_steps: with norm and bound on record (50).

Calibration
    `python bench/calibrate_runs.py`: 0 of 1,650 simulated healthy runs alarmed. `python bench/watch_corpus.py` runs
    it on real programs.

Limits
    Optimizers that normalise the gradient (Adam, Lion, RMSprop …) do not mind a constant factor and are left out. A
    bound of a tenth of the norm at every step is a known recipe for recurrent networks and no finding.

Source
    Merity, Keskar, Socher: Regularizing and optimizing LSTM language models (2017) clip at 0.25 with a rate of 30.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History
from doctor.evidence.parameters import Parameters
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "learning/clipping-always-active",
    Severity.WARNING,
    "gradients were clipped in {clipped_share:.0%} of the steps, from a norm of {norm:.3g} (median) to {max_norm:g}: "
    "the effective learning rate is {ratio:.3g} times smaller than set",
    leads_to=("learning/not-converging",),
)


def examine(
    history: History,
    parameters: Parameters | None,
    *,
    min_clipped_share: float = 0.95,
    min_ratio: float = 30.0,
    min_steps: int = 50,
) -> Iterator[Finding | Undecided]:
    """Judge each optimizer that clips."""
    traces = history.leading("grad_norm", "max_norm")
    if not traces:
        yield CHECK.not_applicable("gradients are not clipped by norm")
    for trace in traces:
        norms = trace.series("grad_norm").finite
        bounds = trace.series("max_norm").finite
        steps = np.intersect1d(norms.steps, bounds.steps, assume_unique=True)
        if len(steps) < min_steps:
            yield CHECK.unavailable(f"{len(steps)} recorded steps are not enough to tell (needed: {min_steps})")
            continue
        if parameters is None or trace.track not in parameters.optimizers or parameters.scale_free(trace.track):
            yield CHECK.not_applicable("the optimizer is not known to take the size of gradients as it is")
            continue
        norm, bound = norms.at(steps).values, bounds.at(steps).values
        ratios = norm / np.maximum(bound, 1e-300)
        if (ratios > 1).mean() >= min_clipped_share and np.median(ratios) >= min_ratio:
            yield CHECK.finding(
                at=Location(step=int(steps[np.argmax(ratios > 1)]), rank=trace.rank),
                clipped_share=float((ratios > 1).mean()),
                norm=float(np.median(norm)),
                max_norm=float(np.median(bound)),
                ratio=float(np.median(ratios)),
                suggested=float(np.quantile(norm, 0.9)),
                repair=Advise(
                    summary=f"clip at about {np.quantile(norm, 0.9):.2g}, or lower the rate instead",
                    safety=Safety.MANUAL,
                ),
            )
