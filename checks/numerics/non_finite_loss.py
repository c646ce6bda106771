"""A loss that became NaN or infinite.

What it finds
    The first step at which the loss was not a number, or infinite, and how long it stayed so.

Why it matters
    Its gradients are NaN as well, and one update with them destroys every weight they reach. What is trained after that
    step is worthless.

What to do
    Find the operation that made it (`numerics/nan-source` names it where the step could be replayed); go back to a
    checkpoint from before that step; clip gradients, lower the learning rate or repair the input, as the cause asks.

Thresholds
    None: a loss that is not finite is not a loss.

Calibration
    Exact. A GradScaler's skipped steps are not counted where the loss itself was finite.

Limits
    Only losses that a backward call or a log has shown are known.

Source
    IEEE 754: NaN is contagious through every sum.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "numerics/non-finite-loss",
    Severity.ERROR,
    "the loss became {value} at step {step} (last finite value: {last_finite}) and was so in {bad_steps} of {steps}",
    leads_to=("crash/exit-cause",),
)


def examine(history: History) -> Iterator[Finding | Undecided]:
    """Judge every trace's losses."""
    judged = False
    for trace in history.traces:
        loss = trace.series("loss")
        judged |= len(loss) > 0
        bad = ~np.isfinite(loss.values)
        if not bad.any():
            continue
        first = int(np.argmax(bad))
        before = loss.values[:first]
        yield CHECK.finding(
            at=Location(step=int(loss.steps[first]), rank=trace.rank),
            value=str(loss.values[first]),
            last_finite=f"{before[-1]:.4g}" if first else "none",
            bad_steps=int(bad.sum()),
            steps=len(loss),
            repair=Advise(
                summary="restart from a checkpoint before that step, with the cause removed", safety=Safety.MANUAL
            ),
        )
    if not judged:
        yield CHECK.not_applicable("no loss was recorded")
