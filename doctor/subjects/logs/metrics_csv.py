"""Metrics in a CSV file, one row per step or epoch, as Lightning's CSVLogger and many scripts write them."""

import contextlib
import csv
from pathlib import Path

from doctor.errors import CannotOpen
from doctor.subjects.logs.curves import Curves
from doctor.subjects.run import Process, Run
from doctor.watching.probe.metric_names import canonical

STEP_NAMES = ("step", "global_step", "iteration", "iter", "steps", "epoch")


def read_metrics_csv(path: Path) -> Run:
    """Read the columns whose names are known; the step is the first of `STEP_NAMES` that there is, else the row.

    Raises
    ------
    CannotOpen
        When no column is one that a run would have.
    """
    curves = Curves()
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.DictReader(file)
        columns = {column: canonical(column) for column in reader.fieldnames or () if column}
        counter = next((name for name in STEP_NAMES for column in columns if column.lower() == name), None)
        if not any(columns.values()):
            raise CannotOpen(path, f"no column is a known metric (columns: {', '.join(columns) or 'none'})")
        for number, row in enumerate(reader, 1):
            step = number
            if counter is not None:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    step = int(float(next(row[column] for column in columns if column.lower() == counter))) + 1
            for column, name in columns.items():
                if name and row.get(column):
                    with contextlib.suppress(ValueError):
                        curves.add(name, float(row[column]), step)
    return Run(path=path, shown=str(path), origin="metrics table", processes=(Process(series=curves.series()),))
