"""Writes findings into a run of Weights & Biases."""

from typing import TYPE_CHECKING, Any

import wandb

from doctor.errors import UsageError
from doctor.integrations.telling import COLUMNS, counts, rows
from doctor.rendering import load_renderer

if TYPE_CHECKING:
    from doctor.model import Report


def write(report: "Report", run: Any = None) -> None:
    """Log the findings of a report as a table, the HTML report beside it, and the counts in the run's summary.

    Parameters
    ----------
    report : Report
    run : wandb.Run, optional
        [default: the run that is open]

    Raises
    ------
    UsageError
        When no run is open.

    Examples
    --------
    >>> write(report)  # doctest: +SKIP
    """
    run = run if run is not None else wandb.run
    if run is None:
        raise UsageError("no run of Weights & Biases is open: call wandb.init() first")
    page = load_renderer("html")(report, color=False)
    run.log(
        {
            "doctor/findings": wandb.Table(columns=list(COLUMNS), data=[list(row) for row in rows(report)]),
            "doctor/report": wandb.Html(page, inject=False),
        }
    )
    run.summary.update({f"doctor/{name}": count for name, count in counts(report).items()})
