"""Columns that name things: ids of the row itself, and keys of entities that own several rows.

A key is recognised by its name together with its cardinality, or by the structure of its values; an ordinary category
(city, product type, age) has neither. A unique id often carries its entity in front (309_1, 309_2 …, or a folder).
"""

import re

from msgspec import Struct
from sqlglot import exp

from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.roles import Roles
from doctor.model import Guess
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

ID_WORDS = frozenset(
    {"id", "ids", "uid", "uuid", "guid", "identifier", "no", "nr", "num", "number", "code", "key", "hash"}
)
ROW_WORDS = frozenset({"index", "idx", "rownames", "rowname", "row", "rowid", "unnamed", "serial", "record"})
_OWNERS = """
    user customer client patient subject person participant member host author speaker writer driver employee student
    animal mouse rat account device session visitor household cart basket donor respondent passenger player cow dog cat
    proband mrn individual entity owner worker
"""
_CATEGORIES = """
    city product item type category region country state store shop zip zipcode postal postcode area district class
    genre brand department school job occupation status payment language currency model make color colour month day
    hour year week size group version phone
"""
ENTITY_WORDS = frozenset(_OWNERS.split())
CATEGORY_WORDS = frozenset(_CATEGORIES.split())
DECLARED = "declared"
BY_NAME = "its name"
UNIQUE_SHARE = 0.95
MIN_KEYS = 10
MIN_CODES = 50
MAX_ROWS_PER_KEY = 200
VALUES_TRIED = 5_000
MIN_KEY_SHARE = 0.005
STRUCTURE_SHARE = 0.95

CODE = r"^[A-Za-z]{1,12}[-_#: ]?[0-9]{2,}$"
HEX = r"^(?:[0-9a-fA-F]{8,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$"
COUNTED = r"^(.*[^-_.:/\s])[-_.:/\s]+[0-9]{1,5}(?:\.[A-Za-z][A-Za-z0-9]{1,4})?$"
FOLDER = r"^(.*)[/\\][^/\\]+$"
DATE = (
    r"^\s*(?:[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}|[A-Z][a-z]{2,8}\.?[- ](?:[0-9]{1,2},? )?[0-9]{2,4}"
    r"|[0-9]{1,2}[- ][A-Za-z]{3,9}[- ][0-9]{2,4})"
)


class Key(Struct, frozen=True, kw_only=True):
    """A way to tell to which entity a row belongs.

    Attributes
    ----------
    pattern : str
        Regular expression whose first group is the key; empty where the whole value is.
    because : str
        What speaks for an entity, in words.
    """

    column: str
    pattern: str = ""
    because: str

    @property
    def declared(self) -> bool:
        """Whether the user named it."""
        return self.because == DECLARED

    def expression(self, table: str | None = None) -> sql.Expression:
        """Write the key as SQL; NULL where a value has none."""
        name = sql.column(self.column, table)
        if not self.pattern:
            return name
        return sql.call("nullif", sql.call("regexp_extract", name, self.pattern, 1), "")


class TextShape(Struct, frozen=True, kw_only=True):
    """How the values of a text column look.

    Attributes
    ----------
    words : float
        Words per value, mean.
    code, hex, counted, folder, date : float
        Shares of values of that structure.
    """

    words: float = 0.0
    code: float = 0.0
    hex: float = 0.0
    counted: float = 0.0
    folder: float = 0.0
    date: float = 0.0

    @property
    def prose(self) -> bool:
        """Whether the values are sentences rather than names or codes."""
        return self.words >= 3 and self.counted < STRUCTURE_SHARE and not self.dated

    @property
    def dated(self) -> bool:
        """Whether most values look like dates."""
        return self.date >= 0.5


class Keys(Struct, frozen=True, kw_only=True):
    """The columns that name rows or entities.

    Attributes
    ----------
    row_ids : tuple of str
        Columns with (nearly) one value per row that name the row; they say nothing about it.
    entities : tuple of Key
        Candidates for the entity that owns several rows, declared ones first.
    shapes : dict of str to TextShape
        Of every text column with enough values for keys.
    """

    row_ids: tuple[str, ...]
    entities: tuple[Key, ...]
    shapes: dict[str, TextShape]
    guesses: tuple[Guess, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """All columns that name something, so are no features."""
        return frozenset(self.row_ids) | {key.column for key in self.entities}

    @property
    def owners(self) -> tuple[str, ...]:
        """The columns that name an entity outright: declared, or by their name."""
        return tuple(key.column for key in self.entities if key.because in (DECLARED, BY_NAME))

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles) -> "Keys":
        """Judge names and cardinality from the profile, the structure of text on the drawn rows."""
        given = roles.group
        others = [column for column in profile.columns if column.name not in (roles.target, roles.time, *given)]
        texts = [column for column in others if column.kind is Kind.TEXT and column.distinct >= MIN_KEYS]
        shapes = _shapes(table, profile, texts)
        row_ids = tuple(column.name for column in others if _names_row(column, shapes.get(column.name)))
        declared = tuple(Key(column=name, because=DECLARED) for name in given)
        found = []
        for column in others:
            shape = shapes.get(column.name)
            if column.name in row_ids:
                found += [] if shape is None else _inside(column.name, shape)
            elif because := _names_entity(column, shape):
                found.append(Key(column=column.name, because=because))
        raters = (roles.item, *roles.annotators)
        told = {key.column: _guess(table, key) for key in found if not declared and key.column not in raters}
        return cls(row_ids=row_ids, entities=declared + tuple(found), shapes=shapes, guesses=tuple(told.values()))


