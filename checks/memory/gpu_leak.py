"""Device memory that is still in use after each step, more after every step.

What it finds
    A lasting rise of the memory that tensors occupy on the device at the end of steps, and the graph of operations or
    the variable that is kept, where the census found one.

Why it matters
    It ends in an out-of-memory error hours later, at a line that has nothing to do with it.

What to do
    Add `.item()` or `.detach()` to what is collected over steps; use `torch.no_grad()` in evaluation; do not keep
    outputs in lists.

Thresholds
    min_steps: steps since warm-up that must show it (200).
    min_rise_bytes: what the rise must come to (64000000.0).

Calibration
    Silent on plateaus, sawtooth and growing batches in tests of the growth that it shares with memory/host-leak.

Limits
    Growth that stops by itself after more steps than were seen (a replay buffer on the device) looks the same.

Source
    Theil (1950), Sen (1968). PyTorch FAQ, "My model reports cuda runtime error(2): out of memory".
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.censuses import Censuses
from doctor.evidence.growth import lasting_growth
from doctor.evidence.history import History, Trace
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

_RISE = "device memory at the end of steps grew by {kilobytes_per_step:.0f} kB a step over {steps} steps"
CHECK = Check(
    "memory/gpu-leak",
    Severity.ERROR,
    {
        "named": f"{_RISE}: {{name}} grew from {{before}} to {{length}} {{unit}}",
        "unnamed": _RISE,
    },
    leads_to=("memory/oom-culprit", "memory/oom-ahead"),
)
ADVICE = Advise(summary="add .detach() or .item() to what is kept over steps", safety=Safety.MANUAL)


def examine(
    history: History,
    censuses: Censuses,
    *,
    min_steps: int = 200,
    min_rise_bytes: float = 64e6,  # workspaces of cuBLAS and autotuning come to less
) -> Iterator[Finding | Undecided]:
    """Judge every rank that uses a device."""
    known = [trace for trace in history.traces if len(trace.series("device_allocated"))]
    if not known:
        yield CHECK.not_applicable("no device's memory was recorded")
    for rank in sorted({trace.rank for trace in known}):
        finding = _of_rank(next(trace for trace in known if trace.rank == rank), censuses, min_steps, min_rise_bytes)
        if finding:
            yield finding


def _of_rank(trace: Trace, censuses: Censuses, min_steps: int, min_rise: float) -> Finding | None:
    series = trace.series("device_allocated").finite
    warm = np.searchsorted(series.steps, series.steps[0] + 0.2 * (series.steps[-1] - series.steps[0]))
    growth = lasting_growth(
        series.steps[warm:].astype(float), series.values[warm:], min_seconds=min_steps, min_rise=min_rise
    )
    if growth is None:
        return None
    holders = [
        holder
        for _, rank, counted in censuses.processes
        for holder in (counted[-1].holders if counted and rank == trace.rank else ())
        if holder.name and (holder.of == "graph" or holder.of.startswith(("Tensor", "Parameter")))
    ]
    holder = holders[0] if holders else None
    return CHECK.finding(
        "named" if holder else "unnamed",
        at=Location(
            path=holder.path if holder else None,
            line=holder.line if holder else None,
            step=int(growth.since),
            rank=trace.rank,
        ),
        kilobytes_per_step=growth.slope / 1e3,
        low=growth.low / 1e3,
        high=growth.high / 1e3,
        steps=round(growth.seconds),
        name=holder.name if holder else None,
        length=holder.length if holder else None,
        before=holder.length - holder.grown if holder else None,
        unit="operations" if holder and holder.of == "graph" else "tensors",
        repair=ADVICE,
    )
