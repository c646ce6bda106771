"""`trainer_state.json`, as the Hugging Face Trainer leaves it in its output and checkpoint folders."""

import json
import math
from pathlib import Path

from doctor.errors import CannotOpen
from doctor.subjects.logs.curves import Curves
from doctor.subjects.run import Process, Run
from doctor.watching.probe.metric_names import canonical

MAX_BYTES = 512_000_000


def read_trainer_state(path: Path) -> Run:
    """Read the log history.

    Raises
    ------
    CannotOpen
        When it is not such a file.
    """
    if path.stat().st_size > MAX_BYTES:
        raise CannotOpen(path, f"larger than {MAX_BYTES:,} bytes, too large for a trainer's state")
    try:
        history = json.loads(path.read_text("utf-8"))["log_history"]
        rows = [(int(row["step"]), row) for row in history]
    except (ValueError, KeyError, TypeError) as error:
        raise CannotOpen(path, f"no trainer state: {type(error).__name__}: {error}") from error
    curves = Curves()
    for step, row in rows:
        for key, value in row.items():
            name = canonical(key)
            # The summary of the whole run repeats the mean loss under the last step.
            if name and isinstance(value, (int, float)) and "train_runtime" not in row:
                curves.add(name, math.nan if value is None else float(value), step)
    return Run(path=path, shown=str(path), origin="trainer state", processes=(Process(series=curves.series()),))
