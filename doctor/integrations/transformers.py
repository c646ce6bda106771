"""`doctor` as a callback of the Hugging Face Trainer."""

import atexit
import sys
from contextlib import ExitStack
from typing import Any

from transformers import TrainerCallback

from doctor.integrations.trackers import mlflow_run, tell_reporters
from doctor.watching.here import Watch, being_watched, watch


class DoctorCallback(TrainerCallback):
    """Watches `Trainer.train()`, and says at its end what is wrong.

    Under `doctor watch` the training is watched already, and the callback stays out of the way. What is found is also
    written to TensorBoard, W&B and MLflow, where the Trainer reports to them.

    Parameters
    ----------
    run_dir : str, optional
        Where the run is kept. [default: .doctor/runs/TIME]
    quiet : bool, optional
        Do not write the report to standard error.

    Attributes
    ----------
    watched : Watch or None
        With `run_dir` and, after the training, `report`.

    Examples
    --------
    >>> Trainer(model, arguments, train_dataset=data, callbacks=[DoctorCallback()])  # doctest: +SKIP
    """

    def __init__(self, run_dir: str | None = None, quiet: bool = False) -> None:
        self.watched: Watch | None = None
        self._run_dir = run_dir
        self._quiet = quiet
        self._open = ExitStack()
        self._mlflow_run: str | None = None

    def on_train_begin(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Begin to watch."""
        if not being_watched():
            opened = watch(parts.get("model"), parts.get("optimizer"), run_dir=self._run_dir, quiet=self._quiet)
            self.watched = self._open.enter_context(opened)
            self._mlflow_run = mlflow_run()
            # A training that dies in an exception has no end that a callback would hear of.
            atexit.register(self._close_at_exit)

    def on_train_end(self, args: Any, state: Any, control: Any, **parts: Any) -> None:
        """Say what was found."""
        self._open.close()
        atexit.unregister(self._close_at_exit)
        if self.watched is not None and self.watched.report is not None and state.is_world_process_zero:
            tell_reporters(self.watched.report, args, state.global_step, self._mlflow_run)

    def _close_at_exit(self) -> None:
        error = getattr(sys, "last_value", None)  # of the exception that ended the program
        self._open.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)