def _guess(table: Table, key: Key) -> Guess:
    return Guess(subject=table.shown, what="group", value=key.column, because=key.because, override="--group COLUMN")


def _shapes(table: Table, profile: Profile, columns: list[ColumnProfile]) -> dict[str, TextShape]:
    if not columns:
        return {}
    # Values are drawn by their hash, once more: a few thousand show a form as well as all do.
    every = max(1, profile.drawn_rows // VALUES_TRIED)
    chosen: list[sql.Expression] = []
    facts: list[sql.Expression] = []
    for i, column in enumerate(columns):
        name, value = sql.column(column.name), sql.column(f"value_{i}")
        drawn = (
            sql.call("mod", sql.call("hash", name), every).eq(0)
            if column.distinct > VALUES_TRIED
            else sql.literal(True)
        )
        chosen.append(sql.call("if", drawn, name, sql.literal(None)).as_(f"value_{i}"))
        facts.append(sql.call("avg", sql.call("length", sql.call("regexp_replace", value, r"\S+", "", "g"))))
        facts += [
            sql.call("avg", exp.cast(sql.call("regexp_matches", value, form), "INT"))
            for form in (CODE, HEX, COUNTED, FOLDER, DATE)
        ]
    answer = table.ask(sql.select(*facts, source=sql.select(*chosen, source=profile.drawn)))[0]
    return {column.name: _shape(answer[6 * i : 6 * i + 6]) for i, column in enumerate(columns)}


def _shape(facts: tuple[float | None, ...]) -> TextShape:
    spaces, code, hexadecimal, counted, folder, date = (fact or 0.0 for fact in facts)
    return TextShape(words=spaces + 1, code=code, hex=hexadecimal, counted=counted, folder=folder, date=date)


def words_of(name: str) -> list[str]:
    """Split a column's name into lower-case words, camel case included."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", spaced.lower()) if word]


def _names_row(column: ColumnProfile, shape: TextShape | None) -> bool:
    if column.distinct_share < UNIQUE_SHARE or column.rows - column.missing < MIN_KEYS:
        return False
    if shape is not None:
        return not shape.prose and not shape.dated
    if column.kind is not Kind.INTEGER:
        return False
    words = words_of(column.name)
    named = bool(words) and (words[-1] in ID_WORDS | ROW_WORDS or words[0] in ROW_WORDS)
    low, high = column.minimum, column.maximum
    serial = isinstance(low, int) and isinstance(high, int) and high - low + 1 <= 1.1 * column.distinct
    return named or (serial and column.rows >= 50)


def _names_entity(column: ColumnProfile, shape: TextShape | None) -> str | None:
    """Return what speaks for an entity key, None where nothing does."""
    keys, rows = column.distinct, column.rows - column.missing
    if column.kind not in (Kind.INTEGER, Kind.TEXT) or keys < MIN_KEYS or rows > MAX_ROWS_PER_KEY * keys:
        return None
    if keys < MIN_KEY_SHARE * rows or (shape is not None and (shape.prose or shape.dated)):
        return None
    words = words_of(column.name)
    if not words or CATEGORY_WORDS & set(words):
        return None
    owner = bool(ENTITY_WORDS & set(words)) or any(words[-1] == entity + "id" for entity in ENTITY_WORDS)
    id_word = words[-1] in {"id", "uid", "uuid", "guid"} or (owner and words[-1] in ID_WORDS)
    coded = shape is not None and max(shape.code, shape.hex) >= STRUCTURE_SHARE
    numbered = column.kind is Kind.INTEGER and isinstance(column.maximum, int) and column.maximum >= 100
    if id_word or (owner and words[-1].endswith("id")):
        return BY_NAME
    if owner and words[-1] in ENTITY_WORDS and (coded or numbered):
        return BY_NAME
    if coded and keys >= MIN_CODES and keys >= 0.01 * rows:
        return "the form of its values"
    return None


def _inside(name: str, shape: TextShape) -> list[Key]:
    keys = []
    if shape.folder >= STRUCTURE_SHARE:
        keys.append(Key(column=name, pattern=FOLDER, because="the folder in its path"))
    if shape.counted >= STRUCTURE_SHARE and not shape.dated:
        keys.append(Key(column=name, pattern=COUNTED, because="what stands before its last number"))
    return keys
