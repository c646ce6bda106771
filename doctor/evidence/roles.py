"""What each column is for: target, time, groups, annotators. Declared by the user, else inferred and said so."""

from typing import Any

from msgspec import Struct

from doctor.errors import UsageError
from doctor.evidence.annotators import infer_annotators
from doctor.evidence.profile import Profile
from doctor.model import Guess
from doctor.subjects.table import Table

TARGET_NAMES = ("target", "label", "labels", "class", "y", "outcome")


class Roles(Struct, frozen=True, kw_only=True):
    """The roles of a table's columns; None or empty where nobody knows."""

    target: str | None = None
    time: str | None = None
    group: tuple[str, ...] = ()
    annotators: tuple[str, ...] = ()
    item: str | None = None
    scale: str | None = None
    declared: frozenset[str] = frozenset()
    """The names of those roles that the user gave."""
    guesses: tuple[Guess, ...] = ()

    def as_given(self) -> dict[str, Any]:
        """Return the known roles by name."""
        roles = {
            "target": self.target,
            "time": self.time,
            "group": list(self.group),
            "annotators": list(self.annotators),
        }
        return {name: value for name, value in roles.items() if value}

    @classmethod
    def measure(cls, table: Table, profile: Profile) -> "Roles":
        """Take what was declared and infer the rest."""
        names = {column.name for column in table.columns}
        target = table.declared.target
        if target is not None and target not in names:
            raise UsageError(
                f"{table.shown}: no column {target!r} to be the target; columns: {', '.join(sorted(names)[:20])}"
            )
        guesses = []
        declared = set()
        if target:
            declared.add("target")
        else:
            target = next((name for name in names if name.lower() in TARGET_NAMES), None)
            if target:
                guesses.append(
                    Guess(
                        subject=table.shown, what="target", value=target, because="its name", override="--target COLUMN"
                    )
                )
        found = infer_annotators(table, profile)
        if found.guess:
            guesses.append(found.guess)
        return cls(
            target=target,
            annotators=found.annotators,
            item=found.item,
            scale=table.declared.scale,
            declared=frozenset(declared),
            guesses=tuple(guesses),
        )
