"""Columns that may be known only after the outcome: by what was declared, by their names, and by their dates."""

from typing import Any

import numpy as np
from msgspec import Struct
from sqlglot import exp

from doctor.errors import UsageError
from doctor.evidence.associations import forms_of
from doctor.evidence.chronology import sampled_times, time_columns
from doctor.evidence.dates import time_of
from doctor.evidence.keys import Keys
from doctor.evidence.late_words import LateWord, follow_up, late_word, planned
from doctor.evidence.one_feature import folds_of
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.strength import Strength, strongest
from doctor.evidence.targets import Target
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MOMENTS = ("before", "after")

Array = np.ndarray[Any, Any]


class Moments(Struct, frozen=True, kw_only=True):
    """Which columns were declared to be known "before" or "after" what is predicted."""

    declared: dict[str, str]

    @classmethod
    def measure(cls, table: Table) -> "Moments":
        """Read the declarations.

        Raises
        ------
        UsageError
            When a column is not there, or the moment is neither word.
        """
        declared = {}
        for told in table.declared.available:
            name, _, moment = told.partition("=")
            if not name or moment not in MOMENTS:
                raise UsageError(f"--available-at {told!r} is neither COLUMN=before nor COLUMN=after")
            declared[table.resolve(name)] = moment
        return cls(declared=declared)


class LaterColumn(Struct, frozen=True, kw_only=True):
    """A column of times, and how many of them are later than the row's own time.

    Attributes
    ----------
    word : LateWord or None
        What in its name says that it is known late.
    planned : bool
        Whether its name speaks of something foreseen, such as a due date.
    """

    column: str
    form: str | None
    later_rows: int
    rows: int
    word: LateWord | None
    planned: bool

    @property
    def share(self) -> float:
        """Later times per time."""
        return self.later_rows / self.rows if self.rows else 0.0


class LaterTimes(Struct, frozen=True, kw_only=True):
    """All columns of times against the one that says when a row happened.

    Attributes
    ----------
    event, form : str or None
        The column that says when a row happened, None where nobody knows, and the format of its text.
    """

    event: str | None
    form: str | None
    event_declared: bool
    columns: tuple[LaterColumn, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, keys: Keys) -> "LaterTimes":
        """Count over all rows."""
        event = roles.time
        forms = time_columns(table, profile, roles, keys, event)
        others = [name for name in forms if name != event]
        dated = event is not None and (forms[event] is not None or table.column(event).kind is Kind.TIME)
        columns: tuple[LaterColumn, ...] = ()
        if event is not None and dated and others:
            moment = time_of(event, forms[event])
            facts: list[sql.Expression] = []
            for name in others:
                other = time_of(name, forms[name])
                facts += [sql.count_if(exp.GT(this=other, expression=moment)), sql.call("count", other)]
            answer = table.ask(table.select(*facts))[0]
            columns = tuple(
                LaterColumn(
                    column=name,
                    form=forms[name],
                    later_rows=int(answer[2 * place]),
                    rows=int(answer[2 * place + 1]),
                    word=late_word(name),
                    planned=planned(name),
                )
                for place, name in enumerate(others)
            )
        return cls(
            event=event,
            form=forms[event] if event is not None else None,
            event_declared="time" in roles.declared,
            columns=columns,
        )


class Suspect(Struct, frozen=True, kw_only=True):
    """A column that may be known too late, and how well it predicts the target on rows it was not fitted on.

    Attributes
    ----------
    word : LateWord or None
        What in its name says so; None for a column of times.
    """

    column: str
    word: LateWord | None
    told: Strength


class Hindsight(Struct, frozen=True, kw_only=True):
    """All suspects of a table with a target, on the sample."""

    target: str
    rows: int
    suspects: tuple[Suspect, ...]

    @classmethod
    def measure(
        cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target, later: LaterTimes
    ) -> "Hindsight":
        """Predict the target from each column whose name or dates make it suspect."""
        out = {target.name, later.event, *roles.annotators, *keys.owners}
        times = {column.column: column for column in later.columns}
        fold = folds_of(sample.key[target.rows])
        suspects = []
        for column in table.columns:
            word = late_word(column.name) or (follow_up(column.name, target.name) if column.numeric else None)
            if column.name in out or (word is None and column.name not in times):
                continue
            values = sample.columns[column.name]
            if column.name in times and later.event is not None:
                when = sampled_times(table, column.name, times[column.name].form, sample.columns)
                values = when - sampled_times(table, later.event, later.form, sample.columns)
            told = _foretelling(values[target.rows], target, fold)
            suspects.append(Suspect(column=column.name, word=word, told=told))
        return cls(target=target.name, rows=len(target.rows), suspects=tuple(suspects))


def _foretelling(values: Array, target: Target, fold: Array) -> Strength:
    """Return what a column tells in the form that tells most."""
    best = Strength()
    for _, feature, _ in forms_of(values, target, monotone=False):
        if feature is not None and feature.levels > 1:
            best = max(best, strongest(feature, target, fold), key=lambda found: found.lower)
    return best
