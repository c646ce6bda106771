"""A DeepSpeed configuration with "auto" in it, and nobody who fills it in.

What it finds
    Values "auto" in DeepSpeed configurations that are given to deepspeed.initialize by a program, where neither the
    trainer of transformers nor accelerate comes between: in the batch sizes and the parameters of optimizer and
    schedule, at which DeepSpeed stops, and in other keys, which it then takes for not being there.

Why it matters
    "auto" is a word of transformers and accelerate, which replace it before DeepSpeed sees it. DeepSpeed itself divides
    by the word, or hands it to the optimizer.

What to do
    Write numbers, or leave the key out.

Thresholds
    None.

Calibration
    The tests have the installed DeepSpeed read "auto" in each batch size: it stops. python bench/config_corpora.py:
    nothing on the configurations that six packages ship, of which most hold "auto".

Limits
    Who reads a configuration is known where a scanned program or script names it, or where deepspeed.initialize is the
    only trainer in the scanned code. A configuration that nobody names is not judged.

Source
    HfDeepSpeedConfig in transformers, DeepSpeedPlugin in accelerate; DeepSpeedConfig._set_batch_related_parameters.
"""

from collections.abc import Iterator

from doctor.evidence.settings_told import DEEPSPEED, Setup, auto_values
from doctor.evidence.setups import Setups
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/auto-without-trainer",
    Severity.ERROR,
    {
        "stops": "{where}: {name} is auto, but DeepSpeed is called without a trainer that fills it in, and stops at it",
        "default": "{where}: {name} is auto, but DeepSpeed is called without a trainer that fills it in, and takes its "
        "default",
    },
)
_STOPPING = ("train_batch_size", "train_micro_batch_size_per_gpu", "gradient_accumulation_steps")
_BLOCKS = ("optimizer.params.", "scheduler.params.")


def examine(setups: Setups) -> Iterator[Finding | Undecided]:
    """State each such value once."""
    if not any(setup.root for setup in setups.setups):
        yield CHECK.not_applicable("there is no DeepSpeed configuration here")
    told = set()
    for setup in setups.setups:
        if not _reads_itself(setup, setups):
            continue
        for name, place in auto_values(setup):
            if place in told:
                continue
            told.add(place)
            stops = name in _STOPPING or name.startswith(_BLOCKS)
            yield CHECK.finding(
                "stops" if stops else "default",
                at=place.location,
                severity=Severity.ERROR if stops else Severity.WARNING,
                repair=Advise(safety=Safety.MANUAL, summary=f"write a number for {name}, or leave it out"),
                where=place.short,
                name=name,
            )


def _reads_itself(setup: Setup, setups: Setups) -> bool:
    """Whether DeepSpeed reads this configuration with nobody between."""
    if setup.root is None:
        return False
    if setup.alone:
        return setups.trainers_in_code == frozenset({DEEPSPEED})
    return setup.trainer == DEEPSPEED
