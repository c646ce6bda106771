"""How long the rows of a training file keep one label, in the order in which they are stored."""

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.sample import Array, Sample
from doctor.evidence.targets import Target, Task
from doctor.subjects.table import Table


class LabelRuns(Struct, frozen=True, kw_only=True):
    """The order of labels in the rows that are trained on, seen on the drawn rows.

    Attributes
    ----------
    rows : int
        Rows of the split that is trained on, or of the table where there is none.
    seen : int
        Drawn rows of it.
    changes : int
        How often the label changes from one drawn row to the next in the order of storage.
    expected_changes : float
        How often it would in random order.
    spread_changes : float
        Standard deviation of that number.
    half_run_rows : float
        Rows of the run of one label in which the median row stands.
    """

    target: str
    split: str
    rows: int
    seen: int
    changes: int
    expected_changes: float
    spread_changes: float
    half_run_rows: float

    @classmethod
    def measure(cls, table: Table, sample: Sample, target: Target) -> "LabelRuns":
        """Put the drawn rows of the training split into their order and count where the label changes.

        Raises
        ------
        NotApplicable
            When the target is a quantity.
        """
        if target.task is not Task.CLASSIFICATION:
            raise NotApplicable("the target is a quantity")
        split = "train" if "train" in table.splits else next(iter(table.splits))
        chosen = sample.split[target.rows] == split
        numbers = sample.row[target.rows][chosen]
        order = np.argsort(numbers)
        labels, numbers = target.values[chosen][order], numbers[order]
        shares = np.bincount(labels) / max(1, len(labels))
        chance = float(1 - (shares**2).sum())
        pairs = max(0, len(labels) - 1)
        return cls(
            target=target.name,
            split=split,
            rows=table.splits[split],
            seen=len(labels),
            changes=int((labels[1:] != labels[:-1]).sum()),
            expected_changes=pairs * chance,
            spread_changes=float(np.sqrt(pairs * chance * (1 - chance))),
            half_run_rows=_half_run(labels, numbers),
        )


def _half_run(labels: Array, numbers: Array) -> float:
    """Return the length of the run in which the median row stands: half of the rows stand in one at least as long."""
    if len(labels) < 2:
        return 0.0
    begins = np.flatnonzero(np.concatenate(([True], labels[1:] != labels[:-1])))
    edges = np.append(numbers[begins], numbers[-1] + 1)
    lengths = np.sort(np.diff(edges))
    reached = np.cumsum(lengths)
    return float(lengths[np.searchsorted(reached, reached[-1] / 2)])
