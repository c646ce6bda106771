"""Data in memory is examined like data on disk, whatever library holds it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from conftest import FIXTURES
from test_cli import DEAR, loaded_after

import doctor
from doctor.errors import NotHealthy, UsageError
from doctor.model import Outcome, Report, Severity

SICK = FIXTURES / "leakage" / "split_duplicates" / "sick"
ROWS = 200


def columns() -> dict[str, Any]:
    """A table in which `echo` is `y` in other words."""
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, ROWS)
    words = draw.choice(["red", "green", "blue"], ROWS)
    return {"size": draw.normal(size=ROWS), "word": words, "echo": np.where(y == 1, "on", "off"), "y": y}


def arrow() -> pa.Table:
    return pa.table(columns())


def pandas() -> Any:
    library = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = library.DataFrame(columns())
    frame["echo"] = frame["echo"].astype("category")
    return frame.sample(frac=1, random_state=0)  # so that the index is no longer a range


def polars() -> Any:
    library = pytest.importorskip("polars", reason="polars is not installed")
    return library.DataFrame(columns()).with_columns(library.col("echo").cast(library.Categorical))


def hugging_face() -> Any:
    library = pytest.importorskip("datasets", reason="datasets is not installed")
    return library.Dataset.from_dict({name: list(values) for name, values in columns().items()})


def torch_items() -> Any:
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    held = columns()

    class Examples(data.Dataset):  # type: ignore[misc, name-defined]
        def __len__(self) -> int:
            return ROWS

        def __getitem__(self, number: int) -> dict[str, Any]:
            return {name: values[number] for name, values in held.items()}

    return Examples()


def tensors() -> Any:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    held = columns()
    features = torch.tensor(np.stack([held["size"], held["y"] * 2.0], axis=1))
    return torch.utils.data.TensorDataset(features, torch.tensor(held["y"]))


@pytest.mark.parametrize(
    ("make", "shown", "leak", "width"),
    [
        (arrow, "pyarrow.Table", "echo", 4),
        (lambda: arrow().to_batches()[0], "pyarrow.RecordBatch", "echo", 4),
        (lambda: arrow().to_reader(), "pyarrow.RecordBatchReader", "echo", 4),
        (lambda: duckdb.connect().from_arrow(arrow()), "duckdb.DuckDBPyRelation", "echo", 4),
        (pandas, "pandas.DataFrame", "echo", 4),
        (polars, "polars.DataFrame", "echo", 4),
        (lambda: polars().lazy(), "polars.LazyFrame", "echo", 4),
        (hugging_face, "datasets.Dataset", "echo", 4),
        (lambda: hugging_face().shuffle(seed=0), "datasets.Dataset", "echo", 4),
        (lambda: hugging_face().to_iterable_dataset(), "datasets.IterableDataset", "echo", 4),
        (torch_items, "Examples", "echo", 4),
        (tensors, "torch.TensorDataset", "column1", 3),
    ],
)
def test_the_same_is_found_in_every_kind_of_frame(make: Callable[[], Any], shown: str, leak: str, width: int) -> None:
    report = doctor.scan(make(), target="target" if make is tensors else "y", select="leakage")
    (finding,) = report.findings
    assert (finding.check, finding.at.columns) == ("leakage/label-leakage", (leak,))
    (subject,) = report.case.subjects
    assert subject.path.endswith(shown)
    assert (subject.rows, subject.columns) == (ROWS, width)
    assert not report.incomplete


def test_splits_are_named_by_a_mapping() -> None:
    table = arrow()
    parts = {"train": table.slice(0, 120), "val": table.slice(120, 40), "test": table.slice(100, 60)}
    report = doctor.scan(parts, select="split-duplicates")
    assert report.case.subjects[0].splits == {"train": 120, "validation": 40, "test": 60}
    assert {finding.at.split for finding in report.findings} == {"test"}


def test_a_hugging_face_dictionary_is_divided_by_itself() -> None:
    report = doctor.scan(hugging_face().train_test_split(0.25, seed=0), select="split-duplicates")
    assert report.case.subjects[0].splits == {"train": 150, "test": 50}


def test_a_column_of_several_types_is_text_as_it_would_be_in_a_file() -> None:
    library = pytest.importorskip("pandas", reason="pandas is not installed")
    frame = library.DataFrame({"a": [1, "x", None, 2.5] * 50, "b": range(200), ("c", 1): 0.5})
    report = doctor.scan(frame, select="missing-values", set={"quality/missing-values": {"max_share": 0.1}})
    assert [finding.at.columns for finding in report.findings] == [("a",)]
    assert report.case.subjects[0].columns == 3


def test_an_endless_data_set_is_read_to_the_bound_and_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    data = pytest.importorskip("torch.utils.data", reason="torch is not installed")
    monkeypatch.setattr("doctor.subjects.torch_items.MAX_ENDLESS", 300)

    class Endless(data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Iterator[tuple[Any, int]]:
            number = 0
            while True:
                number += 1
                yield [number, -number], number % 2

    report = doctor.scan(Endless(), select="duplicates")
    assert report.case.subjects[0].rows == 300
    assert report.case.guesses[0].what == "items read"


def test_an_array_has_numbered_columns() -> None:
    report = doctor.scan(np.arange(300).reshape(100, 3), target="2", select="leakage")
    assert report.case.subjects[0].roles["target"] == "column2"


@pytest.mark.parametrize(
    ("data", "options", "said"),
    [
        (3, {}, "^int cannot be examined; known: a path, "),
        ([[1, 2], [3, 4]], {}, "^list cannot be examined"),
        (object(), {}, "^object cannot be examined"),
        ({}, {}, "^there is no data set in this dict"),
        ({"train": 3}, {}, "^int cannot be examined"),
        ({"val": arrow(), "validation": arrow()}, {}, "two parts are the split validation"),
        ({"train": arrow().slice(0, 0)}, {}, "of train: it has no rows"),
        (pa.table({}), {}, "it has no columns"),
        (np.zeros((2, 3, 4)), {}, r"^an array of shape \(2, 3, 4\) is no table"),
        ("nowhere.csv", {}, "^nowhere.csv: there is no such file or folder"),
        (arrow(), {"targe": "y"}, r"^scan\(\) has no option 'targe'; known: against, annotators, .*, target, "),
        (arrow(), {"target": "z"}, "there is no column 'z'; it has: size, word, echo, y"),
        (arrow(), {"select": "leekage"}, "no check is called 'leekage'"),
        (arrow(), {"set": {"quality/missing-values": {"most": 1}}}, "has no threshold 'most'"),
        (arrow(), {"suppress": [{"check": "leakage/id-like", "reason": " "}]}, "gives no reason"),
        (arrow(), {"split": "test=a*"}, "^split: what is in memory is divided by a mapping"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_use_is_one_line(data: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        doctor.scan(data, **options)
    assert "\n" not in str(raised.value)


def test_images_and_loaders_are_refused() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    pictures = torch.utils.data.TensorDataset(torch.zeros(4, 3, 64, 64), torch.zeros(4))
    with pytest.raises(UsageError, match=r"an item of shape \(3, 64, 64\) is no row of a table"):
        doctor.scan(pictures)
    with pytest.raises(UsageError, match="DataLoader cannot be examined"):
        doctor.scan(torch.utils.data.DataLoader(pictures))


def test_a_path_is_examined_with_its_settings_file() -> None:
    report = doctor.scan(SICK, select="leakage")
    assert [finding.check for finding in report.findings] == ["leakage/split-duplicates"]
    assert report.case.subjects[0].roles["target"] == "cultivar"
    both = doctor.scan(str(SICK / "train.csv"), SICK / "test.csv", select="split-duplicates")
    assert both.count(Severity.ERROR) == 1
    with pytest.raises(UsageError, match="where all are paths"):
        doctor.scan(SICK, arrow())


def test_what_is_suppressed_is_kept_and_does_not_count() -> None:
    lived_with = [{"check": "leakage/label-leakage", "reason": "a test"}]
    report = doctor.scan(arrow(), target="y", select="leakage", suppress=lived_with)
    assert [finding.suppressed for finding in report.findings] == ["a test"]
    report.raise_for_errors()


def test_a_report_raises_for_errors_and_for_what_could_not_be_looked_at(tmp_path: Path) -> None:
    report = doctor.scan(arrow(), target="y", select="leakage")
    report.raise_for_errors("never")
    with pytest.raises(NotHealthy, match=r"is not healthy:\n  echo is y in other words") as raised:
        report.raise_for_errors()
    assert len(raised.value.said) == 1
    (tmp_path / "good.csv").write_text("a,b\n1,2\n3,4\n", "utf-8")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 this is none")
    with pytest.raises(NotHealthy, match=r"cannot read .*bad\.parquet"):
        doctor.scan(tmp_path).raise_for_errors("never")


def test_a_report_shows_itself() -> None:
    report = doctor.scan(arrow(), target="y", select="leakage")
    assert (
        repr(report)
        == f"<Report of pyarrow.Table: error 1, warning 0, info 0; examinations {len(report.examinations)}>"
    )
    assert "echo is y in other words" in str(report)
    frame = report._repr_html_()
    assert frame.startswith('<iframe title="Report of doctor" sandbox=""')
    assert "echo is y in other words" in frame
    assert frame.count("<") == 2  # the frame's own tag: what is in it is escaped
    assert json.loads(report.to_json())["findings"][0]["check"] == "leakage/label-leakage"


def test_secrets_do_not_leave_in_an_exception() -> None:
    report = doctor.scan(arrow(), target="y", select="leakage")
    (finding,) = report.findings
    secret = finding.__class__(check=finding.check, severity=finding.severity, message="password=hunter2hunter2")
    told = Report(doctor=report.doctor, case=report.case, findings=[secret])
    with pytest.raises(NotHealthy) as raised:
        told.raise_for_errors()
    assert "hunter2" not in str(raised.value)


def test_every_check_copes_with_a_table_of_every_arrow_type() -> None:
    count = 60
    table = pa.table(
        {
            "null": pa.nulls(count),
            "flag": pa.array([True, None] * 30),
            "half": pa.array(np.ones(count, "f2")),
            "big": pa.array([2**63] * count, pa.uint64()),
            "decimal": pa.array([None] * count, pa.decimal256(60, 2)),
            "day": pa.array([1] * count, pa.date32()),
            "when": pa.array(range(count), pa.timestamp("us", "Europe/Paris")),
            "span": pa.array([1] * count, pa.duration("s")),
            "raw": pa.array([b"\x00\xff"] * count),
            "view": pa.array(["a", None] * 30, pa.string_view()),
            "listed": pa.array([[1], None] * 30),
            "nested": pa.array([{"x": 1}] * count),
            "coded": pa.array(["a", "b"] * 30).dictionary_encode(),
            "": pa.array(range(count)),
            "__doctor_row": pa.array(range(count)),
        }
    )
    report = doctor.scan(table)
    assert report.case.subjects[0].rows == count
    assert [e.reason for e in report.examinations if e.outcome is Outcome.CRASHED] == []


def test_to_ask_for_scan_loads_no_frame_library() -> None:
    modules = loaded_after("import doctor; doctor.scan")
    assert not modules & {"torch", "pandas", "polars", "datasets"}
    assert "duckdb" in modules
    assert not loaded_after("import doctor") & DEAR
