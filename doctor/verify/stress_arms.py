"""What is trained at rising rates: the reference trainer on a data set, or the user's own command."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doctor.errors import UsageError
from doctor.evidence.rate_sweep import RateSweep, break_of
from doctor.measurements import Observer
from doctor.settings import Settings
from doctor.subjects.sweep import Suspect, Sweep, Trial
from doctor.trainer.order import Order
from doctor.trainer.recipe import Job, Recipe, Result
from doctor.verify.cache import Cache
from doctor.verify.command_runs import Attempt, perform, seeded
from doctor.verify.running import run_anew
from doctor.verify.workplace import Workplace

BATCH_ROWS = 16
"""Small, so that a breaking batch accuses few rows."""
PLAIN = {"optimizer": {"type": "SGD", "params": {"lr": 0.01}}}
"""Where the user names no optimizer: it does not hide the size of a gradient, as Adam does."""
MIN_SCORE = 4.5
"""From which a row is suspected: above what the largest of some thousand normal values comes to."""
MAX_SUSPECTS = 50
"""More than this are no accident of single rows, and nothing is trained without them."""
MAX_GAP = 5.0
"""Deviations at which a gradient norm is as odd as can be; else one burst accuses all rows of its batch."""
WINDOW_UPDATES = 25
ABOVE_EDGE_RATIO = 1.5
"""The runs that are made again without the suspects, so far above the edge that nearly all would break."""
LIMIT_SECONDS = 240.0
READING = ("header", "delimiter", "encoding", "split_column")

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What the trainings of one visit share; `deadline` is on `time.monotonic`."""

    scratch: Path
    deadline: float | None
    cache: Cache
    observer: Observer


class DataArm:
    """The reference trainer on a data set; it knows which rows are in each batch."""

    def __init__(
        self,
        data: Path,
        settings: Settings,
        config: Mapping[str, Any],
        workers: int | None,
        bench: Bench,
    ) -> None:
        self._data, self._settings, self._workers = data, settings, workers
        self._own = bool(config.get("optimizer"))
        self._config = dict(config) | ({} if self._own else PLAIN)
        self._bench = bench
        self._results: list[tuple[Trial, Result]] = []
        self._without: tuple[int, ...] = ()
        self._made = 0

    def attempt(self, stage: str, asked: Sequence[tuple[float, int, int]]) -> list[Trial]:
        """Train once for each (rate, seed, updates)."""
        jobs = [self._job(*one) for one in asked]
        self._bench.observer.planned(self._made + len(jobs))
        self._made += len(jobs)

        def done(number: int) -> None:
            self._bench.observer.measuring(f"{stage} search at rate {asked[number][0]:.3g}", str(self._data))

        results = run_anew(jobs, self._bench.cache, workers=self._workers, deadline=self._bench.deadline, done=done)
        trials = []
        for (rate, seed, _), result in zip(asked, results, strict=True):
            if result.failure and result.failure.kind in ("data", "not installed", "config", "disk"):
                raise UsageError(result.failure.message)
            if result.failure and result.failure.kind == "out of time":
                continue
            trials.append(_trial(stage, rate, seed, result))
            self._results.append((trials[-1], result))
        return trials

    def _job(self, rate: float, seed: int, steps: int) -> Job:
        settings = self._settings
        recipe = Recipe(
            config=self._config,
            steps=steps,
            seed=seed,
            learning_rate=rate,
            micro_batch=None if "train_micro_batch_size_per_gpu" in self._config else BATCH_ROWS,
            without_rows=self._without,
        )
        output = self._bench.scratch / f"{len(list(self._bench.scratch.iterdir()))}"
        output.mkdir()
        return Job(
            data=str(self._data),
            target=settings.target,
            splits=dict(item.split("=", 1) for item in settings.split if "=" in item),
            reading={name: str(getattr(settings, name)) for name in READING if getattr(settings, name) is not None},
            recipe=recipe,
            output=str(output),
        )

    def completed(self, trials: list[Trial], done: Callable[[], bool]) -> Sweep:
        """Find the rows to suspect, and train at the breaking rate without them."""
        batches = _Batches(self._job(1.0, 0, 1))
        breaks_at = RateSweep.measure(Sweep(shown="", trials=tuple(trials))).breaks_at
        suspects, _ = batches.suspects(self._results)
        if breaks_at is not None and 0 < len(suspects) <= MAX_SUSPECTS and not done():
            trials = [*trials, *self._again(breaks_at, trials, [batches.numbers[one.row] for one in suspects])]
        suspects, known = batches.suspects(self._results, [one.row for one in suspects])
        return Sweep(
            shown=str(self._data),
            own=float(self._config["optimizer"]["params"]["lr"]) if self._has_rate() else None,
            split=batches.split,
            optimizer=str(self._config["optimizer"].get("type", "")),
            trials=tuple(trials),
            suspects=tuple(suspects),
            **known,
        )

    def _again(self, breaks_at: float, trials: Sequence[Trial], numbers: Sequence[int]) -> list[Trial]:
        """Train right above the edge with twice as many seeds, with and without some rows."""
        stressed = [one for one in trials if one.stage == "stress"]
        steps = max(len(one.losses) for one in stressed)
        seeds = sorted({one.seed for one in stressed})
        seeds += range(max(seeds) + 1, max(seeds) + 1 + len(seeds))
        asked = [(ABOVE_EDGE_RATIO * breaks_at, seed, steps) for seed in seeds]
        made = self.attempt("stress", asked)
        self._without = tuple(numbers)
        return made + self.attempt("without", asked)

    def _has_rate(self) -> bool:
        rate = self._config["optimizer"].get("params", {}).get("lr")
        return self._own and isinstance(rate, (int, float)) and rate > 0


