"""A device that is too hot.

What it finds
    A device at or above the temperature that this check sets, or within a few degrees of the one at which its maker
    slows it down, for some time.

Why it matters
    It is slowed down, ages faster, and is switched off when it gets hotter still; memory errors become more likely.

What to do
    Look at fans, dust and the room; lower the power limit (`nvidia-smi --power-limit`) until that is done.

Thresholds
    max_celsius: temperature of a device (92.0).
    margin_celsius: nearest that it may come to its own slowdown temperature (2.0).
    min_seconds: how long it must stay there (30.0).

Calibration
    Exact in what the driver measured. Boards differ: where the driver tells the slowdown temperature, that counts too.

Limits
    NVIDIA devices only, on machines where the monitor ran.

Source
    92 °C: the limit that the training guides behind this project name. NVML: temperature thresholds.
"""

from collections.abc import Iterator

from doctor.evidence.resources import Resources
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "hardware/overheating",
    Severity.ERROR,
    "device {device} of {host} reached {celsius:.0f} °C and stayed at or above {limit:.0f} °C for {seconds:.0f} s",
    leads_to=("hardware/throttling",),
)
ADVICE = Advise(summary="check the cooling; until then lower the power limit", safety=Safety.MANUAL)


def examine(
    resources: Resources, *, max_celsius: float = 92.0, margin_celsius: float = 2.0, min_seconds: float = 30.0
) -> Iterator[Finding | Undecided]:
    """Judge every device."""
    if not any(machine.devices for machine in resources.machines):
        yield CHECK.not_applicable("no device was sampled")
    for machine in resources.machines:
        for device in machine.devices:
            heat = machine.timeline(f"gpu{device}_celsius")
            slowdown = machine.latest(f"gpu{device}_slowdown_celsius")
            limit = min(max_celsius, slowdown - margin_celsius) if slowdown else max_celsius
            hot = heat.longest(heat.values >= limit)
            if hot >= min_seconds:
                yield CHECK.finding(
                    device=device,
                    host=machine.host,
                    celsius=float(heat.values.max()),
                    limit=limit,
                    slowdown_celsius=slowdown,
                    seconds=hot,
                    repair=ADVICE,
                )
