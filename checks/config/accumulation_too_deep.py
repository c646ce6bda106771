"""Gradients accumulated over more micro-batches than an update is worth.

What it finds
    Trainings, by their configuration, launcher or code, that accumulate gradients over more than max_steps
    micro-batches before each update.

Why it matters
    Each micro-batch costs a whole forward and backward pass, and small ones leave the device idle: accumulation buys a
    larger batch with time. In 16-bit formats many small gradients added up are also rounded many times.

What to do
    Make the micro-batch larger by as much as accumulation becomes smaller: activation checkpointing, a higher ZeRO
    stage or shorter sequences make room for it. Or accept the smaller batch.

Thresholds
    max_steps: micro-batches per update that are nothing unusual (8, the team's guide).

Calibration
    A remark, since what is too deep depends on the device. python bench/config_corpora.py counts it on the
    configurations that six packages ship.

Limits
    What stands in a variable that is not set in the same file is unknown. Whether the micro-batch could be larger is
    not worked out here.

Source
    The team's guide: more than 8 steps of accumulation.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.setups import Setups
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/accumulation-too-deep",
    Severity.INFO,
    "{where}: gradients are accumulated over {steps} micro-batches{of} (more than {max_steps} cost time and digits)",
)


def examine(setups: Setups, *, max_steps: int = 8) -> Iterator[Finding | Undecided]:
    """State it once for each place that says so."""
    if not setups.setups:
        yield CHECK.not_applicable("no training is set up here")
    told = set()
    for setup in setups.setups:
        setting = setup.get(Quantity.ACCUMULATION)
        if setting is None or setting.auto or setting.whole is None or setting.whole <= max_steps:
            continue
        if setting.place in told:
            continue
        told.add(setting.place)
        micro = setup.whole(Quantity.MICRO_BATCH)
        yield CHECK.finding(
            at=setting.place.location,
            repair=Advise(
                safety=Safety.MANUAL,
                summary="make the micro-batch larger, with activation checkpointing or a higher ZeRO stage",
            ),
            where=setting.place.short,
            steps=setting.whole,
            of=f" of {micro}" if micro else "",
            micro_batch=micro,
            max_steps=max_steps,
        )
