"""Normalisation layers that are trained in fp16.

What it finds
    Programs that make normalisation layers and train them with DeepSpeed's fp16, or cast their model with half() and
    train it.

Why it matters
    A normalisation layer squares and sums its inputs and keeps gains near one: fp16 ends at 65,504, and steps of gains
    smaller than 0.0005 are rounded away. The sums overflow, or the gains stand still.

What to do
    Keep normalisation layers in float32 (`norm.float()`), train under autocast, which does so by itself, or use bf16.

Thresholds
    None.

Calibration
    A remark for DeepSpeed's fp16, which many have trained with; a warning for half(), which trains without a float32
    copy of the weights. python bench/config_corpora.py counts both on the sources of six packages.

Limits
    Only what a program makes itself is known; the layers of a library's model are not. Whether a layer is cast back
    elsewhere is looked for in the same program.

Source
    The team's guide: LayerNorm in FP32. Micikevicius et al. 2018, Mixed Precision Training, section 3.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED
from doctor.evidence.setups import Setups
from doctor.model import ChangeTraining, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/norm-in-fp16",
    Severity.INFO,
    {
        "deepspeed": "{where}: {name} trains this model's normalisation layers ({norm_where}) in fp16",
        "half": "{where}: half() casts this model's normalisation layers ({norm_where}) to fp16, and they are "
        "trained so",
    },
)
_REPAIR = ChangeTraining(
    changes={"norm_in_fp32": True}, safety=Safety.UNSAFE, summary="keep normalisation layers in float32"
)


def examine(setups: Setups) -> Iterator[Finding | Undecided]:
    """Look at each training whose program makes such layers."""
    making = [setup for setup in setups.setups if "norm" in setup.facts]
    if not making:
        yield CHECK.not_applicable("no program that trains makes normalisation layers")
    told = set()
    for setup in making:
        fp16 = setup.of(Quantity.FP16, DEEPSPEED)
        norm = setup.facts["norm"]
        trains = {"optimizer", "backward"} <= setup.facts.keys()
        if fp16 is not None and fp16.truth and fp16.place not in told:
            told.add(fp16.place)
            yield CHECK.finding(
                "deepspeed",
                at=fp16.place.location,
                repair=_REPAIR,
                where=fp16.place.short,
                name=fp16.name,
                norm_where=norm.short,
            )
        elif "half" in setup.facts and trains and "norm-float" not in setup.facts and setup.facts["half"] not in told:
            place = setup.facts["half"]
            told.add(place)
            yield CHECK.finding(
                "half",
                at=place.location,
                severity=Severity.WARNING,
                repair=_REPAIR,
                where=place.short,
                norm_where=norm.short,
            )
