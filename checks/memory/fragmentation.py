"""Device memory that is free but cannot be used, because it lies in pieces.

What it finds
    torch's allocator holds far more memory than tensors use, step after step, or an allocation failed although enough
    was held free.

Why it matters
    The device runs out of memory although it has enough; with inputs of changing lengths the pieces grow in number.

What to do
    Set `PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True`; pad inputs to a few lengths; show the longest batch first.

Thresholds
    min_idle_share: share of the held memory that lies idle even at the peak of the step (0.4).
    min_idle_bytes: what that must come to (1000000000.0).
    min_full_share: share of the device that is held; below it nothing is short (0.8).
    min_steps: steps that must show it (50).

Calibration
    Silent on all recorded runs of the corpus; on the failed allocation it rests on torch's own figures.

Limits
    Only devices that torch's caching allocator serves. A run that evaluates with larger batches holds idle memory in
    training, and is healthy: it is reported only when the device is nearly full.

Source
    PyTorch, notes on CUDA semantics: memory management.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.history import History
from doctor.evidence.receipts import Receipts
from doctor.evidence.resources import Resources
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "memory/fragmentation",
    Severity.WARNING,
    {
        "idle": "the allocator holds {reserved_gb:.1f} GB of the device, tensors use at most {peak_gb:.1f} GB of it"
        " ({idle_share:.0%} idle over {steps} steps)",
        "failed": "an allocation of {requested_mb:.0f} MB failed with {idle_mb:.0f} MB held free in pieces",
    },
    leads_to=("memory/oom-culprit",),
)
ADVICE = Advise(summary="set PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True", safety=Safety.SAFE)


def examine(
    receipts: Receipts,
    history: History | None,
    resources: Resources | None,
    *,
    min_idle_share: float = 0.4,  # caching allocators keep a tenth to a fifth idle in the best of times
    min_idle_bytes: float = 1e9,
    min_full_share: float = 0.8,
    min_steps: int = 50,
) -> Iterator[Finding | Undecided]:
    """Judge every rank that uses a device."""
    for shortage in receipts.shortages:
        if shortage.fragmented and shortage.requested and shortage.fragmented >= shortage.requested:
            yield CHECK.finding(
                "failed",
                at=Location(step=shortage.step, rank=shortage.rank),
                requested_mb=shortage.requested / 1e6,
                idle_mb=shortage.fragmented / 1e6,
                repair=ADVICE,
            )
    machines = resources.machines if resources else ()
    sizes = [machine.latest(f"gpu{number}_total_bytes") for machine in machines for number in machine.devices]
    total = min((size for size in sizes if size), default=None)
    traces = [
        trace for trace in (history.traces if history else ()) if len(trace.series("device_reserved")) >= min_steps
    ]
    if not traces or total is None:
        yield CHECK.not_applicable("no device's memory was recorded for long enough")
        return
    for trace in traces:
        reserved = trace.series("device_reserved").values[-min_steps:]
        # torch's peak counts from the start of the process, so the rise within a step is estimated by it from above.
        peak = trace.series("device_peak").values[-min_steps:]
        idle = reserved - peak
        if (
            np.all(idle >= min_idle_share * reserved)
            and idle.min() >= min_idle_bytes
            and reserved.min() >= (min_full_share * total)
        ):
            yield CHECK.finding(
                "idle",
                at=Location(rank=trace.rank),
                reserved_gb=reserved[-1] / 1e9,
                peak_gb=peak[-1] / 1e9,
                idle_share=float(np.min(idle / reserved)),
                steps=len(idle),
                repair=ADVICE,
            )
