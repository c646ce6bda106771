"""A training loop that waits for the device in every step.

What it finds
    In a loop that trains, on no condition: torch.cuda.empty_cache(), torch.cuda.synchronize() where nothing is timed,
    or several values read from the device (`item()`, `tolist()`, `numpy()`).

Why it matters
    The processor hands work to the device ahead of time. Each of these waits until all of it is done, so the device
    runs dry in every step; emptying the cache also makes it ask for all its memory again.

What to do
    Leave them out, or do them every hundredth step; collect values as detached tensors and read them together.

Thresholds
    min_reads: values read in every step, from which it is told (4).

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: one warning, and it is true; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. One loss read per step is common and cheap against a step of any size, so it is not told. Only
    code that speaks of CUDA or a device is judged for reads. Helpers are not followed here.

Source
    PyTorch's Performance Tuning Guide, "Avoid unnecessary CPU-GPU synchronization".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location
from doctor.evidence.sync_code import SyncCode
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/cuda-sync-in-loop",
    Severity.INFO,
    {
        "wait": "{where}: {call} waits for the device in every step",
        "cache": "{where}: {call} gives all cached memory back in every step, and waits for the device",
        "reads": "{where}: {reads} values are read from the device in every step, each of which waits for it",
    },
)


def examine(syncs: SyncCode, *, min_reads: int = 4) -> Iterator[Finding | Undecided]:
    """State what each loop waits for."""
    for path in syncs.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not syncs.loops:
        yield CHECK.not_applicable("no loop here goes backward and steps an optimizer")
    for one in syncs.waits:
        if one.kind != "reads" or len(one.calls) >= min_reads:
            yield CHECK.finding(
                one.kind,
                at=location(one.spot),
                severity=Severity.WARNING if one.kind == "cache" else Severity.INFO,
                repair=Advise(summary="do it every hundredth step, or not at all", safety=Safety.MANUAL),
                where=one.spot.at.short,
                call=one.calls[0],
                reads=len(one.calls),
                calls=list(one.calls),
            )
