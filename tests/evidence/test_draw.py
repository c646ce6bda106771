"""Which rows are drawn from a large table."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doctor.evidence.profile import Profile
from doctor.model import Declared, Sampling
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
