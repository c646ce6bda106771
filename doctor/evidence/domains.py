"""Whether a classifier can tell the rows of one split from those of another, and by which columns.

The classifier is small and closed: for each column the log-ratio of its bins, for pairs of columns that go together on
one side and not on the other their product, joined by ridge regression. All is fitted on the other folds.
"""

from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.arrangement import Setting, setting_of
from doctor.evidence.binning import HALF_A_ROW, Bins
from doctor.evidence.chronology import Chronology, auc_deviation, auc_of
from doctor.evidence.keys import Keys
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.shifts import Contrast, Shifts, features, held_by
from doctor.evidence.sides import Side, Sides, both
from doctor.evidence.targets import mid_ranks
from doctor.evidence.threads import one_thread
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MAX_ROWS = 2_500
"""Rows of a side: by these an AUC is known to about 0.01."""
MAX_COLUMNS = 200
MAX_PAIRED = 40
MAX_PAIRS = 20
FOLDS = 4
MAX_NAMED = 5
LOOKED_AT = 0.55
"""Lower bound of the AUC from which it is found out what tells the splits apart."""
MIN_ROWS = 20
NORMAL_99 = 2.326
"""Standard normal quantile of a one-sided bound of 99 %."""
MIN_RIDGE = 0.01


class Telling(Struct, frozen=True, kw_only=True):
    """What alone tells the splits apart, out of fold: a column, or two columns by how they go together."""

    columns: tuple[str, ...]
    auc: float


class Domain(Struct, frozen=True, kw_only=True):
    """Two splits and a classifier.

    Attributes
    ----------
    auc, lower : float
        Out of fold, and its lower 99 % bound.
    rows : (int, int)
        Rows fitted and judged.
    telling : tuple of Telling
        What tells most, best first; empty where the bound is hardly above chance.
    """

    earlier: str
    later: str
    auc: float
    lower: float
    rows: tuple[int, int]
    independent: tuple[int, int]
    cut_in_time: str | None
    cut_by_entity: str | None
    entity_pattern: str
    telling: tuple[Telling, ...]


class Domains(Struct, frozen=True, kw_only=True):
    """One domain per contrast that has columns and rows enough."""

    domains: tuple[Domain, ...]

    @classmethod
    def measure(
        cls,
        table: Table,
        sides: Sides,
        shifts: Shifts,
        roles: Roles,
        keys: Keys,
        profile: Profile,
        chronology: Chronology,
    ) -> "Domains":
        """Fit one classifier per pair of splits."""
        names = features(table, profile, roles, keys)
        found = []
        for pair, contrast in zip(sides.pairs, shifts.contrasts, strict=True):
            setting = setting_of(table, (shortened(pair[0]), shortened(pair[1])), keys, chronology)
            with one_thread():
                domain = domain_of(setting, names, contrast)
            found += [domain] if domain is not None else []
        return cls(domains=tuple(found))


def shortened(side: Side) -> Side:
    """Leave as many rows as are fitted."""
    columns = {name: values[:MAX_ROWS] for name, values in side.columns.items()}
    return Side(name=side.name, rows=side.rows, columns=columns, row=side.row[:MAX_ROWS])


def domain_of(setting: Setting, features: list[str], contrast: Contrast) -> Domain | None:
    """Fit on both sides of a setting by columns that do not only count; None where there are too few."""
    clocks = {shift.column for shift in contrast.columns if shift.clock}
    names = [name for name in features if name not in clocks and held_by(setting.pair, name)][:MAX_COLUMNS]
    if not names or min(side.drawn for side in setting.pair) < MIN_ROWS:
        return None
    late = setting.late
    values = {name: both(setting.pair, name) for name in names}
    bins = [setting.binned(name) for name in names]
    paired = [_standard(values[name], found) for name, found in zip(names[:MAX_PAIRED], bins, strict=False)]
    waves = np.column_stack(paired)
    fold = _folds(setting)
    total = np.zeros(len(late))
    alone = np.zeros((len(late), len(names)))
    together: dict[tuple[int, int], Array] = {}
    for held in np.unique(fold):
        train, test = fold != held, fold == held
        if len(np.unique(late[train])) < 2:
            continue
        scores = np.column_stack([_log_ratio(found, late, train) for found in bins])
        pairs = _pairs(waves[train], late[train])
        products = np.column_stack([waves[:, i] * waves[:, j] for i, j in pairs]) if pairs else scores[:, :0]
        total[test], weights = _ridge(np.hstack([scores, products]), late, train, test)
        alone[test] = scores[test]
        for place, pair in enumerate(pairs):
            part = together.setdefault(pair, np.zeros(len(late)))
            part[test] = products[test, place] * np.sign(weights[len(names) + place])
    independent = _independent(setting)
    auc = auc_of(total, late)
    lower = auc - NORMAL_99 * auc_deviation(max(auc, 0.5), *independent)
    return Domain(
        earlier=contrast.earlier,
        later=contrast.later,
        auc=auc,
        lower=lower,
        rows=(int((~late).sum()), int(late.sum())),
        independent=independent,
        cut_in_time=setting.cut_in_time,
        cut_by_entity=setting.cut_by_entity,
        entity_pattern=setting.entity_pattern,
        telling=_telling(names, alone, together, late, auc) if lower >= LOOKED_AT else (),
    )


