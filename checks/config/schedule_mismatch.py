"""A learning-rate schedule that is longer or shorter than the run.

What it finds
    A warm-up that does not end before the run or the schedule does; a schedule of another length than the run, where
    both are written, or where the run's length follows from epochs, batch and the scanned training set; a OneCycleLR
    for fewer epochs than the loop has; and lengths that DeepSpeed is told otherwise than the trainer that calls it.

Why it matters
    With a warm-up longer than the run the rate never arrives. A schedule that ends early leaves the rate at zero, and
    the rest of the run learns nothing; OneCycleLR stops the program then. One that is too long never lets the rate come
    down, which is where most of the gain is.

What to do
    Give the schedule the updates of the run: rows × epochs / (micro-batch × accumulation × processes). With
    transformers write "auto".

Thresholds
    max_ratio: how much longer than the other either may be (1.1, for incomplete batches).

Calibration
    python bench/config_corpora.py: nothing on the configurations that six packages ship.

Limits
    The length of a run follows from the data only where one table is scanned, and each row is one sample; packed texts
    are not. Schedules that are stepped by the epoch are not told from those stepped by the update, but for OneCycleLR
    with epochs.

Source
    deepspeed.runtime.lr_schedules; torch.optim.lr_scheduler.OneCycleLR.
"""

from collections.abc import Iterator

from doctor.evidence.schedules_told import Mismatch, SchedulesTold
from doctor.model import Advise, AnyRepair, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/schedule-mismatch",
    Severity.WARNING,
    {
        "warmup": "{where}: the warm-up takes {warmup:,} updates, and {of} {total:,}: the rate never arrives",
        "early": "{where}: the schedule ends after {schedule:,} updates, but the run has {run:,} ({because})",
        "late": "{where}: the schedule ends after {schedule:,} updates, but the run after {run:,} ({because})",
        "one-cycle": "{where}: OneCycleLR is made for {schedule} epochs, but the loop has {run}, and its step fails "
        "then",
        "trainer": "{where}: {name} is {value}, but the trainer is told {other} ({other_where}), and stops at that",
    },
)
_ERRORS = ("one-cycle", "trainer")


def examine(schedules: SchedulesTold, *, max_ratio: float = 1.1) -> Iterator[Finding | Undecided]:
    """State each mismatch once."""
    if not schedules.setups:
        yield CHECK.not_applicable("no training is set up here")
    for one in schedules.mismatches:
        if one.kind in ("early", "late") and one.ratio <= max_ratio:
            continue
        yield CHECK.finding(
            one.kind,
            at=one.setting.place.location,
            severity=Severity.ERROR if one.kind in _ERRORS else Severity.WARNING,
            repair=_repair(one),
            where=one.setting.place.short,
            **one.facts,
        )


def _repair(one: Mismatch) -> AnyRepair:
    if one.kind == "trainer":
        return one.setting.changed("auto", f"write auto for {one.setting.name}: the trainer fills it in", Safety.SAFE)
    if one.kind in ("early", "late"):
        run = one.facts["run"]
        return one.setting.changed(run, f"set {one.setting.name} to {run}", Safety.UNSAFE)
    return Advise(safety=Safety.MANUAL, summary="give warm-up and schedule the length of the run")
