"""Writes findings into a run of MLflow."""

from typing import TYPE_CHECKING, Any

import mlflow
from mlflow.tracking import MlflowClient

from doctor.errors import UsageError
from doctor.integrations.telling import counts
from doctor.rendering import load_renderer

if TYPE_CHECKING:
    from doctor.model import Report


def write(report: "Report", run_id: str | None = None, *, client: Any = None) -> None:
    """Keep the report with a run as HTML and JSON, and log the counts of its findings as metrics.

    Parameters
    ----------
    report : Report
    run_id : str, optional
        Of a run, which may have ended. [default: the run that is open]
    client : MlflowClient, optional
        Where the run is kept elsewhere than at the tracking URI of this process.

    Raises
    ------
    UsageError
        When no run is open and none is named.

    Examples
    --------
    >>> write(report)  # doctest: +SKIP
    """
    if run_id is None:
        active = mlflow.active_run()
        if active is None:
            raise UsageError("no run of MLflow is open: call mlflow.start_run() first, or name one by its run_id")
        run_id = active.info.run_id
    client = client if client is not None else MlflowClient()
    for name, count in counts(report).items():
        client.log_metric(run_id, f"doctor.{name}", count)
    client.log_text(run_id, load_renderer("html")(report, color=False), "doctor/report.html")
    client.log_text(run_id, report.to_json(), "doctor/report.json")
