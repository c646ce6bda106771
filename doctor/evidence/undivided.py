"""How a table that is not yet divided must be: by which entity, and at which time."""

from datetime import UTC, datetime

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.chronology import MAX_COLUMNS, Relevance, relevance_of, sampled_times, time_columns
from doctor.evidence.groups import MIN_GAIN, Informative, informative_of
from doctor.evidence.keys import Key, Keys
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

TRAIN_SHARE = 0.8
"""Of the rows lie before the time at which a cut is proposed."""


class EntityRows(Struct, frozen=True, kw_only=True):
    """How rows belong to entities by one key; `informative` is None where no label is known or no entity repeats."""

    key: Key
    entities: int
    rows: int
    informative: Informative | None


class Entities(Struct, frozen=True, kw_only=True):
    """All keys of a table without splits."""

    keys: tuple[EntityRows, ...]

    @classmethod
    def measure(cls, table: Table, keys: Keys, roles: Roles) -> "Entities":
        """Ask whether an entity tells the label, and count only those of which one does, or which are declared."""
        _undivided(table)
        return cls(keys=tuple(_rows_of(table, key, roles.target) for key in keys.entities))


class TimeLine(Struct, frozen=True, kw_only=True):
    """A column of times, whether time matters by it, and the time before which four fifths of the rows lie.

    `relevance` is None where there are too few rows or times to tell.
    """

    column: str
    declared: bool
    relevance: Relevance | None
    cut: str


class TimeLines(Struct, frozen=True, kw_only=True):
    """All columns of times of a table without splits."""

    lines: tuple[TimeLine, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, keys: Keys, sample: Sample) -> "TimeLines":
        """Judge on the drawn rows."""
        _undivided(table)
        declared = "time" in roles.declared
        forms = time_columns(table, profile, roles, keys, roles.time)
        names = [roles.time] if declared and roles.time else sorted(forms, key=lambda name: name != roles.time)
        lines = []
        for name in names[:MAX_COLUMNS]:
            when = sampled_times(table, name, forms[name], sample.columns)
            known = np.sort(when[~np.isnan(when)])
            if len(known):
                cut = float(known[int(TRAIN_SHARE * (len(known) - 1))])
                dated = forms[name] is not None or table.column(name).kind is Kind.TIME
                shown = datetime.fromtimestamp(cut, UTC).strftime("%Y-%m-%d %H:%M:%S") if dated else f"{cut:g}"
                relevance = relevance_of(table, name, forms[name], roles, keys, sample)
                lines.append(TimeLine(column=name, declared=declared, relevance=relevance, cut=shown))
        return cls(lines=tuple(lines))


def _undivided(table: Table) -> None:
    if sum(rows > 0 for rows in table.splits.values()) > 1:
        raise NotApplicable("the table is divided already")


def _rows_of(table: Table, key: Key, target: str | None) -> EntityRows:
    told = informative_of(table, key, target) if target is not None else None
    if not key.declared and (told is None or told.gain < MIN_GAIN):
        return EntityRows(key=key, entities=0, rows=0, informative=told)
    value = key.expression()
    different = exp.Count(this=exp.Distinct(expressions=[value.copy()]))
    entities, rows = table.ask(table.select(different, sql.call("count", value)))[0]
    return EntityRows(key=key, entities=int(entities), rows=int(rows), informative=told)
