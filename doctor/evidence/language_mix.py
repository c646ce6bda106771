"""Texts in another script or language than nearly all others of their column, and what else tells them apart."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import numpy as np
from msgspec import Struct

from doctor.evidence.garbling import excerpt
from doctor.evidence.keys import words_of
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.significance import binomial_upper_tail
from doctor.evidence.suspects import place_of
from doctor.evidence.text_columns import TextColumn
from doctor.evidence.text_sample import TextSample
from doctor.evidence.tongues import LATIN, language_of, script_of
from doctor.masking import without_secrets
from doctor.subjects import sql
from doctor.subjects.table import Table

MAX_LETTERS = 20_000_000
"""Of a column that are read; of more every so many rows."""
MIN_JUDGED = 30
MIN_MAIN_SHARE = 0.8
"""Of the texts that can be judged, from which the others are strangers; with fewer the column has several languages."""
EXAMPLES = 4
LETTERS_SHOWN = 160
MAX_NUMBERS = 50_000
MAX_LABELS = 20
LANGUAGE_WORDS = frozenset({"lang", "language", "languages", "lng", "locale", "idioma", "sprache", "langue", "script"})
"""In the name of a column that says in which language a row is."""
DECLARED_SHARE = 0.5
"""Of the rows with a value, those with strange texts, from which the value stands for their language."""
MAX_LABEL_CHANCE = 1e-4


class Example(Struct, frozen=True, kw_only=True):
    """A strange text, cut and masked."""

    place: str
    text: str
    tongue: str


class Told(Struct, frozen=True, kw_only=True):
    """The label that strange texts have more often than chance explains: its share among them, and among all."""

    label: str
    share: float
    usual_share: float


class Mix(Struct, frozen=True, kw_only=True):
    """One column in which few texts are strange.

    Attributes
    ----------
    kind : str
        "script", or "language" where the script is Latin.
    main : str
        The script or language of nearly all.
    judged, strange : int
        Rows of which it can be told, and those with another one.
    tongues : dict of str to int
        Strange rows by what they are, the commonest first.
    by_split : dict of str to float
        Share of the judged rows that is strange.
    label : Told or None
        Where a class has strangely many of them.
    declared : str
        The column that says so; empty where none does.
    numbers : tuple of int
        Strange rows, counted from 0 in the table; empty where not all rows were read.
    """

    column: str
    kind: str
    main: str
    judged: int
    strange: int
    tongues: dict[str, int]
    by_split: dict[str, float]
    label: Told | None
    declared: str
    drawn: bool
    numbers: tuple[int, ...]
    examples: tuple[Example, ...]


class LanguageMix(Struct, frozen=True, kw_only=True):
    """All columns of free text with strange texts; `most_judged` is the most rows that could be judged in one."""

    COST: ClassVar[int] = 8

    mixes: tuple[Mix, ...]
    most_judged: int

    @classmethod
    def measure(cls, table: Table, sample: TextSample, profile: Profile, roles: Roles) -> "LanguageMix":
        """Judge the drawn texts, first by their script, then those in Latin script by their language."""
        found: list[Mix] = []
        most = 0
        for column in (column for column in sample.columns if column.name != roles.target):
            rows = _Rows(sample, column)
            scripts = rows.judged(script_of)
            most = max(most, len(scripts))
            latin = [row for row, script in scripts.items() if script == LATIN]
            languages = rows.judged(language_of, latin) if 2 * len(latin) > len(scripts) else {}
            for kind, tongues in (("script", scripts), ("language", languages)):
                if mix := _mix(table, rows, kind, tongues, profile, roles):
                    found.append(mix)
        return cls(mixes=tuple(found), most_judged=most)


class _Rows:
    """The read texts of a column by their rows."""

    def __init__(self, sample: TextSample, column: TextColumn) -> None:
        self.column = column.name
        self.texts: dict[int, str] = {}
        self.split: dict[int, str] = {}
        self.drawn = False
        for drawn in (drawn for drawn in sample.splits if column.name in drawn.cells):
            every = max(1, int(len(drawn.numbers) * column.letters / MAX_LETTERS))
            self.drawn |= drawn.every > 1 or every > 1
            for row, text in zip(drawn.numbers[::every].tolist(), drawn.texts(column)[::every], strict=True):
                self.texts[row] = text
                self.split[row] = drawn.split

    def judged(self, judge: Callable[[str], str], rows: Sequence[int] | None = None) -> dict[int, str]:
        """Return what is judged of each row; rows of which nothing can be told are left out."""
        known: dict[str, str] = {}
        found = {}
        for row in self.texts if rows is None else rows:
            text = self.texts[row]
            if text not in known:
                known[text] = judge(text)
            if known[text]:
                found[row] = known[text]
        return found


def _mix(
    table: Table, rows: _Rows, kind: str, tongues: Mapping[int, str], profile: Profile, roles: Roles
) -> Mix | None:
    counts = Counter(tongues.values())
    if len(tongues) < MIN_JUDGED or len(counts) < 2:
        return None
    main, most = counts.most_common(1)[0]
    if most < MIN_MAIN_SHARE * len(tongues):
        return None
    strange = sorted(row for row, tongue in tongues.items() if tongue != main)
    judged = Counter(rows.split[row] for row in tongues)
    by_split = Counter(rows.split[row] for row in strange)
    return Mix(
        column=rows.column,
        kind=kind,
        main=main,
        judged=len(tongues),
        strange=len(strange),
        tongues={tongue: count for tongue, count in counts.most_common() if tongue != main},
        by_split={split: by_split[split] / count for split, count in judged.items()},
        label=_label(table, tongues, strange, profile, roles),
        declared=_declared(table, tongues, strange, profile),
        drawn=rows.drawn,
        numbers=tuple(strange) if not rows.drawn and len(strange) <= MAX_NUMBERS else (),
        examples=tuple(_examples(table, rows, tongues, strange)),
    )


def _examples(table: Table, rows: _Rows, tongues: Mapping[int, str], strange: Sequence[int]) -> list[Example]:
    """Show the first text of each tongue, then further ones."""
    first = {tongues[row]: row for row in reversed(strange)}
    some = dict.fromkeys([*sorted(first.values()), *strange])
    return [
        Example(
            place=place_of(table, rows.column, row),
            text=excerpt(without_secrets(rows.texts[row]), ((0, 0),), LETTERS_SHOWN)[0],
            tongue=tongues[row],
        )
        for row in list(some)[:EXAMPLES]
    ]


def _values(table: Table, column: str, rows: Sequence[int]) -> dict[int, str]:
    """Read the values of a column in some rows."""
    with table.engine.lent("wanted", {"row": np.array(rows, dtype=np.int64)}) as lent:
        found = table.ask(
            f'SELECT wanted."row", CAST(data.{sql.name(column)} AS VARCHAR) FROM {sql.name(table.relation)} data '
            f'JOIN {sql.name(lent)} wanted ON data.{sql.ROW} = wanted."row"'
        )
    return {int(row): str(value) for row, value in found if value is not None}


def _label(
    table: Table, tongues: Mapping[int, str], strange: Sequence[int], profile: Profile, roles: Roles
) -> Told | None:
    target = next((column for column in profile.columns if column.name == roles.target), None)
    if target is None or not 2 <= target.distinct <= MAX_LABELS:
        return None
    values = _values(table, target.name, list(tongues))
    usual = Counter(values.values())
    own = Counter(values[row] for row in strange if row in values)
    told = []
    for label, count in own.items():
        share = usual[label] / usual.total()
        # As many labels were looked at as there are.
        if share < 1 and binomial_upper_tail(count, own.total(), share) * len(usual) <= MAX_LABEL_CHANCE:
            told.append(Told(label=without_secrets(label), share=count / own.total(), usual_share=share))
    return max(told, key=lambda one: (one.share - one.usual_share, one.label), default=None)


def _declared(table: Table, tongues: Mapping[int, str], strange: Sequence[int], profile: Profile) -> str:
    """Name the column that tells which rows are in another language, if one is there for this."""
    for column in profile.columns:
        if not LANGUAGE_WORDS & set(words_of(column.name)) or column.distinct < 2:
            continue
        values = _values(table, column.name, list(tongues))
        every, own = Counter(values.values()), Counter(values[row] for row in strange if row in values)
        known = sum(count for value, count in own.items() if count >= DECLARED_SHARE * every[value])
        if known >= MIN_MAIN_SHARE * len(strange):
            return column.name
    return ""
