"""Hashes of every row, computed in one pass and kept in the engine, so that joins across splits are joins there."""

from msgspec import Struct
from sqlglot import exp

from doctor.evidence.keys import Keys
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.subjects import sql
from doctor.subjects.table import Column, Kind, Table

BLANKS = " \t\n\r\u00a0"


class RowHashes(Struct, frozen=True, kw_only=True):
    """Where the hashes of a table's rows are kept.

    Attributes
    ----------
    relation : str
        A stored table with `row` (BIGINT, `sql.ROW` of the table), `split` and `feature_hash` (UBIGINT; see `features`;
        missing values as values, text without case and blanks around it, but for prose).
    features : tuple of str
        The columns under `feature_hash`: those that every split has, without the target and without what names rows or
        entities.
    prose : frozenset of str
        Those of them that hold sentences.
    folded : tuple of str
        Those of them that are compared without case and blanks around them.
    ids : tuple of str
        What was left out because it names rows or entities.
    rest : tuple of str
        The columns that `feature_hash` leaves out, or in which it does not see every difference.
    """

    relation: str
    features: tuple[str, ...]
    prose: frozenset[str]
    folded: tuple[str, ...]
    ids: tuple[str, ...]
    rest: tuple[str, ...]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, keys: Keys) -> "RowHashes":
        """Read the table once and store a few bytes per row."""
        shared = [column for column in table.columns if set(column.splits) == set(table.splits)]
        features = [column for column in shared if column.name != roles.target and column.name not in keys.names]
        features = features or [column for column in shared if column.name != roles.target] or list(table.columns)
        prose = frozenset(name for name, shape in keys.shapes.items() if shape.prose)
        texts = [column for column in features if column.kind is Kind.TEXT and column.name not in prose]
        folded = _changed_by_folding(table, profile, texts)
        plain = [column for column in features if column not in folded]
        hashed = [sql.column(column.name) for column in plain] + [fold(sql.column(column.name)) for column in folded]
        wanted = (
            sql.column(sql.ROW).as_("row"),
            sql.column(sql.SPLIT).as_("split"),
            sql.row_hash(hashed).as_("feature_hash"),
        )
        return cls(
            relation=table.engine.keep("hashes", table.select(*wanted)),
            features=tuple(column.name for column in features),
            prose=prose & {column.name for column in features},
            folded=tuple(column.name for column in folded),
            ids=tuple(column.name for column in table.columns if column.name in keys.names),
            rest=tuple(column.name for column in table.columns if column not in plain),
        )


def _changed_by_folding(table: Table, profile: Profile, texts: list[Column]) -> list[Column]:
    """Return the columns of which a drawn value has a capital or a blank around it; to fold the others is waste."""
    if not texts:
        return []
    names = [sql.column(column.name) for column in texts]
    tests = [sql.call("bool_or", exp.NEQ(this=fold(name), expression=name)) for name in names]
    answer = table.ask(sql.select(*tests, source=profile.drawn))[0]
    return [column for column, changed in zip(texts, answer, strict=True) if changed]


def fold(value: sql.Expression) -> sql.Expression:
    """Write text without the differences that hide a copy: case, and blanks around it."""
    return sql.call("trim", sql.call("lower", value), BLANKS)


def fold_punctuation(value: sql.Expression) -> sql.Expression:
    """Write prose as its letters and digits alone, words apart."""
    return sql.call("trim", sql.call("regexp_replace", sql.call("lower", value), r"[^\p{L}\p{N}]+", " ", "g"))
