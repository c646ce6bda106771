"""How the distribution of every column differs between the first split and each other one."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.arrangement import Setting, setting_of
from doctor.evidence.binning import MISSING, Bins, binned
from doctor.evidence.chronology import Chronology
from doctor.evidence.divergences import Divergence, distances, needed_index
from doctor.evidence.keys import Keys
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sides import Side, Sides, both
from doctor.evidence.targets import Target, Task
from doctor.subjects.table import Kind, Table

Array = np.ndarray[Any, Any]

MIN_CLOCK = 0.95
"""Rank correlation with the number of the row, or the time, from which a column only counts."""
MIN_CLOCK_ROWS = 5
LOOKED_AT = 0.02
"""Lower bound of the index from which a column is described further."""
MAX_CODE_SHARE = 0.5
LEAST_UNITS = 3 / 8
"""Rows that count as one and are expected in a bin, at least three; of rows by themselves there are at least eight."""


class ColumnShift(Struct, frozen=True, kw_only=True):
    """How one column differs between two sides.

    Attributes
    ----------
    divergence : Divergence
        Over `bins`, rows of new categories left out.
    effect : float
        Rows that tell as much as one independent row: 1 but for splits cut by entity or in time.
    independent : Divergence
        The same as if all rows were independent.
    given_label : float or None
        Lower bound of the index with the earlier side weighted to the later side's labels; None where unknown.
    before, after : tuple of float
        Shares per bin.
    medians : (float, float) or None
        Of numbers.
    ks, wasserstein : float
        Of numbers: the largest distance of the distribution functions, and the mean shift in standard deviations of
        the earlier side.
    missing : (float, float)
        Shares of missing values.
    clock : bool
        Whether it only counts rows or time, so that a cut in time must show in it.
    """

    column: str
    divergence: Divergence
    independent: Divergence
    effect: float = 1.0
    given_label: float | None = None
    bins: tuple[str, ...] = ()
    before: tuple[float, ...] = ()
    after: tuple[float, ...] = ()
    medians: tuple[float, float] | None = None
    ks: float | None = None
    wasserstein: float | None = None
    missing: tuple[float, float] = (0.0, 0.0)
    clock: bool = False

    @property
    def middle_moved(self) -> bool:
        """Whether the medians differ, both finite."""
        return self.medians is not None and all(map(math.isfinite, self.medians)) and len(set(self.medians)) > 1

    @property
    def most_changed(self) -> int:
        """The bin that adds most to the index."""
        p, q = np.array(self.before) + 1e-9, np.array(self.after) + 1e-9
        return int(((q - p) * np.log(q / p)).argmax())


class Contrast(Struct, frozen=True, kw_only=True):
    """One split beside the first.

    Attributes
    ----------
    earlier_rows, later_rows : int
        Rows in the table.
    drawn : (int, int)
        Rows looked at.
    cut_in_time : str or None
        The time column along which these splits are cut.
    cut_by_entity : str or None
        The column that names entities of which each is on one side only.
    clusters : int or None
        Entities or stretches of time on the side with fewer; None where rows count one by one.
    columns : tuple of ColumnShift
        Features that both have.
    target : ColumnShift or None
        The target, where both have it.
    entity_pattern : str
        See `Key.pattern`; of `cut_by_entity`.
    quantity : bool
        Whether the target is a quantity.
    """

    earlier: str
    later: str
    earlier_rows: int
    later_rows: int
    drawn: tuple[int, int]
    cut_in_time: str | None
    cut_by_entity: str | None
    clusters: int | None
    columns: tuple[ColumnShift, ...]
    target: ColumnShift | None
    entity_pattern: str = ""
    quantity: bool = False

    def undecided(self, *, min_psi: float, max_blind_psi: float, min_clusters: int) -> str:
        """Say why nothing can be told of these splits; empty where something can."""
        said = f"{self.earlier} and {self.later}"
        if (blind := self.blind(min_psi)) > max_blind_psi:
            few = f"{min(self.drawn):,} rows are too few to tell (an index below {blind:.1f} stays unseen)"
            return f"{said}: {few}"
        if self.clusters is not None and self.clusters < min_clusters and self.cut_in_time is None:
            return f"{said}: {self.clusters} entities on a side are too few to tell"
        return ""

    def blind(self, min_psi: float, bins: int = 5) -> float:
        """Return the index, chance taken off, from which a shift over so many bins would be reported."""
        return needed_index(min_psi, 1 / self.drawn[0] + 1 / self.drawn[1], bins - 1)


class Shifts(Struct, frozen=True, kw_only=True):
    """The contrasts of a table, one per later split."""

    contrasts: tuple[Contrast, ...]

    @classmethod
    def measure(
        cls,
        table: Table,
        sides: Sides,
        roles: Roles,
        keys: Keys,
        profile: Profile,
        chronology: Chronology,
        target: Target | None,
    ) -> "Shifts":
        """Compare column by column on the rows of the sides."""
        quantity = target is not None and target.task is Task.REGRESSION
        names = features(table, profile, roles, keys)
        contrasts = []
        for pair in sides.pairs:
            setting = setting_of(table, pair, keys, chronology)
            contrasts.append(contrast(setting, names, roles.target, quantity=quantity))
        return cls(contrasts=tuple(contrasts))


def features(table: Table, profile: Profile, roles: Roles, keys: Keys) -> list[str]:
    """Return the columns whose distribution says something: no names, times, prose or codes, nor the target."""
    apart = {roles.target, roles.time, roles.item, *keys.names}
    return [column.name for column in profile.columns if column.name not in apart and _has_shape(column, keys)]


def _has_shape(column: ColumnProfile, keys: Keys) -> bool:
    if column.kind in (Kind.TIME, Kind.OTHER):
        return False
    if column.kind is not Kind.TEXT:
        return True
    shape = keys.shapes.get(column.name)
    return not (shape and (shape.prose or shape.dated)) and column.distinct_share <= MAX_CODE_SHARE


def contrast(setting: Setting, names: Sequence[str], target: str | None, *, quantity: bool = False) -> Contrast:
    """Compare two sides in the columns that both have."""
    earlier, later = setting.pair
    shared = [name for name in names if held_by(setting.pair, name)]
    labels = None
    aim = None
    if target is not None and held_by(setting.pair, target):
        values = both(setting.pair, target)
        labels = setting.binned(target)
        aim = _shift(setting, target, values, labels, None)
    columns = []
    for name in shared:
        values = both(setting.pair, name)
        columns.append(_shift(setting, name, values, setting.binned(name), labels))
    fewest = [min(len(np.unique(found[setting.late == side])) for side in (False, True)) for found in setting.clusters]
    return Contrast(
        earlier=earlier.name,
        later=later.name,
        earlier_rows=earlier.rows,
        later_rows=later.rows,
        drawn=(earlier.drawn, later.drawn),
        cut_in_time=setting.cut_in_time,
        cut_by_entity=setting.cut_by_entity,
        clusters=min(fewest) if fewest else None,
        columns=tuple(columns),
        target=aim,
        entity_pattern=setting.entity_pattern,
        quantity=quantity,
    )


def held_by(pair: Iterable[Side], name: str) -> bool:
    """Whether both sides have values of a column; a split that lacks it shows nothing but missing ones."""
    return all(name in side.columns and not _missing(side.columns[name]).all() for side in pair)


def _missing(values: Array) -> Array:
    if values.dtype == object:
        return np.array([value is None for value in values], dtype=bool)
    return np.asarray(np.isnan(values))


def _shift(setting: Setting, name: str, values: Array, bins: Bins, labels: Bins | None) -> ColumnShift:
    late = setting.late
    before, after = bins.counts(late)
    independent = Divergence.of(before, after)
    if independent.psi_lower < LOOKED_AT:
        return ColumnShift(column=name, divergence=independent, independent=independent, **_shares(bins, before, after))
    effect = setting.effect(bins)
    if setting.clusters and effect * LEAST_UNITS > setting.unit:
        # Fewer bins, so that each holds enough of what is independent.
        bins = binned(values, late, max(setting.unit, effect * LEAST_UNITS))
        before, after = bins.counts(late)
        effect = max(effect, setting.effect(bins))
    lost = _missing(values)
    facts: dict[str, Any] = {"missing": (float(lost[~late].mean()), float(lost[late].mean()))}
    if values.dtype != object:
        first, second = values[~late & ~lost], values[late & ~lost]
        ks, wasserstein = distances(first, second)
        facts |= {"ks": ks, "wasserstein": wasserstein, "medians": (_median(first), _median(second))}
        facts["clock"] = _counts(setting, values)
    return ColumnShift(
        column=name,
        divergence=Divergence.of(before, after, effect=effect) if effect > 1 else independent,
        independent=independent,
        effect=effect,
        given_label=_given_label(bins, labels, late) if labels is not None else None,
        **_shares(bins, before, after),
        **facts,
    )


def _shares(bins: Bins, before: Array, after: Array) -> dict[str, Any]:
    return {
        "bins": bins.names,
        "before": tuple((before / max(1.0, before.sum())).tolist()),
        "after": tuple((after / max(1.0, after.sum())).tolist()),
    }


def _median(values: Array) -> float:
    return float(np.quantile(values, 0.5, method="inverted_cdf")) if len(values) else float("nan")


def _counts(setting: Setting, values: Array) -> bool:
    """Whether a column rises or falls with the number of the row on both sides, or with the time of a cut in time."""
    rows = np.concatenate([side.row for side in setting.pair])
    along = [rows.astype(float)] + ([setting.when] if setting.when is not None else [])
    return any(all(_in_step(values[side], clock[side]) for side in (~setting.late, setting.late)) for clock in along)


def _in_step(values: Array, clock: Array) -> bool:
    known = ~np.isnan(values) & ~np.isnan(clock)
    ranks = [np.unique(part[known], return_inverse=True)[1] for part in (values, clock)]
    if known.sum() < MIN_CLOCK_ROWS or any(rank.max() == 0 for rank in ranks):
        return False
    return abs(float(np.corrcoef(ranks[0], ranks[1])[0, 1])) >= MIN_CLOCK


def _given_label(bins: Bins, labels: Bins, late: Array) -> float | None:
    """Return what is left of the index where rows of the earlier side weigh as their label is on the later one."""
    had, has = labels.counts(late)
    if not had.sum() or not has.sum():
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(had > 0, (has / has.sum()) / (had / had.sum()), 0.0)
    weights = np.where(labels.codes >= 0, ratio[labels.codes], 0.0)
    mine = weights[~late & (bins.codes >= 0)]
    total = float((mine**2).sum())
    if not total:
        return None
    before, after = bins.counts(late, weights)
    kish = float(mine.sum()) ** 2 / total
    return Divergence.of(before * kish / before.sum(), after).psi_lower


def is_missing_shift(shift: ColumnShift) -> bool:
    """Whether it is the missing values that changed."""
    return bool(shift.bins) and shift.bins[shift.most_changed] == MISSING


def follows_from_labels(contrast: Contrast, shift: ColumnShift, min_psi: float) -> bool:
    """Whether a shift is gone once the labels have equal shares, where these drift themselves."""
    target = contrast.target
    drifting = target is not None and target.divergence.psi_lower >= min_psi
    known = shift.given_label is not None and shift.divergence.psi_lower >= min_psi
    return drifting and known and (shift.given_label or 0.0) < min_psi
