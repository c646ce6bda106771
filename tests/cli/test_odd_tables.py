"""Tables that people have and that must end in a plain report."""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

Scan = Callable[..., dict[str, Any]]


def guessed(report: dict[str, Any], what: str) -> list[str]:
    return [guess["value"] for guess in report["case"]["guesses"] if guess["what"] == what]


def test_a_target_of_times_is_examined(tmp_path: Path, scan: Scan) -> None:
    draw = np.random.default_rng(0)
    times = [datetime(2020, 1, 1) + timedelta(hours=int(hour)) for hour in draw.integers(0, 9999, 400)]
    late = np.argsort(np.argsort(times)) >= 300
    columns = {"size": draw.normal(size=400), "paid": [1.5 if last else None for last in late], "due": times}
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    report = scan(tmp_path / "table.parquet", "--target", "due", "--select", "missingness-leakage")
    found = [(finding["at"]["columns"], finding["evidence"]["label"]) for finding in report["findings"]]
    assert found == [(["paid"], "highest quarter")]


def test_infinite_and_huge_numbers_bring_no_words_of_numpy(tmp_path: Path, doctor: Any) -> None:
    draw = np.random.default_rng(0)
    plain = draw.normal(size=200)
    columns = {
        "above": np.where(draw.random(200) < 0.3, np.inf, plain),
        "below": np.where(draw.random(200) < 0.3, -np.inf, plain),
        "huge": plain * 5e307, "always": np.full(200, np.inf), "target": plain * 1e307,
    }  # fmt: skip
    columns = {name: np.concatenate([values, values[:20]]) for name, values in columns.items()}
    pq.write_table(pa.table(columns), tmp_path / "table.parquet")
    done = doctor("scan", tmp_path / "table.parquet", "--fail-on", "never", PYTHONWARNINGS="error")
    assert (done.returncode, "Warning" in done.stdout + done.stderr) == (0, False), done.stdout + done.stderr


def test_y_beside_x_is_a_place_unless_it_is_the_last_column(tmp_path: Path, scan: Scan) -> None:
    rows = [f"{row % 7},{row % 5},{row % 3}" for row in range(60)]
    for header, target in (("x,y,z", []), ("x,z,y", ["y"]), ("y,a,b", ["y"])):
        path = tmp_path / "table.csv"
        path.write_text("\n".join([header, *rows, ""]), "utf-8")
        assert guessed(scan(path, "--select", "missing-values"), "target") == target


def test_a_file_without_a_header_is_described_in_english(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "table.csv"
    path.write_text("".join(f"{row},{row * 7 % 11}\n" for row in range(60)), "utf-8")
    report = scan(path, "--select", "missing-values")
    assert [guess["because"] for guess in report["case"]["guesses"]] == ["'0' is an integer, as all below it are"]


def test_rows_that_repeat_by_coincidence_are_not_to_be_dropped(tmp_path: Path, scan: Scan) -> None:
    draw = np.random.default_rng(0)
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({name: draw.integers(0, 3, 2000) for name in "abc"}), path)
    found = scan(path, "--select", "duplicate-rows")["findings"]
    assert [(finding["severity"], finding.get("repair")) for finding in found] == [("info", None)]


def test_a_declared_encoding_is_no_guess(tmp_path: Path, scan: Scan) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"name,size\n" + b"".join(f"K\u00f6ln{row},{row}\n".encode("latin-1") for row in range(9)))
    assert guessed(scan(path, "--select", "missing-values"), "encoding") == ["cp1252"]
    assert guessed(scan(path, "--select", "missing-values", "--encoding", "latin-1"), "encoding") == []


def test_wrong_words_are_answered_with_right_ones(tmp_path: Path, doctor: Any) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,b\n1,2\n2,3\n", "utf-8")
    for size in ("banana", "5XB"):
        done = doctor("scan", path, "--memory-limit", size, TMPDIR=str(tmp_path))
        assert (done.returncode, done.stderr.strip()) == (
            2, f"doctor: memory-limit: {size!r} is no size, such as 500MB or 4GB",
        )  # fmt: skip
    assert not list(tmp_path.glob("doctor-*"))
    done = doctor("scan", path, "--set", "missing-values.max_share=0.5")
    assert done.returncode == 2
    assert "did you mean 'quality/missing-values'?" in done.stderr
