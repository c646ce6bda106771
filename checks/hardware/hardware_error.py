"""A device that reported an error of its own.

What it finds
    A critical error of the driver (Xid) during the run, and memory errors that the device could not correct.

Why it matters
    Results may be wrong without a sign, or the process dies with a message about CUDA that sends people to their code.

What to do
    For Xid 13, 31 and 45 look at the program first (an illegal address, a kill); for 48, 63, 64, 74, 79, 94, 95 and
    uncorrectable memory errors take the device out of service.

Thresholds
    None: the device said so.

Calibration
    Exact. Errors that the device corrected are not reported.

Limits
    Errors before the watch began are not seen, but uncorrectable ones since the driver was loaded are.

Source
    NVIDIA, Xid errors; NVML: nvmlEventTypeXidCriticalError, nvmlDeviceGetTotalEccErrors.
"""

from collections.abc import Iterator

from doctor.evidence.resources import Machine, Resources
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "hardware/hardware-error",
    Severity.ERROR,
    {
        "xid": "device {device} of {host} reported {count} critical errors, the last was Xid {xid}: {meaning}",
        "memory": "device {device} of {host} had {count} memory errors that it could not correct",
    },
    leads_to=("crash/exit-cause",),
)
# https://docs.nvidia.com/deploy/xid-errors
PROGRAM = {
    13: "an illegal access in a kernel",
    31: "an illegal address",
    43: "a stopped channel",
    45: "a killed program",
}
DEVICE = {
    48: "two wrong bits in memory",
    63: "a memory row was retired",
    64: "a memory row could not be retired",
    74: "the link to another device failed",
    79: "it fell off the bus",
    94: "a contained memory error",
    95: "an uncontained memory error",
}
ADVICE = Advise(summary="take the device out of service and have it tested", safety=Safety.MANUAL)


def examine(resources: Resources) -> Iterator[Finding | Undecided]:
    """Judge every device."""
    if not any(machine.devices for machine in resources.machines):
        yield CHECK.not_applicable("no device was sampled")
    for machine in resources.machines:
        for device in machine.devices:
            yield from _of(machine, device)


def _of(machine: Machine, device: int) -> Iterator[Finding]:
    xid = machine.latest(f"gpu{device}_xid")
    if xid is not None:
        number = int(xid)
        yield CHECK.finding(
            "xid",
            severity=Severity.WARNING if number in PROGRAM else Severity.ERROR,
            device=device,
            host=machine.host,
            xid=number,
            count=int(machine.latest(f"gpu{device}_xids") or 1),
            meaning=PROGRAM.get(number) or DEVICE.get(number, "see NVIDIA's list"),
            repair=None if number in PROGRAM else ADVICE,
        )
    errors = machine.latest(f"gpu{device}_ecc_uncorrected")
    if errors:
        yield CHECK.finding("memory", device=device, host=machine.host, count=int(errors), repair=ADVICE)