def _trial(stage: str, rate: float, seed: int, result: Result) -> Trial:
    held = next((one["loss"] for name, one in result.evaluations.items() if name != "train" and "loss" in one), None)
    return Trial(
        stage=stage,
        rate=rate,
        seed=seed,
        losses=tuple(one if np.isfinite(one) else None for one in result.losses),
        evaluation=held if held is not None and np.isfinite(held) else None,
        failure=result.failure.message if result.failure else "",
    )


class _Batches:
    """The rows of every update, told again from the seed as the trainer draws them."""

    def __init__(self, job: Job) -> None:
        from doctor.trainer.config import batch_sizes
        from doctor.trainer.data import read

        data = read(job)
        self._rows = len(data.train)
        _, _, self._batch = batch_sizes(job.recipe)
        first = int(data.train.numbers.min()) if data.evaluated and _together(data.train.numbers) else 0
        self.split = "train" if first or (data.evaluated and _together(data.train.numbers)) else None
        self._named = data.train.numbers - first + 1
        self.numbers = {int(name): int(number) for name, number in zip(self._named, data.train.numbers, strict=True)}

    def suspects(
        self, results: Sequence[tuple[Trial, Result]], named: Sequence[int] | None = None
    ) -> tuple[list[Suspect], dict[str, Any]]:
        """Score each row by the gradient norms of its batches, and count the breaking batches that hold it.

        Parameters
        ----------
        named : sequence of int, optional
            The rows to report on; else those that stand out.
        """
        known = [(trial, result) for trial, result in results if trial.stage != "without"]
        scores, count = self._row_scores([one for one in known if break_of(one[0].losses) is None])
        breaking = [self._blamed(trial) for trial, _ in known if trial.stage == "stress" and break_of(trial.losses)]
        if named is None:
            chosen = [int(row) for row in np.argsort(-scores)[: MAX_SUSPECTS + 1] if scores[row] >= MIN_SCORE]
        else:
            chosen = [int(row) for row in np.flatnonzero(np.isin(self._named, named))]
        suspects = [
            Suspect(
                row=int(self._named[row]),
                score=round(float(scores[row]), 3),
                batches=int(count[row]),
                breaks=sum(row in rows for rows in breaking),
            )
            for row in chosen
        ]
        suspects.sort(key=lambda one: -one.score)
        with_suspects = sum(bool(np.isin(chosen, rows).any()) for rows in breaking)
        size = float(np.mean([len(rows) for rows in breaking])) if breaking else 0.0
        share = 1 - (1 - len(chosen) / self._rows) ** size
        return suspects, {"breaks": len(breaking), "breaks_with_suspects": with_suspects, "chance_share": share}

    def _row_scores(self, held: Sequence[tuple[Trial, Result]]) -> tuple[Floats, NDArray[np.int64]]:
        """Return how far each row stands out from all, in deviations, and of how many batches that is the mean."""
        total, count = np.zeros(self._rows), np.zeros(self._rows, np.int64)
        for trial, result in held:
            order = Order(self._rows, self._batch, trial.seed)
            for step, gap in enumerate(_gaps(np.asarray(result.grad_norms, float))):
                rows = np.unique(order.of(step))
                total[rows] += gap
                count[rows] += 1
        seen = count > 0
        if not seen.any():
            return total, count
        means = total / np.maximum(count, 1)
        usual = float(np.median(means[seen]))
        spread = 1.4826 * float(np.median(np.abs(means[seen] - usual)))
        return (np.where(seen, (means - usual) / spread, 0.0) if spread > 0 else np.zeros(self._rows)), count

    def _blamed(self, trial: Trial) -> NDArray[np.int64]:
        """Return the rows of the last update before the loss left its level, and of the batch that this showed on."""
        broke = break_of(trial.losses)
        assert broke is not None  # noqa: S101  # asked only of trials that broke
        order = Order(self._rows, self._batch, trial.seed)
        steps = {broke.began - 1, min(broke.began, len(trial.losses) - 1)}
        return np.unique(np.concatenate([order.of(step) for step in sorted(steps)]))