def _standard(values: Array, bins: Bins) -> Array:
    """Bring a column to mean 0 and deviation 1: numbers by their ranks, else whether it is the commonest category."""
    wave = (bins.codes == 0).astype(float) if values.dtype == object else mid_ranks(values)
    wave = wave - np.nanmean(wave)
    deviation = float(np.nanstd(wave))
    return np.nan_to_num(wave / deviation) if deviation > 0 else np.zeros(len(wave))


def _folds(setting: Setting) -> Array:
    """Divide rows into folds, whole entities and stretches of time together, each side evenly."""
    draw = np.random.default_rng(0)
    rows = np.arange(len(setting.late)) if not setting.clusters else setting.clusters[-1]
    fold = np.zeros(len(setting.late), dtype=np.int64)
    for side in (~setting.late, setting.late):
        units, place = np.unique(rows[side], return_inverse=True)
        fold[side] = (draw.permutation(len(units)) % FOLDS)[place]
    return fold


def _independent(setting: Setting) -> tuple[int, int]:
    """Count what is independent on each side: rows, or entities and stretches of time."""
    counts = [
        min([int(side.sum()), *(len(np.unique(found[side])) for found in setting.clusters)])
        for side in (~setting.late, setting.late)
    ]
    return counts[0], counts[1]


def _log_ratio(bins: Bins, late: Array, train: Array) -> Array:
    """Return how much commoner each row's bin is on the later side of the training rows, as a logarithm."""
    codes = bins.codes + 1  # new categories are a bin of their own
    size = len(bins.names) + 1
    before, after = (np.bincount(codes[train & side], minlength=size) + HALF_A_ROW for side in (~late, late))
    ratio = np.log(after / after.sum()) - np.log(before / before.sum())
    return np.asarray(ratio[codes])


def _pairs(waves: Array, late: Array) -> list[tuple[int, int]]:
    """Return the pairs of columns whose correlation differs most between the sides."""
    if waves.shape[1] < 2:
        return []
    first, second = (waves[side].T @ waves[side] / max(1, side.sum()) for side in (~late, late))
    left, right = np.triu_indices(waves.shape[1], 1)
    difference = np.abs(first - second)[left, right]
    chosen = np.argsort(-difference, kind="stable")[:MAX_PAIRS]
    return [(int(left[i]), int(right[i])) for i in chosen]


def _ridge(inputs: Array, late: Array, train: Array, test: Array) -> tuple[Array, Array]:
    """Fit on the training rows; return the scores of the test rows, in deviations of the training rows', and weights.

    Rows of the smaller side weigh more, so that both sides count alike.
    """
    weight = np.where(late[train], 0.5 / max(1, late[train].sum()), 0.5 / max(1, (~late[train]).sum()))
    middle = weight @ inputs[train]
    deviation = np.sqrt(weight @ (inputs[train] - middle) ** 2)
    scaled = (inputs - middle) / np.where(deviation > 0, deviation, 1.0)
    known = scaled[train]
    ridge = max(MIN_RIDGE, known.shape[1] / (2 * min(late[train].sum(), (~late[train]).sum())))
    gram = (known * weight[:, None]).T @ known + ridge * np.eye(known.shape[1])
    weights = np.linalg.solve(gram, known.T @ (weight * np.where(late[train], 1.0, -1.0)))
    spread = float((known @ weights).std())
    return np.asarray(scaled[test] @ weights) / (spread or 1.0), weights


def _telling(
    names: list[str], alone: Array, together: dict[tuple[int, int], Array], late: Array, auc: float
) -> tuple[Telling, ...]:
    """Rank columns, and pairs that tell more than either of their columns."""
    single = [auc_of(alone[:, place], late) for place in range(len(names))]
    found = [Telling(columns=(name,), auc=one) for name, one in zip(names, single, strict=True)]
    for (i, j), product in together.items():
        joint = auc_of(product, late)
        if joint > max(single[i], single[j]) + (auc - 0.5) / 4:
            found.append(Telling(columns=(names[i], names[j]), auc=joint))
    ranked = sorted(found, key=lambda one: (-one.auc, one.columns))
    bound = 0.5 + (auc - 0.5) / 3
    return tuple(one for one in ranked[:MAX_NAMED] if one.auc >= bound) or tuple(ranked[:1])
