"""Names and codes of large tables are read whole only where drawn rows hold what is looked for."""

from pathlib import Path

import duckdb
import pytest

from doctor.evidence import suspects
from doctor.evidence.secrets import Secrets
from doctor.testing import measure

ROWS = 12_000


def table(path: Path, holders: str) -> Path:
    """Write a code per row; rows that meet a condition hold an address instead."""
    code = f"CASE WHEN {holders} THEN 'ann.' || i || '@mail.org' ELSE md5(i::VARCHAR) END"
    duckdb.sql(f"COPY (SELECT {code} AS code, i % 7 AS size FROM range({ROWS}) t(i)) TO '{path}'")
    return path


@pytest.mark.parametrize(("holders", "held"), [("i % 3 = 0", ROWS // 3), ("false", 0)])
def test_codes_of_a_large_table_are_read_where_drawn_rows_hold_some(
    holders: str, held: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suspects, "MANY_ROWS", 1_000)
    found = measure(Secrets, table(tmp_path / "codes.parquet", holders))
    assert sum(one.cells for one in found.holdings) == held


def test_one_among_few_rows_is_found(tmp_path: Path) -> None:
    found = measure(Secrets, table(tmp_path / "codes.parquet", "i = 77"))
    assert [one.cells for one in found.holdings] == [1]
