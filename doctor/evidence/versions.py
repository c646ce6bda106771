"""What changed between an older version of a table and the one that is scanned: schema, rows, values, labels."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.arrangement import Setting
from doctor.evidence.keys import Keys
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.shifts import Contrast, contrast, features
from doctor.evidence.sides import whole_side
from doctor.evidence.targets import Target, Task
from doctor.model import Sampling
from doctor.subjects import sql
from doctor.subjects.previous import Previous
from doctor.subjects.table import Column, Table

MAX_ROWS_LISTED = 1_000
MAX_PAIRS_SHOWN = 10


class Flips(Struct, frozen=True, kw_only=True):
    """Labels of rows that both versions have.

    Attributes
    ----------
    rows : int
        Rows whose label changed.
    of : int
        Rows that could be matched and have a label in both.
    pairs : dict of str to int
        "old → new" with its rows, the commonest first.
    numbers, row_numbers : tuple of int
        `sql.ROW` of some of them in the newer version, and their numbers as a person counts them, in their files.
    """

    target: str
    rows: int
    of: int
    pairs: dict[str, int]
    numbers: tuple[int, ...]
    row_numbers: tuple[int, ...]

    @property
    def share(self) -> float:
        """Changed labels per matched row."""
        return self.rows / self.of if self.of else 0.0


class Versions(Struct, frozen=True, kw_only=True):
    """The newer version beside the older one.

    Attributes
    ----------
    old : str
        The older version's path.
    old_rows, new_rows, kept_rows : int
        Rows of each, and those that both have, by `key` where there is one, else by content.
    key : str or None
        The column that names rows in both; None where rows are matched by their content.
    changed_values : dict of str to int
        Where there is a key: rows of both with another value, by column.
    removed, added : tuple of str
        Columns.
    kinds : dict of str to (str, str)
        Columns that hold another kind of values, old and new.
    moved : dict of str to int
        Rows that changed their split, by "old → new".
    """

    old: str
    old_rows: int
    new_rows: int
    kept_rows: int
    key: str | None
    changed_values: dict[str, int]
    removed: tuple[str, ...]
    added: tuple[str, ...]
    kinds: dict[str, tuple[str, str]]
    moved: dict[str, int]
    flips: Flips | None
    contrast: Contrast

    @classmethod
    def measure(
        cls,
        table: Table,
        previous: Previous | None,
        profile: Profile,
        roles: Roles,
        keys: Keys,
        sample: Sample,
        sampling: Sampling,
        target: Target | None,
    ) -> "Versions":
        """Join the versions row by row in the engine, and compare distributions on drawn rows.

        Raises
        ------
        NotApplicable
            When no older version is given, or it holds no such table.
        """
        if previous is None:
            raise NotApplicable("no older version is given; --against OLD names one")
        old = previous.version_of(table)
        if old is None:
            raise NotApplicable(f"{previous.shown} holds no table with a column of {table.shown}")
        before, after = ({column.name: column for column in one.columns} for one in (old, table))
        shared = [name for name in after if name in before]
        kinds = {name: (before[name].kind.value, after[name].kind.value) for name in shared}
        kinds = {name: pair for name, pair in kinds.items() if pair[0] != pair[1]}
        same = [after[name] for name in shared if name not in kinds]
        join = _Join(old, table, same, roles.target, keys)
        old_profile = Profile.measure(old, sampling)
        sides = (whole_side(old, Sample.measure(old, old_profile), "the older version"),
                 whole_side(table, sample, "the newer one"))  # fmt: skip
        names = [name for name in features(table, profile, roles, keys) if name in shared and name not in kinds]
        return cls(
            old=previous.shown,
            old_rows=old.rows,
            new_rows=table.rows,
            kept_rows=join.kept(),
            key=join.key,
            changed_values=join.changed_values(),
            removed=tuple(name for name in before if name not in after),
            added=tuple(name for name in after if name not in before),
            kinds=kinds,
            moved=join.moved(),
            flips=join.flips(),
            contrast=contrast(
                Setting.plain(sides),
                names,
                roles.target if roles.target in shared and roles.target not in kinds else None,
                quantity=target is not None and target.task is Task.REGRESSION,
            ),
        )


class _Join:
    """Rows of two versions, matched by a key or by their content."""

    def __init__(self, old: Table, new: Table, same: Sequence[Column], target: str | None, keys: Keys) -> None:
        self.new = new
        self._tables = (old.relation, new.relation)
        self.target = target if target in {column.name for column in same} else None
        names = [column.name for column in same]
        self.key = next((name for name in keys.row_ids if name in names and _unique(old, name) and _unique(new, name)),
                        None)  # fmt: skip
        self.features = [name for name in names if name not in (self.key, target)]
        marks = [self.key] if self.key else self.features or names
        self.old_rows, self.new_rows = (self._kept(table, marks) for table in (old, new))

    def _kept(self, table: Table, marks: Sequence[str]) -> str:
        """Store, of every row, its number, split, hash of what identifies it, and label."""
        label = sql.cast_text(sql.column(self.target)) if self.target else sql.literal(None)
        wanted = (
            sql.column(sql.ROW).as_("row"),
            sql.column(sql.SPLIT).as_("split"),
            sql.row_hash([sql.column(name) for name in marks]).as_("mark"),
            label.as_("label"),
        )
        return table.engine.keep("version", table.select(*wanted))

    def _counts(self) -> str:
        """Write the query for how often each mark occurs in both versions."""
        counted = 'SELECT mark, count(*) AS times FROM "{}" GROUP BY mark'
        old, new = (counted.format(rows) for rows in (self.old_rows, self.new_rows))
        return f"SELECT mark, o.times AS old_times, n.times AS new_times FROM ({old}) o JOIN ({new}) n USING (mark)"

    def kept(self) -> int:
        """Count the rows that both have; a row that occurs twice in one and once in the other is kept once."""
        return int(self.new.ask(f"SELECT coalesce(sum(least(old_times, new_times)), 0) FROM ({self._counts()})")[0][0])

    def _matched(self) -> str:
        """Write the query for rows that stand once in each version."""
        once = f"SELECT mark FROM ({self._counts()}) WHERE old_times = 1 AND new_times = 1"
        return (
            f'SELECT n."row" AS "row", o."row" AS old_row, o.split AS old_split, n.split AS new_split, '
            f'o.label AS old_label, n.label AS new_label FROM ({once}) JOIN "{self.old_rows}" o USING (mark) '
            f'JOIN "{self.new_rows}" n USING (mark)'
        )

    def flips(self) -> Flips | None:
        """Compare the labels of matched rows."""
        if self.target is None:
            return None
        differ = "old_label IS DISTINCT FROM new_label"
        matched = self._matched()
        of, rows = self.new.ask(f"SELECT count(*), count_if({differ}) FROM ({matched})")[0]
        pairs = self.new.ask(
            f"SELECT old_label, new_label, count(*) AS times FROM ({matched}) WHERE {differ} "
            f"GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT {MAX_PAIRS_SHOWN}"
        )
        found = self.new.ask(f'SELECT "row" FROM ({matched}) WHERE {differ} ORDER BY 1 LIMIT {MAX_ROWS_LISTED}')
        shown = {f"{_said(old)} → {_said(new)}": int(times) for old, new, times in pairs}
        numbers = [int(row) for (row,) in found]
        return Flips(
            target=self.target,
            rows=int(rows or 0),
            of=int(of),
            pairs=shown,
            numbers=tuple(numbers),
            row_numbers=self.new.numbers(numbers),
        )

    def moved(self) -> dict[str, int]:
        """Count matched rows that changed their split."""
        answer = self.new.ask(
            f"SELECT old_split, new_split, count(*) FROM ({self._matched()}) WHERE old_split <> new_split "
            "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
        )
        return {f"{old} → {new}": int(times) for old, new, times in answer}

    def changed_values(self) -> dict[str, int]:
        """Count, column by column, the rows of one key whose value changed."""
        if self.key is None or not self.features:
            return {}
        old, new = self._tables
        differ = [f"count_if(o.{sql.name(name)} IS DISTINCT FROM n.{sql.name(name)})" for name in self.features]
        answer = self.new.ask(
            f"SELECT {', '.join(differ)} FROM {sql.name(old)} o JOIN {sql.name(new)} n "
            f"ON o.{sql.name(self.key)} = n.{sql.name(self.key)}"
        )[0]
        return {name: int(times) for name, times in zip(self.features, answer, strict=True) if times}


def _unique(table: Table, name: str) -> bool:
    column = sql.name(name)
    rows, present, distinct = table.ask(
        f"SELECT count(*), count({column}), count(DISTINCT {column}) FROM {sql.name(table.relation)}"
    )[0]
    return bool(rows == present == distinct)


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value).removesuffix(".0")
