"""ZeRO stages and offloading that do not go together.

What it finds
    Offloading of parameters below stage 3 and of the optimizer without ZeRO, neither
    of which happens then; offloading to NVMe without a path; a part of the optimizer kept on the device below stage 3;
    and the given-up switch cpu_offload together with the block that replaced it.

Why it matters
    The half of these stop DeepSpeed. The other half are read over: the memory that was to be saved is not, and the run
    dies of it, or needs a machine that it would not need.

What to do
    Offload parameters with stage 3 only, the optimizer with stages 1 to 3. Name nvme_path.

Thresholds
    None.

Calibration
    python bench/config_corpora.py: of the configurations that six packages ship none is flagged as an error. The tests
    have the installed DeepSpeed refuse those sick patients that its reading of the configuration refuses.

Limits
    A program may divide and offload what its configuration does not say; only what is written is judged.

Source
    deepspeed.runtime.zero.config and offload_config; DeepSpeedEngine._configure_zero_optimizer.
"""

from collections.abc import Iterator

from doctor.evidence.offloading import Conflict, Offloading
from doctor.model import Check, EditConfig, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/zero-offload-conflict",
    Severity.ERROR,
    {
        "param-stage": "{where}: parameters are offloaded with ZeRO stage 3 only, here it is {stage}, so they stay on "
        "the device",
        "optimizer-stage": "{where}: the optimizer is offloaded with ZeRO only, here the stage is {stage}, so it stays "
        "on the device",
        "nvme-path": "{where}: {name} goes to NVMe, but no nvme_path says where, and DeepSpeed stops at that",
        "ratio": "{where}: a part of the optimizer stays on the device with ZeRO stage 3 only, here it is {stage}, and "
        "DeepSpeed stops at that",
        "old-switch": "{where}: {name} and {other} say the same, and DeepSpeed stops at that",
    },
)
_IDLE = ("param-stage", "optimizer-stage")


def examine(offloading: Offloading) -> Iterator[Finding | Undecided]:
    """State each conflict at the key that is at fault."""
    if not offloading.configurations:
        yield CHECK.not_applicable("there is no DeepSpeed configuration here")
    for conflict in offloading.conflicts:
        yield CHECK.finding(
            conflict.kind,
            at=conflict.place.location,
            severity=Severity.WARNING if conflict.kind in _IDLE else Severity.ERROR,
            repair=_repair(conflict),
            where=conflict.place.short,
            name=conflict.name,
            stage=conflict.stage,
            other=conflict.other,
        )


def _repair(conflict: Conflict) -> EditConfig | None:
    if conflict.edit is None:
        return None
    safety = Safety.SAFE if conflict.kind == "old-switch" else Safety.UNSAFE
    return EditConfig(path=conflict.place.path, edits=(conflict.edit,), safety=safety, summary=conflict.remedy)
