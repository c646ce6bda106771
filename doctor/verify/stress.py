"""Raises the learning rate until the loss breaks, and reads the shape of the explosion.

Three stages, as the guides have them: a coarse search over orders of magnitude on a tenth of the updates, a fine one
around its best rate, then rates that rise until the loss breaks. What is measured is a `doctor.subjects.sweep.Sweep`;
it is judged by the check `learning/learning-rate-stress`.
"""

import math
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec

from doctor.case import case_of_sweep
from doctor.engine import examine
from doctor.errors import DoctorError, UsageError
from doctor.evidence.rate_sweep import RateSweep, break_of
from doctor.measurements import Observer, Silent
from doctor.model import Chart, Line, Report
from doctor.settings import Settings
from doctor.subjects.sweep import Sweep, Trial
from doctor.verify.cache import Cache

SEEDS = (0, 1, 2)
STEPS = 200
COARSE_SHARE = 0.1
"""Of the updates, for each trial of the coarse search."""
FINE_SHARE = 0.3
MIN_STEPS = 20
COARSE_RATES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
FINE_TRIALS = 4
FINE_RATIO = math.sqrt(10.0)
STEP_RATIO, BISECTIONS = 3.0, 2
"""By which the rate rises in the last stage, and how often the gap is halved then."""
COMMAND_STEP_RATIO, COMMAND_BISECTIONS = 10.0, 1
"""The same for a user's command, each run of which costs its start."""
MAX_RAISES = 8
MAX_LINES = 8


class Trier(Protocol):
    """Trains at given rates."""

    def __call__(self, stage: str, asked: Sequence[tuple[float, int, int]]) -> list[Trial]:
        """Train once for each (rate, seed, updates); fewer trials where the time was up."""


def sweep_rates(
    attempt: Trier, *, seeds: Sequence[int], steps: int, coarse: Sequence[float], done: Callable[[], bool]
) -> list[Trial]:
    """Search for the best rate and for the one that breaks.

    Parameters
    ----------
    attempt : Trier
    coarse : sequence of float
        Rates of the first stage, rising; empty leaves the search out and raises from 1.
    done : callable
        Whether the time is up.
    """
    if not coarse:
        return raised(attempt, 1.0, seeds, steps, done, COMMAND_STEP_RATIO, COMMAND_BISECTIONS)
    trials = searched(attempt, steps, seeds[0], coarse)
    return trials + raised(attempt, _best(trials) or coarse[0], seeds, steps, done)


