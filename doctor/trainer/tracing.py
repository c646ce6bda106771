"""What is known of a training so far: kept in memory, in a file that survives its death, and as TensorBoard events."""

import json
import time
from pathlib import Path
from typing import Any, TextIO

import msgspec

from doctor.trainer.data import Data
from doctor.trainer.engine import Facts
from doctor.trainer.recipe import Failure, Job, Result
from doctor.trainer.result import spelt
from doctor.trainer.trace_file import LISTS, TRACE_FILE

TENSORBOARD = "tensorboard"


class Trace:
    """Collects what `Result` states, update by update.

    Parameters
    ----------
    writes : bool
        Whether this rank writes files.
    """

    def __init__(self, job: Job, *, writes: bool) -> None:
        self._job, self._writes = job, writes
        self._begin = time.monotonic()
        self._file: TextIO | None = None
        self._events: Any = None
        self.lists: dict[str, list[float]] = {name: [] for name in LISTS.values()}
        self.skipped: list[int] = []
        self.curve: list[dict[str, Any]] = []
        self.evaluations: dict[str, dict[str, float]] = {}
        self.notes: list[str] = []
        self.facts: dict[str, Any] = {}
        self.parameters = self.peak_bytes = 0
        self.model = ""
        self.run_dir: str | None = None
        self.predictions: str | None = None

    def know(self, data: Data) -> None:
        """Take what is known of the data."""
        self.notes += data.notes
        rows = {"train": len(data.train), **{name: len(rows) for name, rows in data.evaluated.items()}}
        self.facts = {"task": data.task, "classes": list(data.classes), "rows": rows}

    def add(self, step: int, facts: Facts) -> None:
        """Take an update, counted from 1."""
        values = msgspec.structs.asdict(facts)
        for name, kept in LISTS.items():
            self.lists[kept].append(values[name])
        if facts.skipped:
            self.skipped.append(step)
        if not self._writes:
            return
        self._line({"step": step, **values})
        if self._job.tensorboard:
            for name in LISTS:
                self._scalar(f"train/{name}", values[name], step)

    def evaluated(self, step: int, split: str, loss: float) -> None:
        """Take an evaluation on the way."""
        self.curve.append({"step": step, "split": split, "loss": loss})
        if self._writes and self._job.tensorboard:
            self._scalar(f"{split}/loss", loss, step)

    def kept(self) -> dict[str, list[Any]]:
        """Return what a checkpoint keeps."""
        return {**self.lists, "skipped": self.skipped, "curve": self.curve}

    def restore(self, kept: dict[str, list[Any]]) -> None:
        """Go back to what a checkpoint kept."""
        self.lists = {name: [float(value) for value in kept[name]] for name in LISTS.values()}
        self.skipped, self.curve = list(kept["skipped"]), list(kept["curve"])
        if self._writes:
            steps = zip(*(self.lists[name] for name in LISTS.values()), strict=True)
            for step, values in enumerate(steps, 1):
                self._line({"step": step, **dict(zip(LISTS, values, strict=True)), "skipped": step in self.skipped})

    def result(self, failure: Failure | None) -> Result:
        """Return all as a result."""
        return msgspec.structs.replace(
            Result(),
            **self.lists,
            skipped_steps=self.skipped,
            evaluations=self.evaluations,
            curve=self.curve,
            **self.facts,
            model=self.model,
            seconds=time.monotonic() - self._begin,
            peak_bytes=self.peak_bytes,
            parameters=self.parameters,
            notes=self.notes,
            failure=failure,
            run_dir=self.run_dir,
            predictions=self.predictions,
        )

    def close(self) -> None:
        """Write what is still in memory."""
        for writer in (self._file, self._events):
            if writer is not None:
                writer.close()

    def _line(self, values: dict[str, Any]) -> None:
        if self._file is None:
            self._file = Path(self._job.output, TRACE_FILE).open("w", encoding="utf-8", buffering=1)  # noqa: SIM115  # see close
        self._file.write(json.dumps(spelt(values)) + "\n")

    def _scalar(self, name: str, value: float, step: int) -> None:
        if self._events is None:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                self.notes.append("no TensorBoard events: pip install 'training-doctor[trainer]'")
                self._job = msgspec.structs.replace(self._job, tensorboard=False)
                return
            first = len(self.lists["losses"])
            self._events = SummaryWriter(str(Path(self._job.output, TENSORBOARD)), purge_step=first)
        self._events.add_scalar(name, value, step)
