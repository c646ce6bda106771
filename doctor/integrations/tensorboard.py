"""Writes findings where TensorBoard shows them."""

import os
import time
from typing import TYPE_CHECKING, Any

from doctor.integrations.telling import counts, markdown

if TYPE_CHECKING:
    from doctor.model import Report


def write(report: "Report", place: Any, *, step: int = 0) -> None:
    """Write the findings of a report as text, and their counts as scalars.

    Parameters
    ----------
    report : Report
    place : path or SummaryWriter
        The log folder of the run, or the writer of torch that writes there.
    step : int
        At which step they are shown.

    Examples
    --------
    >>> write(run.report, "runs/today")  # doctest: +SKIP
    """
    if hasattr(place, "add_text"):
        place.add_text("doctor/findings", markdown(report), step)
        for name, count in counts(report).items():
            place.add_scalar(f"doctor/{name}", count, step)
        place.flush()
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    summaries = [text_pb("doctor/findings", markdown(report))]
    summaries += [scalar_pb(f"doctor/{name}", count) for name, count in counts(report).items()]
    writer = EventFileWriter(os.fspath(place), filename_suffix=".doctor")
    for summary in summaries:
        writer.add_event(Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()
