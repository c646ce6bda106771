"""Trains with the reference trainer under watch, and keeps of each training what a verdict needs."""

import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from doctor.case import case_of_run
from doctor.engine import examine
from doctor.errors import DoctorError, UsageError
from doctor.measurements import Observer, Silent
from doctor.model import Finding, Outcome, Report
from doctor.settings import Settings
from doctor.subjects.run import is_run_folder, open_run
from doctor.trainer.recipe import Job, Recipe, Result
from doctor.verify.cache import Store, content_of, key_of

LATEST_SHARE = 0.1
"""Of the losses, the last ones whose median is the final loss."""
FIRST_LOSSES = 5
MIN_FALL_SHARE = 0.1
"""Of the loss at the start, or of that of guessing where it is smaller, by which a healthy training has fallen."""
MAX_LOST_SHARE = 0.1
"""Of the updates, that a healthy training may skip or spend on a loss that is not finite."""
RUN = "run"
"""Where the recorder of a training writes, in its output folder."""
WRONG_USE = ("config", "data", "not installed", "disk")
"""Failures of what was asked for, which no repair of a training cures."""


class Trial(Struct, frozen=True, kw_only=True):
    """One training and what the checks said of its record.

    Attributes
    ----------
    report : Report or None
        None where the training was never begun.
    """

    recipe: Recipe
    result: Result
    report: Report | None = None

    @property
    def out_of_time(self) -> bool:
        """Whether the deadline cut it off."""
        return self.result.failure is not None and self.result.failure.kind == "out of time"

    def findings(self, check: str, kind: Any = None) -> list[Finding]:
        """Return what one check found, of one kind where that is given."""
        known = self.report.findings if self.report else []
        return [one for one in known if one.check == check and kind in (None, one.evidence.get("kind"))]

    def looked(self, check: str) -> bool:
        """Whether a check has come to a verdict, or the question did not arise."""
        settled = (Outcome.HEALTHY, Outcome.FOUND, Outcome.NOT_APPLICABLE)
        known = self.report.examinations if self.report else []
        return any(one.check == check and one.outcome in settled for one in known)

    def reason(self, check: str) -> str:
        """Return why a check came to no verdict."""
        known = self.report.examinations if self.report else []
        return next((one.reason for one in known if one.check == check), "there is no record of the run")

    @property
    def useful_share(self) -> float:
        """The share of the updates asked for that were made, from a finite loss and not skipped."""
        skipped = set(self.result.skipped_steps)
        made = sum(1 for step, loss in enumerate(self.result.losses, 1) if math.isfinite(loss) and step not in skipped)
        asked = len(self.result.losses) if self._stopped_early else self.recipe.steps
        return made / max(1, asked)

    @property
    def _stopped_early(self) -> bool:
        """Whether it ended before its last update because it was asked to, at the best evaluation."""
        return self.recipe.early_stopping > 0 and self.result.failure is None and bool(self.result.losses)

    @property
    def final_loss(self) -> float:
        """The median of the last losses; NaN where there is none or some are not finite."""
        count = max(FIRST_LOSSES, math.ceil(LATEST_SHARE * len(self.result.losses)))
        latest = self.result.losses[-count:]
        return statistics.median(latest) if latest and all(map(math.isfinite, latest)) else math.nan

    @property
    def first_loss(self) -> float:
        """The median of the first losses that are finite."""
        first = [loss for loss in self.result.losses[:FIRST_LOSSES] if math.isfinite(loss)]
        return statistics.median(first) if first else math.nan

    @property
    def held_out_loss(self) -> float:
        """The mean loss over the splits that were not trained on."""
        losses = [found["loss"] for name, found in self.result.evaluations.items() if name != "train"]
        return statistics.fmean(losses) if losses else math.nan

    def illness(self) -> str:
        """Say what is wrong with this training, whatever the checks say; empty where it goes as it should."""
        failure = self.result.failure
        if failure is not None:
            return f"it ended with: {failure.message}"
        if self.useful_share < 1 - MAX_LOST_SHARE:
            return f"{1 - self.useful_share:.0%} of its updates were skipped or had no finite loss"
        bound = (1 - MIN_FALL_SHARE) * min(self.first_loss, self.guessing_loss)
        if not self.final_loss <= bound:
            return f"its loss does not fall below {bound:.3g}, it ends at {self.final_loss:.3g}"
        return ""

    @property
    def guessing_loss(self) -> float:
        """What guessing would cost at most; infinity where nobody knows."""
        if self.result.task == "classification" and len(self.result.classes) > 1:
            return math.log(len(self.result.classes))
        return 1.0 if self.result.task == "regression" else math.inf  # its target is standardised


