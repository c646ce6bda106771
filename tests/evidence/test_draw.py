"""Which rows are drawn from a large table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doctor.errors import Unavailable
from doctor.evidence.profile import Profile
from doctor.model import Declared, Sampling
from doctor.subjects import sql
from doctor.subjects.layout import open_tables
from doctor.subjects.table import Engine


@pytest.mark.parametrize("seed", range(4))
def test_columns_that_tell_the_same_do_not_draw_whole_heaps(tmp_path: Path, seed: int) -> None:
    """Four codes of 500 stations have 500 contents; drawn by these, few stations would stay."""
    draw = np.random.default_rng(0)
    station = draw.integers(0, 500, 50_000)
    codes = {f"code_{number}": draw.permutation(500)[station] for number in range(4)}
    pq.write_table(pa.table({**codes, "label": draw.integers(0, 2, 500)[station]}), tmp_path / "table.parquet")
    engine = Engine()
    try:
        table = open_tables(engine, [tmp_path / "table.parquet"], Declared())[0][0]
        drawn = Profile.measure(table, Sampling(rows=1000, seed=seed)).drawn
        rows, stations, share = engine.rows(f'SELECT count(*), count(DISTINCT code_0), avg(label) FROM "{drawn}"')[0]
    finally:
        engine.close()
    whole = float(np.mean(pq.read_table(tmp_path / "table.parquet")["label"].to_numpy()))
    assert 800 < rows < 1200
    assert stations > 350
    assert abs(share - whole) < 0.08


def measured(path: Path, columns: dict[str, object], seed: int) -> tuple[int, float]:
    """Return how many rows are drawn of a table, and the share of them that is marked."""
    pq.write_table(pa.table(columns), path / "table.parquet")
    engine = Engine()
    try:
        table = open_tables(engine, [path / "table.parquet"], Declared())[0][0]
        drawn = Profile.measure(table, Sampling(rows=1000, seed=seed)).drawn
        rows, share = engine.rows(f'SELECT count(*), avg(marked::INT) FROM "{drawn}"')[0]
    finally:
        engine.close()
    return int(rows), float(share)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.4])
def test_rows_without_a_measurement_are_drawn_like_the_others(tmp_path: Path, seed: int, share: float) -> None:
    """Drawn by measurements alone, the rows that lack them all would come or go together."""
    draw = np.random.default_rng(0)
    marked = draw.random(50_000) < share
    measures = {f"measure_{number}": draw.normal(size=50_000) for number in range(4)}
    columns = {name: pa.array(values, mask=marked) for name, values in measures.items()}
    codes = pa.array([f"code {number}" for number in range(50_000)])
    rows, seen = measured(tmp_path, {**columns, "code": codes, "marked": marked}, seed)
    assert 850 < rows < 1150
    assert abs(seen - share) < 0.05


def test_drawn_rows_are_whole(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    number = np.arange(20_000)
    word = np.array([f"word {n}" for n in number])
    columns = {"x y": draw.normal(size=20_000), "Number": number, "word": word, "table_1": word, "fact_0": number}
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table(columns), path)
    engine = Engine()
    try:
        table = open_tables(engine, [path], Declared())[0][0]
        drawn = Profile.measure(table, Sampling(rows=1000, seed=0)).drawn
        names = [name for name, *_ in engine.rows(f'DESCRIBE "{drawn}"')]
        others = engine.rows(f'SELECT * FROM "{drawn}" EXCEPT SELECT * FROM "{table.relation}"')
        rows = engine.rows(f'SELECT count(*) FROM "{drawn}"')[0][0]
    finally:
        engine.close()
    assert names == [*columns, "__doctor_row", "__doctor_split"]
    assert 850 < rows < 1150
    assert others == []


def test_rows_are_drawn_after_the_count_where_memory_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts are the same, and as many rows are drawn, in two passes as in one."""
    draw = np.random.default_rng(0)
    columns = {"size": draw.normal(size=20_000), "number": np.arange(20_000), "marked": draw.random(20_000) < 0.5}
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    keep = Engine.keep

    def short_of_memory(engine: Engine, stem: str, statement: sql.Expression | str) -> str:
        if stem == "counted":
            raise Unavailable("not enough memory")
        return keep(engine, stem, statement)

    found = []
    for short in (False, True):
        if short:
            monkeypatch.setattr(Engine, "keep", short_of_memory)
        engine = Engine()
        try:
            table = open_tables(engine, [tmp_path / "table.parquet"], Declared())[0][0]
            found.append(Profile.measure(table, Sampling(rows=1000, seed=0)))
        finally:
            engine.close()
    one, two = found
    assert [(c.name, c.missing, c.minimum, c.maximum) for c in one.columns] == [
        (c.name, c.missing, c.minimum, c.maximum) for c in two.columns
    ]
    assert all(850 < profile.drawn_rows < 1150 for profile in found)
