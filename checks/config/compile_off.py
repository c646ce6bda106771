"""A long training in 16 bits that does not compile its model.

What it finds
    Trainings of min_steps updates or more in fp16 or bf16, of which all weights are trained, whose arguments for the
    trainer of transformers are all known and do not switch torch.compile on.

Why it matters
    torch.compile joins the small operations between matrix products, so that memory is read once: often 1.3 to 2 times
    the speed, for a minute of compiling.

What to do
    torch_compile: true for transformers; torch.compile(model) in a loop.

Thresholds
    min_steps: updates that repay the compiling (1000).

Calibration
    A remark. python bench/config_corpora.py counts it on the configurations that six packages ship.

Limits
    Whether the model compiles without breaks is not known before it is tried. Nothing is said where ZeRO 3 divides the
    parameters, where an adapter is trained, or where the number of updates is not known.

Source
    The team's guide: torch.compile. Ansel et al. 2024, PyTorch 2.
"""

from collections.abc import Iterator

from doctor.evidence.compiling import Uncompiled
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/compile-off",
    Severity.INFO,
    "{where}: {steps:,} updates in {format} without torch.compile, which is often 1.3 to 2 times as fast",
)


def examine(uncompiled: Uncompiled, *, min_steps: int = 1000) -> Iterator[Finding | Undecided]:
    """State it for each long training."""
    if not uncompiled.setups:
        yield CHECK.not_applicable("no training is set up here")
    for one in uncompiled.trainings:
        if one.steps >= min_steps:
            yield CHECK.finding(
                at=one.setting.place.location,
                repair=one.setting.beside("torch_compile", True, "set torch_compile to true")
                if one.setting.key
                else one.setting.changed(None, "set torch_compile to true", Safety.MANUAL),
                where=one.setting.place.short,
                steps=one.steps,
                format=one.format,
            )
