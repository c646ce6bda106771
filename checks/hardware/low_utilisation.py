"""A device that mostly waits.

What it finds
    A device that a process of this run uses and that was idle most of the time while steps were made.

Why it matters
    Accelerators are rented by the hour, whether they work or not.

What to do
    Where loading is the cause (hardware/dataloader-stall) cure that; else use larger batches, compile the model, or
    look for `.item()` and prints in the loop, which make the device wait for the program.

Thresholds
    min_busy_share: mean share of the time in which the device had work (0.3).
    min_seconds: of training, after warm-up (300.0).

Calibration
    Silent on devices on which no process of this run was seen.

Limits
    The driver counts a device as busy when any kernel runs, however small: a busy device may still be badly used.

Source
    NVML: nvmlDeviceGetUtilizationRates.
"""

from collections.abc import Iterator

from doctor.evidence.resources import Resources
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "hardware/low-utilisation",
    Severity.WARNING,
    "device {device} of {host} was busy in {busy_share:.0%} of {seconds:.0f} s of training",
)


def examine(
    resources: Resources, *, min_busy_share: float = 0.3, min_seconds: float = 300.0
) -> Iterator[Finding | Undecided]:
    """Judge every device that the run uses."""
    judged = False
    for machine in resources.machines:
        for device in machine.devices:
            busy = machine.steady(f"gpu{device}_busy_share").until(machine.last_step)
            if not (machine.latest(f"gpu{device}_own_bytes") or 0) > 0 or busy.span_seconds < min_seconds:
                continue
            judged = True
            share = float(busy.values.mean())
            if share < min_busy_share:
                yield CHECK.finding(device=device, host=machine.host, busy_share=share, seconds=busy.span_seconds)
    if not judged:
        yield CHECK.not_applicable("no device was seen at work for this run, or not for long enough")