def searched(attempt: Trier, steps: int, seed: int, coarse: Sequence[float]) -> list[Trial]:
    """Search coarsely, then finely around the best, with Optuna.

    Raises
    ------
    DoctorError
        Where Optuna is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise DoctorError("verify --stress needs Optuna: pip install 'training-doctor[trainer]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    short = max(MIN_STEPS, round(COARSE_SHARE * steps))
    for rate in coarse:
        study.enqueue_trial({"rate": rate})
    trials = _asked(study, attempt, "coarse", (coarse[0], coarse[-1]), len(coarse), seed, short)
    best = _best(trials)
    if best is None:
        return trials
    fine = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    around = (best / FINE_RATIO, best * FINE_RATIO)
    longer = max(MIN_STEPS, round(FINE_SHARE * steps))
    return trials + _asked(fine, attempt, "fine", around, FINE_TRIALS, seed, longer)


def _asked(
    study: Any, attempt: Trier, stage: str, between: tuple[float, float], count: int, seed: int, steps: int
) -> list[Trial]:
    import optuna

    space = {"rate": optuna.distributions.FloatDistribution(*between, log=True)}
    asked = [study.ask(space) for _ in range(count)]
    trials = attempt(stage, [(one.params["rate"], seed, steps) for one in asked])
    for one, trial in zip(asked, trials, strict=False):
        loss = _end_loss(trial)
        if math.isfinite(loss):
            study.tell(one, loss)
        else:
            study.tell(one, state=optuna.trial.TrialState.FAIL)
    return trials


def raised(
    attempt: Trier,
    begin: float,
    seeds: Sequence[int],
    steps: int,
    done: Callable[[], bool],
    step_ratio: float = STEP_RATIO,
    bisections: int = BISECTIONS,
) -> list[Trial]:
    """Raise the rate from `begin` until half of the trials break, or lower it until none does; then halve the gap."""
    trials: list[Trial] = []
    broken: dict[float, bool] = {}

    def tried(rate: float) -> bool:
        new = attempt("stress", [(rate, seed, steps) for seed in seeds])
        trials.extend(new)
        breaks = [break_of(trial.losses) is not None for trial in new if trial.losses]
        broken[rate] = bool(breaks) and 2 * sum(breaks) >= len(breaks)
        return broken[rate]

    rate = begin
    first = tried(rate)
    for _ in range(MAX_RAISES):
        if done():
            return trials
        rate = rate / step_ratio if first else rate * step_ratio
        if tried(rate) is not first:
            break
    for _ in range(bisections):
        holds = [one for one, breaks in broken.items() if not breaks]
        breaks_ = [one for one, breaks in broken.items() if breaks]
        if done() or not holds or not breaks_:
            break
        tried(math.sqrt(max(holds) * min(breaks_)))
    return trials


def _best(trials: Sequence[Trial]) -> float | None:
    known = [(_end_loss(trial), trial.rate) for trial in trials]
    known = [one for one in known if math.isfinite(one[0])]
    return min(known)[1] if known else None


def _end_loss(trial: Trial) -> float:
    """Return what a search minimises: the loss on held-out rows, else of the last updates; infinite if it broke."""
    if trial.failure or not trial.losses or break_of(trial.losses) is not None:
        return math.inf
    if trial.evaluation is not None:
        return trial.evaluation
    last = [one for one in trial.losses[-max(1, len(trial.losses) // 5) :] if one is not None]
    return sum(last) / len(last) if last else math.inf


def stress(
    data: Path | None,
    settings: Settings,
    *,
    command: Sequence[str] = (),
    config: Mapping[str, Any] | None = None,
    rates: Sequence[float] = COARSE_RATES,
    seeds: Sequence[int] = SEEDS,
    steps: int | None = None,
    deadline: float | None = None,
    cache: Cache | None = None,
    observer: Observer | None = None,
    workers: int | None = None,
) -> Report:
    """Find out at which learning rates a training holds, and how it breaks beyond them.

    Parameters
    ----------
    data : Path or None
        A data set, on which the reference trainer learns; None where `command` is given.
    command : sequence of str
        The user's own training, whose rate is multiplied.
    config : mapping, optional
        The user's DeepSpeed configuration, for `data`.
    rates : sequence of float
        Of the coarse search on a data set, rising.
    steps : int, optional
        Updates of a trial in the last stage.
    deadline : float, optional
        On `time.monotonic`; what was measured by then is judged.

    Returns
    -------
    Report
        Its one subject states the usable range; charts show the losses.

    Raises
    ------
    UsageError
        When neither or both of a data set and a command are named, or the data cannot be trained on.
    """
    if (data is None) == (not command):
        raise UsageError("verify --stress: name a data set, or a command after --")
    from doctor.verify.stress_arms import Bench, CommandArm, DataArm

    observer = observer or Silent()
    with tempfile.TemporaryDirectory(prefix="doctor-stress-", ignore_cleanup_errors=True) as scratch:
        bench = Bench(scratch=Path(scratch), deadline=deadline, cache=cache or Cache(None), observer=observer)
        arm: DataArm | CommandArm
        if data is not None:
            arm = DataArm(data, settings, config or {}, workers, bench)
            coarse = rates
        else:
            arm = CommandArm(command, workers or 1, bench)
            coarse = ()

        def done() -> bool:
            return deadline is not None and time.monotonic() >= deadline

        trials = sweep_rates(arm.attempt, seeds=seeds, steps=steps or STEPS, coarse=coarse, done=done)
        sweep = arm.completed(trials, done)
    observer.finished()
    return judged(sweep, settings)


def judged(sweep: Sweep, settings: Settings) -> Report:
    """Examine a sweep, and say beside the findings which rates are usable."""
    report = examine(case_of_sweep(sweep), settings)
    known = RateSweep.measure(sweep)
    (subject,) = report.case.subjects
    facts = subject.facts | {
        "usable_from": known.learns_from,
        "usable_to": known.holds_to,
        "best": known.best,
        "breaks_at": known.breaks_at,
        "shape": known.shape,
    }
    subject = msgspec.structs.replace(subject, facts={name: fact for name, fact in facts.items() if fact is not None})
    case = msgspec.structs.replace(report.case, subjects=[subject])
    return msgspec.structs.replace(report, case=case, charts=list(_charts(sweep, known)))


def _charts(sweep: Sweep, known: RateSweep) -> Iterator[Chart]:
    stressed = [trial for trial in sweep.trials if trial.stage in ("stress", "without") and trial.losses]
    first = [trial for trial in stressed if trial.seed == stressed[0].seed]
    chosen = sorted(first, key=lambda trial: trial.rate)[-MAX_LINES:]
    lines = [_line(trial) for trial in chosen]
    lines = [line for line in lines if line.points]
    if lines:
        positive = all(value > 0 for line in lines for _, value in line.points)
        yield Chart(title=f"Loss at rising {sweep.unit}s", x_label="update", lines=lines, log=positive)
    falls = [(math.log10(level.rate), level.fall) for level in known.levels if math.isfinite(level.fall)]
    if falls:
        line = Line(name="fall", points=falls)
        title, label = "Fall of the loss, as a share of the first", f"logarithm of the {sweep.unit}"
        yield Chart(title=title, x_label=label, lines=[line])


def _line(trial: Trial) -> Line:
    name = f"{trial.rate:.3g}" + (" without the rows" if trial.stage == "without" else "")
    points = [(float(step), one) for step, one in enumerate(trial.losses, 1) if one is not None]
    broken = [float(step) for step, one in enumerate(trial.losses, 1) if one is None]
    return Line(name=name, points=points, broken=broken[:20])
