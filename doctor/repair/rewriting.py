"""Writes cells anew: spellings joined, blanks off, "missing" emptied, numbers undressed, letters mended, lines cut."""

from collections.abc import Callable, Mapping

import numpy as np

from doctor.evidence.boilerplate import without_pieces
from doctor.evidence.cell_texts import dress_of, is_number, stripped
from doctor.evidence.garbling import mended
from doctor.evidence.secrets import redacted
from doctor.model import RewriteCells
from doctor.repair.rows import require
from doctor.repair.state import Effect, Refused, State, Written
from doctor.subjects import sql
from doctor.subjects.table import Column


def rewrite_cells(state: State, repair: RewriteCells) -> Effect:
    """Give cells new values, one column after the other.

    Raises
    ------
    Refused
        When a column is not there, when it would hold something else than numbers although numbers are wanted, or when
        emptied cells would leave blank lines.
    """
    require(state, repair.columns)
    cells = {}
    for name in repair.columns:
        column = state.table.column(name)
        new = _of_numbers(state, column, repair.values) if column.numeric else _of_texts(state, column, repair)
        if new is None:
            continue
        if "" in new.texts and len(state.table.columns) == 1:
            raise Refused(f"{name} is the only column; emptied cells would be blank lines")
        state.written[name] = new
        if repair.number and not column.numeric:
            state.retyped[name] = "integer" if _whole(state, column) else "number"
        cells[name] = int(np.count_nonzero(state.kept[new.rows]))
    return Effect(cells=cells)


def _of_numbers(state: State, column: Column, values: Mapping[str, str]) -> Written | None:
    """Find the cells of a numeric column that hold one of some numbers."""
    texts, cases = list(dict.fromkeys(values.values())), []
    for old, new in values.items():
        number = f"CAST({sql.quoted(old)} AS DOUBLE)"
        cases.append(f"WHEN CAST({sql.name(column.name)} AS DOUBLE) = {number} THEN {texts.index(new)}")
    codes = state.values(f"(CASE {' '.join(cases)} ELSE -1 END)::INTEGER")
    rows = np.flatnonzero(codes >= 0)
    if not len(rows):
        return None
    return Written(rows=rows, codes=codes[rows].astype(np.int64), texts=tuple(texts))


def _of_texts(state: State, column: Column, repair: RewriteCells) -> Written | None:
    """Work out what becomes of each different text of a column, and where these stand."""
    change = _changing(repair)
    relation, name = sql.name(state.table.relation), sql.name(column.name)
    known = [text for (text,) in state.table.ask(f"SELECT DISTINCT CAST({name} AS VARCHAR) FROM {relation}") if text]
    earlier = state.written.get(column.name)
    before = earlier.by_row() if earlier else {}
    changed = {text: new for text in sorted(known) if (new := change(text)) != text}
    if repair.number and not all(_number_or_nothing(changed.get(text, text)) for text in known):
        raise Refused(f"not all values of {column.name} are numbers")
    cells: dict[int, str] = {row: change(text) if text else "" for row, text in before.items()}
    if changed:
        words = {"old": np.array(list(changed), dtype=object), "code": np.arange(len(changed))}
        with state.table.engine.lent("changed", words) as lent:
            every = f"SELECT {sql.ROW} AS number, CAST({name} AS VARCHAR) AS old FROM {relation}"
            found = state.table.engine.arrays(f"SELECT number, code FROM ({every}) JOIN {sql.name(lent)} USING (old)")
        texts = list(changed.values())
        for row, code in zip(found["number"].tolist(), found["code"].tolist(), strict=True):
            cells.setdefault(row, texts[code])
    return Written.of(cells) if cells else None


def _changing(repair: RewriteCells) -> Callable[[str], str]:
    cut = frozenset(repair.cut)

    def change(text: str) -> str:
        text = without_pieces(text, cut) if cut else text
        text = redacted(mended(text, repair.mend), repair.mend) if repair.mend else text
        text = repair.values.get(text, text)
        if repair.strip:
            text = repair.values.get(stripped(text), stripped(text))
        if repair.number and text:
            text = dress_of(stripped(text))[1] or text
        return text

    return change


def _number_or_nothing(text: str) -> bool:
    return not text or is_number(stripped(text))


def _whole(state: State, column: Column) -> bool:
    """Whether all numbers that a column of text will hold are whole."""
    written = state.written[column.name]
    relation, name = sql.name(state.table.relation), sql.name(column.name)
    untouched = [text for (text,) in state.table.ask(f"SELECT DISTINCT {name} FROM {relation}") if text]
    texts = {*untouched, *written.texts}
    numbers = [stripped(text) for text in texts if is_number(stripped(text))]
    return all(text.lstrip("+-").isdecimal() for text in numbers)
