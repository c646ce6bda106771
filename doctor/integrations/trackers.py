"""Passes a report on to the trackers that a trainer writes to; what goes wrong there is told and ends no training."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from doctor.model import Report
from doctor.watching.telling import tell


@contextmanager
def _told(tracker: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        tell(f"the findings could not be written to {tracker}: {type(error).__name__}: {error}")


def tell_loggers(report: Report, loggers: Iterable[Any], step: int) -> None:
    """Write the findings to the loggers of a Lightning trainer, those of which a tracker is known."""
    for logger in loggers:
        kinds = {kind.__name__ for kind in type(logger).__mro__}
        if "TensorBoardLogger" in kinds:
            with _told("TensorBoard"):
                from doctor.integrations import tensorboard

                tensorboard.write(report, logger.experiment, step=step)
        elif "WandbLogger" in kinds:
            with _told("Weights & Biases"):
                from doctor.integrations import wandb

                wandb.write(report, logger.experiment)
        elif "MLFlowLogger" in kinds:
            with _told("MLflow"):
                from doctor.integrations import mlflow

                mlflow.write(report, logger.run_id, client=logger.experiment)


def mlflow_run() -> str | None:
    """Return the id of MLflow's open run, if MLflow is in use."""
    library = sys.modules.get("mlflow")
    active = library.active_run() if library is not None else None
    return active.info.run_id if active is not None else None


def tell_reporters(report: Report, arguments: Any, step: int, run_id: str | None) -> None:
    """Write the findings to what a Hugging Face Trainer reports to.

    Parameters
    ----------
    report : Report
    arguments : TrainingArguments
    step : int
    run_id : str or None
        Of the run that MLflow had open: the Trainer ends it before it calls other callbacks.
    """
    asked = arguments.report_to if isinstance(arguments.report_to, list) else [arguments.report_to]
    if "tensorboard" in asked and (folder := _log_folder(arguments)) is not None:
        with _told("TensorBoard"):
            from doctor.integrations import tensorboard

            tensorboard.write(report, folder, step=step)
    if "wandb" in asked:
        with _told("Weights & Biases"):
            from doctor.integrations import wandb

            wandb.write(report)
    if "mlflow" in asked and run_id is not None:
        with _told("MLflow"):
            from doctor.integrations import mlflow

            mlflow.write(report, run_id)


def _log_folder(arguments: Any) -> Path | None:
    """Return the folder into which the Trainer wrote last for TensorBoard: it tells no callback where that is."""
    named = os.environ.get("TENSORBOARD_LOGGING_DIR")
    roots = [Path(named).expanduser()] if named else [Path(arguments.output_dir)]
    files = [file for root in roots for file in root.rglob("events.out.tfevents.*")]
    return max(files, key=lambda file: file.stat().st_mtime).parent if files else None
