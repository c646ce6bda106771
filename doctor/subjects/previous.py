"""An older version of what is scanned, opened beside it for comparison."""

from dataclasses import dataclass, field

from doctor.model import Problem
from doctor.subjects.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Previous:
    """The tables of the older version.

    Attributes
    ----------
    shown : str
        Its path as the user gave it.
    """

    shown: str
    tables: tuple[Table, ...] = field(default=())
    problems: tuple[Problem, ...] = field(default=())

    def version_of(self, table: Table) -> Table | None:
        """Return the older version of a table: of the same name, else the one that shares most columns, if any."""
        if len(self.tables) > 1:
            same = [old for old in self.tables if old.label == table.label]
            if same:
                return same[0]
        names = {column.name for column in table.columns}
        shared = [(len(names & {column.name for column in old.columns}), -i) for i, old in enumerate(self.tables)]
        best = max(shared, default=(0, 0))
        return self.tables[-best[1]] if best[0] else None
