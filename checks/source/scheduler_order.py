"""A scheduler that steps before its optimizer.

What it finds
    A loop in which a scheduler of torch takes its step, on no condition and without an argument, before the optimizer
    that it was made for takes its first.

Why it matters
    The first value of the schedule is never used: a warm-up begins one step late, a decay one epoch early. PyTorch
    warns once and goes on. Code written for versions before 1.1 does so everywhere.

What to do
    Step the scheduler after the optimizer.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Only schedulers that were seen to be made, of torch or by transformers' get_…_schedule, are
    judged; ReduceLROnPlateau and steps with the epoch as argument are not.

Source
    torch.optim, "How to adjust learning rate": "Learning rate scheduling should be applied after optimizer's update".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.schedule_code import ScheduleCode
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/scheduler-order",
    Severity.WARNING,
    "{where}: {scheduler} steps before {optimizer} does (in {step_where}), so its first value is never used",
)


def examine(schedules: ScheduleCode) -> Iterator[Finding | Undecided]:
    """State each scheduler that steps first."""
    for path in schedules.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not schedules.loops:
        yield CHECK.not_applicable("no loop here steps an optimizer and a scheduler")
    for one in schedules.early:
        yield CHECK.finding(
            at=location(one.spot),
            repair=repair_by(one.changes, f"move {one.scheduler}.step() behind {one.optimizer}.step()"),
            where=one.spot.at.short,
            scheduler=one.scheduler,
            optimizer=one.optimizer,
            step_where=one.step_spot.at.short,
        )
