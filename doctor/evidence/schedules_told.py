"""The lengths of schedules and of runs that are written down, where they do not agree."""

import math
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import DEEPSPEED, TRANSFORMERS, Setting, Setup
from doctor.evidence.setups import Setups
from doctor.evidence.training_rows import TrainingRows


class Mismatch(Struct, frozen=True, kw_only=True, eq=False):
    """Two lengths that do not agree, at the one that is at fault; `facts` are the numbers by their names."""

    kind: str
    setting: Setting
    facts: dict[str, Any]
    ratio: float = math.inf


class SchedulesTold(Struct, frozen=True, kw_only=True):
    """All of them, each place once; `setups` counts the trainings that were looked at."""

    mismatches: tuple[Mismatch, ...]
    setups: int

    @classmethod
    def measure(cls, setups: Setups, rows: TrainingRows | None) -> "SchedulesTold":
        """Compare what each training is told."""
        found: dict[object, Mismatch] = {}
        for setup in setups.setups:
            for one in (*_warmup(setup), *_length(setup, rows), *_one_cycle(setup), *_against_trainer(setup)):
                found.setdefault((one.kind, one.setting.place), one)
        return cls(mismatches=tuple(found.values()), setups=len(setups.setups))


def _positive(setting: Setting | None) -> int | None:
    whole = setting.whole if setting is not None else None
    return whole if whole is not None and whole > 0 else None


def run_steps(setup: Setup, rows: TrainingRows | None) -> tuple[int, str] | None:
    """Return the updates of a run and why; None where they are not known."""
    steps = setup.get(Quantity.MAX_STEPS)
    if (most := _positive(steps)) is not None and steps is not None:
        return most, f"{steps.name} {most}"
    epochs, batch = setup.number(Quantity.EPOCHS), setup.global_batch
    if rows is None or rows.rows is None or not epochs or not batch or epochs <= 0:
        return None
    updates = math.ceil(math.ceil(rows.rows / batch) * epochs)
    return updates, f"{epochs:g} epochs of {rows.rows:,} rows by {batch}"


def _warmup(setup: Setup) -> Iterator[Mismatch]:
    warmup = setup.get(Quantity.WARMUP_STEPS)
    length = _positive(warmup)
    if warmup is None or length is None:
        return
    ends = [
        ("the schedule ends after", setup.of(Quantity.TOTAL_STEPS, warmup.origin) or setup.get(Quantity.TOTAL_STEPS)),
        ("the run ends after", setup.get(Quantity.MAX_STEPS)),
    ]
    for of, end in ends:
        total = _positive(end)
        if total is not None and length > total:
            yield Mismatch(kind="warmup", setting=warmup, facts={"warmup": length, "of": of, "total": total})
            return


def _length(setup: Setup, rows: TrainingRows | None) -> Iterator[Mismatch]:
    total = setup.get(Quantity.TOTAL_STEPS)
    schedule, run = _positive(total), run_steps(setup, rows)
    if total is None or schedule is None or run is None or schedule == run[0]:
        return
    facts = {"schedule": schedule, "run": run[0], "because": run[1]}
    ratio = max(schedule, run[0]) / min(schedule, run[0])
    kind = "early" if schedule < run[0] else "late"
    if setup.trainer != TRANSFORMERS or total.origin != DEEPSPEED:
        yield Mismatch(kind=kind, setting=total, facts=facts, ratio=ratio)


def _one_cycle(setup: Setup) -> Iterator[Mismatch]:
    made, loop = setup.get(Quantity.SCHEDULE_EPOCHS), setup.get(Quantity.EPOCHS)
    if made is None or loop is None or made.origin != "code" or loop.name != "range":
        return
    if (schedule := _positive(made)) is not None and (run := _positive(loop)) is not None and schedule < run:
        yield Mismatch(kind="one-cycle", setting=made, facts={"schedule": schedule, "run": run})


def _against_trainer(setup: Setup) -> Iterator[Mismatch]:
    """Transformers stops where DeepSpeed is told another length than itself."""
    if setup.trainer != TRANSFORMERS:
        return
    pairs = ((Quantity.TOTAL_STEPS, Quantity.MAX_STEPS), (Quantity.WARMUP_STEPS, Quantity.WARMUP_STEPS))
    for inner, outer in pairs:
        setting = setup.of(inner, DEEPSPEED)
        others = [other for other in setup.all(outer) if other.origin != DEEPSPEED and _positive(other)]
        if setting is None or setting.whole is None or not others or others[0].whole == setting.whole:
            continue
        other = others[0]
        facts = {"name": setting.name, "value": setting.whole, "other": other.shown, "other_where": other.place.short}
        yield Mismatch(kind="trainer", setting=setting, facts=facts)
