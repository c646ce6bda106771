"""A device that its driver slows down.

What it finds
    A device whose clock was lowered for heat, or by the power supply, in a lasting share of the time it was busy.

Why it matters
    Steps take longer, and with several devices all wait for the slowest.

What to do
    For heat: cooling. For a power brake: cables and the power supply. A mere power cap (`nvidia-smi -q -d POWER`) is
    normal for a busy device and is not reported.

Thresholds
    min_share: share of the busy time in which it was slowed down (0.1).
    min_seconds: and how many seconds that must be (60.0).
    min_busy_share: utilisation from which a device counts as busy (0.3).

Calibration
    Exact in what the driver says; the software power cap, which a healthy device under load shows all the time, is left
    out.

Limits
    NVIDIA devices only.

Source
    NVML: nvmlClocksThrottleReasons; bits of hardware slowdown, thermal slowdown and power brake.
"""

from collections.abc import Iterator

import numpy as np

from doctor.evidence.resources import Resources
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "hardware/throttling",
    Severity.WARNING,
    "device {device} of {host} was slowed down ({reasons}) in {share:.0%} of the time it was busy ({seconds:.0f} s)",
)
# nvml.h: nvmlClocksThrottleReasonHwSlowdown, SwThermalSlowdown, HwThermalSlowdown, HwPowerBrakeSlowdown
REASONS = {0x08: "by hardware", 0x20: "for heat", 0x40: "for heat, by hardware", 0x80: "by the power supply"}
ADVICE = Advise(summary="check cooling and power supply of the device", safety=Safety.MANUAL)


def examine(
    resources: Resources, *, min_share: float = 0.1, min_seconds: float = 60.0, min_busy_share: float = 0.3
) -> Iterator[Finding | Undecided]:
    """Judge every device."""
    if not any(machine.devices for machine in resources.machines):
        yield CHECK.not_applicable("no device was sampled")
    for machine in resources.machines:
        for device in machine.devices:
            bits, busy = machine.timeline(f"gpu{device}_throttle_reasons"), machine.timeline(f"gpu{device}_busy_share")
            at_work = np.isin(bits.seconds, busy.seconds[busy.values >= min_busy_share])
            reasons = bits.values.astype(np.int64)
            slowed = at_work & (reasons & sum(REASONS) != 0)
            seconds = float(slowed.sum()) * bits.pace
            if seconds >= min_seconds and slowed.sum() >= min_share * at_work.sum():
                seen = int(np.bitwise_or.reduce(reasons[slowed]))
                yield CHECK.finding(
                    device=device,
                    host=machine.host,
                    reasons=", ".join(words for bit, words in REASONS.items() if seen & bit),
                    share=float(slowed.sum() / at_work.sum()),
                    seconds=seconds,
                    repair=ADVICE,
                )
