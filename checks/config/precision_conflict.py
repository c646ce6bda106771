"""Number formats that exclude each other, and fp16 with a loss scale that cannot move.

What it finds
    Trainings that ask for fp16 and bf16 at once, in DeepSpeed's configuration, in the trainer's arguments, or each in
    one of them; Apex' amp together with fp16 or ZeRO; and fp16 with a fixed loss scale.

Why it matters
    DeepSpeed and transformers stop where both formats are on, and transformers where DeepSpeed is told another one. A
    fixed loss scale is too large for the one step and too small for the other: gradients become infinite, or vanish.

What to do
    Choose one: bf16 where the device knows it (Ampere and later), for it needs no scaling; else fp16 with
    "loss_scale": 0, which is dynamic. With transformers write "auto" for `enabled` in DeepSpeed's configuration.

Thresholds
    None.

Calibration
    python bench/config_corpora.py: of the configurations that six packages ship none is flagged as an error. The tests
    have the installed DeepSpeed and transformers refuse the sick patients.

Limits
    What a program does itself, such as casting a model with .half(), is not looked at.

Source
    DeepSpeedConfig._initialize_params, DeepSpeedEngine._configure_optimizer, TrainingArguments.__post_init__;
    Micikevicius et al. 2018, Mixed Precision Training, section 3.2, on loss scaling.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED, TRANSFORMERS, Setting, Setup
from doctor.evidence.setups import Setups
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/precision-conflict",
    Severity.ERROR,
    {
        "both": "{where}: {name} and {other} ({other_where}) are both on, and {who} stops at that",
        "trainer": "{where}: {name} is {value}, but the trainer is told {other} ({other_where}), and stops at that",
        "mixed": "{where}: {name} is on, but {other} ({other_where})",
        "amp": "{where}: amp does not go together with {other}, and DeepSpeed stops at that",
        "static": "{where}: fp16 is trained with a loss scale of {value} that cannot move",
    },
)
_FORMATS = (Quantity.FP16, Quantity.BF16)


def examine(setups: Setups) -> Iterator[Finding | Undecided]:
    """Hold the formats of each training against each other."""
    if not setups.setups:
        yield CHECK.not_applicable("no training is set up here")
    told: set[tuple[str, str, int]] = set()
    for setup in setups.setups:
        for finding in (*_both(setup), *_against_trainer(setup), *_amp(setup), *_static(setup)):
            mark = (str(finding.evidence.get("kind")), finding.at.path or "", finding.at.line or 0)
            if mark not in told:
                told.add(mark)
                yield finding


def _on(setup: Setup, quantity: Quantity) -> list[Setting]:
    return [setting for setting in setup.all(quantity) if setting.truth]


def _both(setup: Setup) -> Iterator[Finding]:
    """Two formats told to one reader, which refuses them."""
    for fp16 in _on(setup, Quantity.FP16):
        for bf16 in _on(setup, Quantity.BF16):
            if fp16.origin == bf16.origin and fp16.name != bf16.name:
                who = DEEPSPEED if fp16.origin == DEEPSPEED else "the trainer"
                if fp16.origin in ("accelerate", "axolotl"):
                    continue
                yield CHECK.finding(
                    "both",
                    at=fp16.place.location,
                    repair=fp16.changed(False, f"set {fp16.name} to false and keep bf16", Safety.UNSAFE),
                    where=fp16.place.short,
                    name=fp16.name,
                    other=bf16.name,
                    other_where=bf16.place.short,
                    who=who,
                )
                return


def _against_trainer(setup: Setup) -> Iterator[Finding]:
    """DeepSpeed told one thing, its trainer another."""
    for quantity, rival in zip(_FORMATS, reversed(_FORMATS), strict=True):
        setting = setup.of(quantity, DEEPSPEED)
        if setting is None or setting.truth is None:
            continue
        same = [other for other in setup.all(quantity) if other.origin != DEEPSPEED and other.truth is not None]
        against = [other for other in _on(setup, rival) if other.origin != DEEPSPEED]
        if setting.truth and not same and against:
            other = against[0]
        elif same and same[0].truth is not setting.truth:
            other = same[0]
        else:
            continue
        strict = setup.trainer == TRANSFORMERS
        if not strict and not setting.truth:
            continue
        yield CHECK.finding(
            "trainer" if strict else "mixed",
            at=setting.place.location,
            severity=Severity.ERROR if strict else Severity.WARNING,
            repair=setting.changed("auto", f"write auto for {setting.name}: the trainer fills it in", Safety.SAFE)
            if strict
            else None,
            where=setting.place.short,
            name=setting.name,
            value=setting.value,
            other=other.shown,
            other_where=other.place.short,
        )


def _amp(setup: Setup) -> Iterator[Finding]:
    amp = setup.of(Quantity.AMP, DEEPSPEED)
    if amp is None or not amp.truth:
        return
    fp16, stage = setup.of(Quantity.FP16, DEEPSPEED), setup.of(Quantity.ZERO_STAGE, DEEPSPEED)
    rival = fp16 if fp16 and fp16.truth else stage if stage and (stage.whole or 0) > 0 else None
    if rival is not None:
        yield CHECK.finding(
            "amp",
            at=amp.place.location,
            repair=amp.changed(False, "set amp.enabled to false", Safety.UNSAFE),
            where=amp.place.short,
            other=rival.shown,
        )


def _static(setup: Setup) -> Iterator[Finding]:
    scale, fp16 = setup.of(Quantity.LOSS_SCALE, DEEPSPEED), setup.of(Quantity.FP16, DEEPSPEED)
    if scale is None or fp16 is None or not (fp16.truth or (fp16.auto and _on(setup, Quantity.FP16))):
        return
    if scale.number is not None and scale.number > 0:
        yield CHECK.finding(
            "static",
            at=scale.place.location,
            severity=Severity.WARNING,
            repair=scale.changed(0, "set fp16.loss_scale to 0, which is dynamic", Safety.SAFE),
            where=scale.place.short,
            value=scale.number,
        )
