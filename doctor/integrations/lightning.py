"""`doctor` as a callback of Lightning's Trainer."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from doctor.integrations.trackers import tell_loggers
from doctor.watching.here import Watch, being_watched, watch

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
else:
    try:
        from lightning.pytorch.callbacks import Callback
    except ImportError:
        from pytorch_lightning.callbacks import Callback


class DoctorCallback(Callback):
    """Watches `Trainer.fit()`, and says at its end what is wrong.

    Under `doctor watch` the training is watched already, and the callback stays out of the way. What is found is also
    written to the Trainer's loggers for TensorBoard, W&B and MLflow.

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
    >>> lightning.Trainer(callbacks=[DoctorCallback()])  # doctest: +SKIP
    """

    def __init__(self, run_dir: str | None = None, quiet: bool = False) -> None:
        self.watched: Watch | None = None
        self._run_dir = run_dir
        self._quiet = quiet
        self._open = ExitStack()

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin to watch."""
        if not being_watched():
            opened = watch(pl_module, trainer.optimizers, run_dir=self._run_dir, quiet=self._quiet)
            self.watched = self._open.enter_context(opened)

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Say what was found."""
        self._open.close()
        if self.watched is not None and self.watched.report is not None:
            tell_loggers(self.watched.report, trainer.loggers, trainer.global_step)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Write the exception down and say what was found."""
        self._open.__exit__(type(exception), exception, exception.__traceback__)
        sys.stderr.flush()
