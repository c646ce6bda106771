"""Training at the full learning rate from the first update on.

What it finds
    Trainings with the trainer of transformers, or with one of DeepSpeed's schedules, that say that there is no warm-up,
    or whose arguments are all known and name none, and that are long enough for one.

Why it matters
    Adam's second moments are a guess in the first updates, and their quotient is largest then. At the full rate these
    updates throw a transformer off, from which it recovers slowly or not at all.

What to do
    Warm up over 500 updates, or 3 to 10 % of a short run: warmup_steps for transformers, WarmupDecayLR with
    warmup_num_steps for DeepSpeed.

Thresholds
    warmup_steps: updates that the repair warms up over (500, the team's guide).
    min_steps: updates that a run must have for a warm-up to be missed, where they are known (1000).

Calibration
    A remark. python bench/config_corpora.py counts it on the configurations that six packages ship.

Limits
    A program that makes its own schedule is not judged. axolotl warms up by itself where it is told nothing.

Source
    The team's guide: 500 steps. Ma and Yarats 2021, On the adequacy of untuned warmup for adaptive optimization.
"""

from collections.abc import Iterator

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED, TRANSFORMERS, Setting, Setup
from doctor.evidence.setups import Setups
from doctor.model import AnyRepair, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/no-warmup",
    Severity.INFO,
    {
        "off": "{where}: {name} switches the warm-up off",
        "absent": "{where}: {name} is reached from the first update on, for no warm-up is set",
    },
)


def examine(setups: Setups, *, warmup_steps: int = 500, min_steps: int = 1000) -> Iterator[Finding | Undecided]:
    """Look at each training for a warm-up."""
    if not setups.setups:
        yield CHECK.not_applicable("no training is set up here")
    told = set()
    for setup in setups.setups:
        steps = setup.whole(Quantity.MAX_STEPS)
        if steps is not None and 0 < steps < min_steps:
            continue
        finding = _judged(setup, warmup_steps)
        if finding is not None and finding.at not in told:
            told.add(finding.at)
            yield finding


def _judged(setup: Setup, warmup_steps: int) -> Finding | None:
    written = [setting for name in (Quantity.WARMUP_STEPS, Quantity.WARMUP_SHARE) for setting in setup.all(name)]
    if any(setting.number is None or setting.number > 0 for setting in written):
        return None
    repaired = f"set a warm-up of {warmup_steps} updates"
    if written:
        off = next((setting for setting in written if "ratio" not in setting.name), written[0])
        wish: float = warmup_steps if "ratio" not in off.name else 0.03
        return _finding("off", off, f"{off.name} {off.value}", off.changed(wish, repaired, Safety.UNSAFE))
    rate = setup.get(Quantity.LEARNING_RATE)
    known = setup.trainer == TRANSFORMERS and not setup.open and rate is not None and rate.number is not None
    if not known or rate is None or setup.of(Quantity.SCHEDULE, DEEPSPEED) is not None:
        return None
    return _finding("absent", rate, rate.name, rate.beside("warmup_steps", warmup_steps, repaired))


def _finding(kind: str, setting: Setting, name: str, repair: AnyRepair) -> Finding:
    return CHECK.finding(
        kind,
        at=setting.place.location,
        repair=repair,
        where=setting.place.short,
        name=name,
    )
