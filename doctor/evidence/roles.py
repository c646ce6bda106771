"""What each column is for: target, time, annotators. Declared by the user, else inferred and said so."""

from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from doctor.evidence.annotators import infer_annotators
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.model import Guess
from doctor.subjects.table import Kind, Table

TARGET_NAMES = ("target", "label", "labels", "y")
LAST_TARGET_NAMES = ("class", "outcome", "diagnosis", "category", "species", "default", "churn", "survived", "response")
"""Names that are also features' names; believed only where the column is the last one."""
PREDICTION_NAMES = (
    *("probability", "prob", "proba", "predicted_probability", "predicted_prob", "predicted_proba", "pred_probability"),
    *("pred_prob", "pred_proba", "prediction_probability", "model_probability", "y_prob", "y_proba", "p_hat"),
)
TIME_NAMES = ("timestamp", "datetime", "date", "time", "created_at", "event_time", "ts")


class Roles(Struct, frozen=True, kw_only=True):
    """The roles of a table's columns; None or empty where nobody knows.

    Attributes
    ----------
    group : tuple of str
        As declared; `Keys` finds what else names an entity.
    declared : frozenset of str
        The names of those roles that the user gave; the others are guesses.
    """

    target: str | None = None
    time: str | None = None
    group: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    item: str | None = None
    scale: str | None = None
    predictions: str | None = None
    declared: frozenset[str] = frozenset()
    guesses: tuple[Guess, ...] = ()

    def as_given(self) -> dict[str, Any]:
        """Return the known roles by name."""
        roles = {
            "target": self.target,
            "time": self.time,
            "group": list(self.group),
            "annotators": list(self.annotators),
            "item": self.item,
            "predictions": self.predictions,
        }
        return {name: value for name, value in roles.items() if value}

    @classmethod
    def measure(cls, table: Table, profile: Profile) -> "Roles":
        """Take what was declared and infer the rest.

        Raises
        ------
        UsageError
            When a declared column is not there.
        """
        told = table.declared
        annotation = infer_annotators(table, profile)
        roles: dict[str, Any] = {
            "target": table.resolve(told.target) if told.target else annotation.label,
            "time": table.resolve(told.time) if told.time else None,
            "group": tuple(map(table.resolve, told.group)),
            "annotators": annotation.annotators,
            "item": annotation.item,
            "predictions": table.resolve(told.predictions) if told.predictions else None,
        }
        declared = frozenset(name for name in roles if getattr(told, name))
        guesses = [annotation.guess] if annotation.guess else []
        for role, infer in (("target", _target), ("time", _time), ("predictions", _predictions)):
            if role in declared or roles[role]:
                continue
            found = infer(table, profile)
            if found and found[0] not in (roles["target"], roles["time"], roles["item"], *roles["annotators"]):
                roles[role] = found[0]
                guesses.append(
                    Guess(
                        subject=table.shown,
                        what=role,
                        value=found[0],
                        because=found[1],
                        override=f"--{role} COLUMN",
                    )
                )
        return cls(**roles, scale=told.scale, declared=declared, guesses=tuple(guesses))


def _named(columns: Iterable[ColumnProfile], names: tuple[str, ...]) -> ColumnProfile | None:
    by_name = {column.name.strip().lower(): column for column in columns}
    return next((by_name[name] for name in names if name in by_name), None)


def _target(table: Table, profile: Profile) -> tuple[str, str] | None:
    named = _named(profile.columns, TARGET_NAMES) or _named(profile.columns[-1:], LAST_TARGET_NAMES)
    if named and not _coordinate(named, profile):
        return named.name, "its name"
    if "train" in table.splits and "test" in table.splits:
        kept = [column.name for column in table.columns if "test" not in column.splits]
        if len(kept) == 1:
            return kept[0], "the test split lacks it"
    return None


def _coordinate(column: ColumnProfile, profile: Profile) -> bool:
    """Whether a column called y stands beside an x and is not the last one, as a place or a size does."""
    names = [other.name.strip().lower() for other in profile.columns]
    return column.name.strip().lower() == "y" and "x" in names and names[-1] != "y"


def _predictions(table: Table, profile: Profile) -> tuple[str, str] | None:
    named = _named(profile.columns, PREDICTION_NAMES)
    return (named.name, "its name and values") if named and are_probabilities(named) else None


def are_probabilities(column: ColumnProfile) -> bool:
    """Whether a column holds numbers from 0 to 1 and not these two alone."""
    low, high = (column.low, column.high) if column.kind is Kind.NUMBER else (column.minimum, column.maximum)
    return column.kind is Kind.NUMBER and low is not None and high is not None and 0 <= low < high <= 1


def _time(table: Table, profile: Profile) -> tuple[str, str] | None:
    times = [column for column in profile.columns if column.kind is Kind.TIME and column.distinct > 1]
    named = _named(times, TIME_NAMES)
    if named:
        return named.name, "its name and type"
    return (times[0].name, "the only column of times") if len(times) == 1 else None