@dataclass(kw_only=True)
class Bench:
    """Where trials are made: all on the same data, under the same limits.

    Parameters
    ----------
    data : Path
    settings : Settings
        With the roles of the columns and the thresholds of the checks.
    shown : str
        What the runs are called in findings.
    device_bytes : int or None
        Memory that a training may use beyond that at its start.
    deadline : float or None
        Of `time.monotonic()`.
    store : Store or None
    workers : int or None
        Trainings at a time; None is as many as there are cores.
    observer : Observer
        Told of each training that has ended.
    """

    data: Path
    settings: Settings
    shown: str
    target: str | None = None
    device_bytes: int | None = None
    deadline: float | None = None
    store: Store | None = None
    workers: int | None = None
    observer: Observer = field(default_factory=Silent)
    _known: dict[str, Trial] = field(default_factory=dict)
    _content: str | None = None

    def run(self, recipes: Sequence[Recipe]) -> list[Trial]:
        """Train after each recipe, as far as it was not done before.

        Raises
        ------
        DoctorError
            When the configuration or the data cannot be trained with.
        """
        keys = [self._key(recipe) for recipe in recipes]
        for key in keys:
            self._recall(key)
        missing = {key: recipe for key, recipe in zip(keys, recipes, strict=True) if key not in self._known}
        if missing:
            self._train(missing)
        return [self._known[key] for key in keys]

    def _train(self, missing: Mapping[str, Recipe]) -> None:
        from doctor.trainer.jobs import run_jobs

        names = list(missing)
        self.observer.planned(len(names))
        with tempfile.TemporaryDirectory(prefix="doctor-verify-") as folder:
            jobs = [self._job(missing[key], Path(folder) / f"run{number}") for number, key in enumerate(names)]

            def on_done(number: int, result: Result) -> None:
                self._keep(names[number], jobs[number], result)

            run_jobs(jobs, on_done=on_done, deadline=self.deadline, workers=self.workers)

    def _job(self, recipe: Recipe, output: Path) -> Job:
        asked = self.settings
        reading = {name: getattr(asked, name) for name in ("header", "delimiter", "encoding", "split_column")}
        return Job(
            data=str(self.data),
            target=self.target,
            splits=dict(pair.split("=", 1) for pair in asked.split),
            reading={name: value for name, value in reading.items() if value is not None},
            recipe=recipe,
            output=str(output),
            device_bytes=self.device_bytes,
            watched=True,
        )

    def _keep(self, key: str, job: Job, result: Result) -> None:
        if result.failure is not None and result.failure.kind in WRONG_USE:
            kind = DoctorError if result.failure.kind == "disk" else UsageError
            raise kind(result.failure.message)
        folder = Path(result.run_dir or Path(job.output, RUN))  # a process that was killed names none
        trial = Trial(recipe=job.recipe, result=result, report=self._examined(folder))
        self._known[key] = trial
        if self.store is not None and not trial.out_of_time and trial.report is not None:
            self.store.put(key, msgspec.msgpack.encode(trial))
        self.observer.measuring("training", f"{self.shown}, seed {job.recipe.seed}")

    def _examined(self, folder: Path) -> Report | None:
        if not is_run_folder(folder):
            return None
        return examine(case_of_run(open_run(folder, self.shown)), self.settings)

    def _recall(self, key: str) -> None:
        content = self.store.get(key) if self.store is not None and key not in self._known else None
        if content is not None:
            self._known[key] = msgspec.msgpack.decode(content, type=Trial)

    def _key(self, recipe: Recipe) -> str:
        if self._content is None:
            self._content = content_of(self.data)
        asked = self.settings
        return key_of(
            {
                "kind": "watched training",
                "data": self._content,
                "recipe": recipe,
                "target": self.target,
                "reading": [asked.header, asked.delimiter, asked.encoding, asked.split_column, asked.split],
                "thresholds": asked.thresholds,
                "device_bytes": self.device_bytes,
                "shown": self.shown,
            }
        )