def _together(numbers: NDArray[np.int64]) -> bool:
    """Whether a split's rows follow each other in the data set, as those of a file do."""
    return len(numbers) > 0 and int(numbers.max() - numbers.min()) == len(numbers) - 1


def _gaps(norms: Floats) -> Floats:
    """Return by how many usual deviations the logarithm of each norm lies above those around it, capped."""
    logs = np.log(np.maximum(norms, 1e-30))
    if len(logs) < WINDOW_UPDATES or not np.isfinite(logs).all():
        return np.empty(0)
    half = WINDOW_UPDATES // 2
    around = np.lib.stride_tricks.sliding_window_view(np.pad(logs, half, mode="reflect"), 2 * half + 1)
    gaps: Floats = logs - np.median(around, axis=1)
    spread = 1.4826 * float(np.median(np.abs(gaps)))
    return np.minimum(gaps / spread, MAX_GAP) if spread > 0 else np.empty(0)


class CommandArm:
    """The user's own command, its learning rate multiplied by the treatment; rows are not known there."""

    def __init__(
        self,
        command: Sequence[str],
        workers: int,
        bench: Bench,
    ) -> None:
        self._place = Workplace.of(command, Path.cwd())
        self._takes_seed = seeded(self._place, 0) is not None
        self._workers, self._bench = workers, bench
        self._stop = threading.Event()

    def attempt(self, stage: str, asked: Sequence[tuple[float, int, int]]) -> list[Trial]:
        """Train once for each (ratio, seed, updates)."""
        with ThreadPoolExecutor(max_workers=self._workers) as pool:
            try:
                found = list(pool.map(lambda one: self._one(stage, *one), asked))
            except BaseException:
                self._stop.set()
                raise
        return [trial for trial in found if trial is not None]

    def _one(self, stage: str, ratio: float, seed: int, steps: int) -> Trial | None:
        self._bench.observer.measuring(f"rate times {ratio:.3g}", " ".join(self._place.words))
        attempt = Attempt(
            workplace=self._place,
            steps=steps,
            limit_seconds=LIMIT_SECONDS,
            seed=seed if self._takes_seed else None,
            repetition=0 if self._takes_seed else seed,
            changes={"learning_rate_ratio": ratio},
        )
        ended = perform(attempt, self._stop, self._bench.deadline, self._bench.cache)
        if ended is None:
            return None
        if ended.trouble and not ended.losses:
            raise UsageError(f"{self._place.script or self._place.words[0]}: {ended.trouble}")
        if "learning_rate_ratio" not in ended.treated:
            raise UsageError(f"{self._place.words[0]}: the program has no optimizer whose rate could be changed")
        return Trial(stage=stage, rate=ratio, seed=seed, losses=tuple(value for _, value in ended.losses))

    def completed(self, trials: list[Trial], done: Callable[[], bool]) -> Sweep:
        """Say what was tried."""
        return Sweep(shown=" ".join(self._place.words), unit="ratio", own=1.0, trials=tuple(trials))
