"""Training that waits for its data.

What it finds
    Steps of which more than half is spent waiting for the next batch, throughout the run, so that it costs real time.

Why it matters
    The model learns nothing in that time, and a device beside it stands idle.

What to do
    Load with more workers (`num_workers`, `prefetch_factor`, `persistent_workers=True`), up to what the machine has;
    where all processors are busy already, prepare the data once and store it ready-made.

Thresholds
    min_stall_share: share of the step spent waiting, in most steps (0.5).
    min_wait_seconds: wait per step below which it is not worth a word (0.02).
    min_lost_seconds: what it must have cost in all (5.0).
    min_steps: steps that are needed to tell (50).

Calibration
    Silent on runs whose loading takes milliseconds a step, whatever share of the step that is.

Limits
    Only what a torch DataLoader hands out is timed. Where the program loads in the step itself, nobody sees it wait.

Source
    PyTorch Performance Tuning Guide, "Enable asynchronous data loading".
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "hardware/dataloader-stall",
    Severity.WARNING,
    "{share:.0%} of the time of {steps} steps was spent waiting for data ({wait_ms:.0f} ms a step, {lost:.0f} s in"
    " all); {needed} times as fast a loader would keep up",
    leads_to=("hardware/low-utilisation",),
)


def examine(
    history: History,
    *,
    min_stall_share: float = 0.5,
    min_wait_seconds: float = 0.02,
    min_lost_seconds: float = 5.0,  # a trial run of that cost stands for a long one
    min_steps: int = 50,
) -> Iterator[Finding | Undecided]:
    """Judge the first trace of every rank."""
    judged = False
    for trace in history.traces:
        waits, steps = trace.series("data_seconds").finite, trace.series("step_seconds").finite
        waits, steps = waits.at(steps.steps), steps.at(waits.steps)
        if trace.track or len(waits) < min_steps:
            continue
        judged = True
        # The first steps start workers and fill their queues.
        wait, step = waits.values[min_steps // 5 :], np.maximum(steps.values[min_steps // 5 :], 1e-9)
        stalled = wait >= min_stall_share * step
        lost = float(wait.sum()) * (int(waits.steps[-1]) - int(waits.steps[0]) + 1) / len(waits)
        late = stalled[len(stalled) // 2 :]
        if np.median(wait) < min_wait_seconds or lost < min_lost_seconds or min(stalled.mean(), late.mean()) < 0.5:
            continue
        work = float(np.median(step - wait))
        needed = int(np.ceil(np.median(wait) / max(work, 1e-3)))
        yield CHECK.finding(
            at=Location(rank=trace.rank),
            share=float(wait.sum() / step.sum()),
            wait_ms=1e3 * float(np.median(wait)),
            lost=lost,
            steps=len(waits),
            needed=max(2, needed),
            repair=Advise(
                summary=f"give the DataLoader {max(2, needed)} times its workers, persistent, as far as there are"
                " processors",
                safety=Safety.UNSAFE,
            ),
        )
    if not judged:
        yield CHECK.not_applicable("no waiting for a DataLoader was recorded, or too few steps")
