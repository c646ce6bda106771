"""What all other features together can do, where one feature alone does very well."""

from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.associations import Association, Associations
from doctor.evidence.boosting import each_out, numbered, out_of_fold
from doctor.evidence.one_feature import folds_of
from doctor.evidence.sample import Sample
from doctor.evidence.targets import Target, Task

MIN_BOUND = 0.95
"""Lower bound from which a feature gets a rival; fitting one is dear."""
MAX_RIVALS = 8
MAX_ROWS = 10_000
MAX_FEATURES = 200
FITTED_FOLDS = 3

Array = np.ndarray[Any, Any]


class Rival(Struct, frozen=True, kw_only=True):
    """A small boosted model on the features that are not copies of one feature, scored as that feature was."""

    column: str
    view: str | None
    score: float
    rows: int
    features: int


class Rivals(Struct, frozen=True, kw_only=True):
    """The rivals of all features that reach the bound alone in their view."""

    COST: ClassVar[int] = 100

    rivals: tuple[Rival, ...]

    def of(self, found: Association) -> Rival | None:
        """Return the rival of a feature in a view."""
        return next((one for one in self.rivals if (one.column, one.view) == (found.column, found.view)), None)

    @classmethod
    def measure(cls, associations: Associations, sample: Sample, target: Target) -> "Rivals":
        """Fit a rival for each; none where no feature is strong."""
        strong = [found for found in associations.noted if found.lower >= MIN_BOUND or found.recoding]
        strong = [found for found in strong if found.form != "missing"]
        order = sorted(strong, key=lambda found: (-found.lower, found.column, found.view or ""))
        fitted: dict[tuple[tuple[str, ...], str | None], tuple[float, int, int]] = {}
        rivals = []
        for found in order:
            family = associations.family(found.column)
            if any(other.view == found.view and other.column not in family for other in strong):
                continue
            key = (family, found.view)
            if key not in fitted:
                if len(fitted) == MAX_RIVALS:
                    continue
                fitted[key] = rival_score(associations, sample, target, family, found.view)
            score, rows, features = fitted[key]
            rivals.append(Rival(column=found.column, view=found.view, score=score, rows=rows, features=features))
        return cls(rivals=tuple(rivals))


def rival_score(
    associations: Associations, sample: Sample, target: Target, family: tuple[str, ...], view: str | None
) -> tuple[float, int, int]:
    """Return the rival's score out of fold, its rows and its features."""
    best = {found.column: found.lower for found in reversed(associations.noted)}
    names = [name for name in best if name not in family]
    names = sorted(sorted(names, key=lambda name: (-best[name], name))[:MAX_FEATURES])
    truth = target.values[:MAX_ROWS]
    rows = target.rows[:MAX_ROWS]
    if view is not None:
        truth = (truth == target.classes.index(view)).astype(np.int64)
    if not names:
        return 0.0, len(rows), 0
    inputs = [numbered(sample.columns[name][rows]) for name in names]
    matrix = np.column_stack([values for values, _ in inputs])
    folds = each_out(folds_of(sample.key[rows]) % FITTED_FOLDS, FITTED_FOLDS)
    predicted = out_of_fold(matrix, [named for _, named in inputs], truth, target.task, folds)
    if target.task is Task.REGRESSION:
        error = ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()
    else:
        error = np.count_nonzero(truth != predicted) / max(1, len(truth) - int(np.bincount(truth).max()))
    return float(max(0.0, 1 - error)), len(rows), len(names)
