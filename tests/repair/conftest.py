"""Data sets in every format, and repairs made without the command line."""

import csv
import gzip
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from doctor.case import Case, open_case
from doctor.repair.changes import Changes
from doctor.repair.state import State
from doctor.settings import Settings

Row = dict[str, Any]

FORMATS = (
    "csv",
    "tsv",
    "csv.gz",
    "csv.zst",
    "jsonl",
    "jsonl.gz",
    "json",
    "parquet",
    "arrow",
    "stream.arrow",
    "feather",
)


def write_rows(rows: Sequence[Row], path: Path, form: str) -> None:
    """Write rows in a format, as a user's own tools would."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if form.startswith(("csv", "tsv")):
        from io import StringIO

        text = StringIO(newline="")
        writer = csv.DictWriter(text, list(rows[0]), delimiter="\t" if form == "tsv" else ",", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        packed(path, text.getvalue().encode())
    elif form.startswith("jsonl"):
        packed(path, "".join(json.dumps(row) + "\n" for row in rows).encode())
    elif form == "json":
        path.write_text(json.dumps(list(rows), indent=1))
    else:
        write_columns(rows, path, form)


def packed(path: Path, content: bytes) -> None:
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(content))
    elif path.suffix == ".zst":
        import pyarrow as pa

        with pa.output_stream(str(path), compression="zstd") as stream:
            stream.write(content)
    else:
        path.write_bytes(content)


def write_columns(rows: Sequence[Row], path: Path, form: str) -> None:
    import pyarrow as pa
    from pyarrow import feather, ipc, parquet

    table = pa.Table.from_pylist(list(rows))
    if form == "parquet":
        parquet.write_table(table, path, compression="zstd", row_group_size=100)
    elif form == "feather":
        feather.write_feather(table, str(path), compression="lz4")
    else:
        begin = ipc.new_stream if form == "stream.arrow" else ipc.new_file
        with begin(str(path), table.schema) as writer:
            writer.write_table(table, max_chunksize=50)


def sick_rows(seed: int = 0, rows: int = 400) -> dict[str, list[Row]]:
    """Make a train and a test split with copies, a leak, an id, holes, and patients who stand in both."""
    draw = random.Random(seed)
    made = []
    for number in range(rows):
        patient = draw.randrange(rows // 5)
        label = "ill" if (patient * 7919) % 5 < 2 else "well"
        made.append(
            {
                "record": f"R-{10_000 + number * 7}",
                "patient_id": f"P{patient:04d}",
                "age": draw.randrange(20, 90),
                "pressure": None if draw.random() < 0.45 else round(draw.gauss(120, 15), 1),
                "note": draw.choice(("calm, eats", 'says "no"', "sleeps", "walks a lot")),
                "score": round(draw.gauss(0, 1), 4),
                "refund": round(draw.gauss(50, 5), 3) if label == "ill" else round(draw.gauss(10, 2), 3),
                "label": label,
            }
        )
    train, test = made[: rows * 3 // 4], made[rows * 3 // 4 :]
    return {"train": train + train[:20], "test": test}


@pytest.fixture
def opened() -> Iterator[Callable[..., Case]]:
    """Open paths until the test ends."""
    with ExitStack() as stack:
        yield lambda *paths, **options: stack.enter_context(open_case(list(paths), Settings(**options)))


def changes_of(case: Case, *, rows: Sequence[int] = (), columns: Sequence[str] = ()) -> Changes:
    """Take out rows and columns of the only table."""
    (table,) = case.tables
    state = State.of(table)
    state.kept[list(rows)] = False
    state.dropped += columns
    return Changes.of(state)
