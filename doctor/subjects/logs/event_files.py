"""TensorBoard event files, read with TensorBoard's own reader."""

from pathlib import Path

from doctor.errors import CannotOpen
from doctor.subjects.logs.curves import Curves
from doctor.subjects.run import Process, Run
from doctor.watching.probe.metric_names import canonical


def event_files(folder: Path) -> list[Path]:
    """Return the event files at or under a path, oldest first by name."""
    if folder.is_file():
        return [folder] if "tfevents" in folder.name else []
    return sorted(path for path in folder.rglob("*tfevents*") if path.is_file())


def read_event_files(paths: list[Path], shown: Path) -> Run:
    """Read all scalars; runs in several folders under one path are one history.

    Raises
    ------
    CannotOpen
        When TensorBoard is not installed or a file holds no event at all.
    """
    try:
        from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
        from tensorboard.util import tensor_util
    except ImportError as error:
        raise CannotOpen(
            shown, "TensorBoard's files need its reader: pip install 'training-doctor[tensorboard]'"
        ) from error
    curves = Curves()
    events = 0
    for path in paths:
        for event in EventFileLoader(str(path)).Load():
            events += 1
            for value in event.summary.value:
                # Writers with one folder per curve put the curve's name into the folder: loss_train, loss_val.
                name = canonical(value.tag) or canonical(f"{path.parent.name}/{value.tag}")
                if name is None or not value.HasField("tensor"):
                    continue
                array = tensor_util.make_ndarray(value.tensor)
                if array.size == 1:
                    curves.add(name, float(array.reshape(-1)[0]), int(event.step) + 1)
    if not events:
        raise CannotOpen(shown, "no TensorBoard event in it")
    return Run(path=shown, shown=str(shown), origin="TensorBoard", processes=(Process(series=curves.series()),))
