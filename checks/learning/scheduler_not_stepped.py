"""A schedule that nobody advances.

What it finds
    Learning-rate schedulers that were made and of which none was ever stepped, in a run that made many updates.

Why it matters
    The rate stays where the schedule begins: at 0, if it begins with a warm-up; else it never falls.

What to do
    Call `scheduler.step()` after `optimizer.step()`, per update or per epoch as the schedule counts.

Thresholds
    min_updates: updates of a run that came to its end (100).
    min_updates_running: of one that goes on, whose epochs may be long (5000).

Calibration
    Exact as to the steps. Runs with several schedulers of which one is stepped (those inside `SequentialLR`, for
    instance) are silent.

Limits
    Only torch's schedulers are seen, and what derives from them. A scheduler that is made and deliberately not used
    looks the same.

Source
    Count of `step` calls beyond the one in the constructor.
"""

from collections.abc import Iterator

from doctor.evidence.incidents import Incident, Incidents
from doctor.model import Check, EditCode, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "learning/scheduler-not-stepped",
    Severity.WARNING,
    "the scheduler {kind_of_scheduler} was never stepped in {updates} updates: the learning rate stays at {rate:g}",
    leads_to=("learning/learning-rate-misconfigured", "learning/not-converging", "learning/divergence"),
)


def examine(
    incidents: Incidents, *, min_updates: int = 100, min_updates_running: int = 5000
) -> Iterator[Finding | Undecided]:
    """Judge the schedulers of the lowest rank together."""
    events = incidents.of("scheduler")
    if not events:
        yield CHECK.not_applicable("no scheduler was made")
        return
    rank = min(event.rank for event in events)
    latest: dict[object, Incident] = {event.facts.get("number"): event for event in events if event.rank == rank}
    ended = any(event.rank == rank for event in incidents.of("exit"))
    updates = max(int(event.facts.get("optimizer_steps") or 0) for event in latest.values())
    if any(int(event.facts.get("steps") or 0) for event in latest.values()):
        return
    if updates < (min_updates if ended else min_updates_running):
        yield CHECK.unavailable(f"none was stepped in {updates} updates so far, which may be less than an epoch")
        return
    first = next(iter(latest.values()))
    yield CHECK.finding(
        at=Location(step=1, rank=rank),
        kind_of_scheduler=str(first.facts.get("class", "?")),
        updates=updates,
        rate=float(first.facts.get("lr_now") or 0.0),
        repair=EditCode(
            code="scheduler.step()", summary="step the scheduler after the optimizer", safety=Safety.UNSAFE
        ),
    )
