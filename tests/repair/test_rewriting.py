"""Cells that are written anew, in every format."""

from pathlib import Path

import pytest
from sick_data import FORMATS, Row, write_rows

from doctor.case import open_case
from doctor.model import FillMissing, RewriteCells
from doctor.repair.changes import Changes
from doctor.repair.copying import WRITERS
from doctor.repair.treatment import treat
from doctor.settings import Settings
from doctor.subjects import sql
from doctor.subjects.formats import suffix_of
from doctor.subjects.table import Kind


def made() -> list[Row]:
    """Rows with prices in dress, words for nothing, and a level in three spellings."""
    return [
        {
            "price": "?" if i % 10 == 3 else f"${1000 + i:,}",
            "days": 999 if i % 10 == 4 else i % 30,
            "town": ("York", " york", "YORK")[i % 3] if i % 2 else "Bath",
            "label": "yes" if i % 3 else "no",
        }
        for i in range(120)
    ]


UNDRESS = RewriteCells(columns=("price",), values={"?": ""}, number=True)
EMPTY = RewriteCells(columns=("days",), values={"999": ""})
SPELL = RewriteCells(columns=("town",), values={" york": "york"})
JOIN = RewriteCells(columns=("town",), values={"york": "York", "YORK": "York"}, strip=True)


@pytest.mark.parametrize("form", FORMATS)
def test_cells_are_rewritten_in_every_format(form: str, tmp_path: Path) -> None:
    source = tmp_path / f"data.{form.removeprefix('stream.')}"
    write_rows(made(), source, form)
    copy = tmp_path / "copy" / source.name
    copy.parent.mkdir()
    with open_case([source], Settings()) as case:
        (table,) = case.tables
        done = treat(table, [UNDRESS, EMPTY, SPELL, JOIN])
        assert [sum(result.cells.values()) for result in done.results if not isinstance(result, str)] == [
            120,
            12,
            20,
            40,
        ]
        WRITERS[suffix_of(source)](Changes.of(done.state), [0], {0: copy})
    with open_case([copy], Settings()) as case:
        (table,) = case.tables
        assert {Kind.INTEGER} == {table.column(name).kind for name in ("price", "days")}
        rows = table.ask(f"SELECT price, days, town FROM {sql.name(table.relation)} ORDER BY {sql.ROW}")
    wanted = [
        (
            None if i % 10 == 3 else 1000 + i,
            None if i % 10 == 4 else i % 30,
            "York" if i % 2 else "Bath",
        )
        for i in range(120)
    ]
    assert wanted == rows


def test_holes_that_were_made_are_filled_and_their_values_not_given(tmp_path: Path) -> None:
    write_rows(made(), tmp_path / "data.csv", "csv")
    with open_case([tmp_path / "data.csv"], Settings()) as case:
        state = treat(case.tables[0], [EMPTY, FillMissing(columns=("days",))]).state
    emptied = set(state.written["days"].emptied.tolist())
    assert emptied == set(state.filled["days"].rows.tolist())
    assert not emptied & set(state.filled["days"].donors.tolist())


def test_a_column_that_is_not_all_numbers_is_not_made_one(tmp_path: Path) -> None:
    write_rows(made(), tmp_path / "data.csv", "csv")
    with open_case([tmp_path / "data.csv"], Settings()) as case:
        (said,) = treat(case.tables[0], [RewriteCells(columns=("price",), number=True)]).results
    assert said == "not all values of price are numbers"
