"""Data sets in every format, and what the tests of repairs share."""

import csv
import gzip
import hashlib
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doctor.case import Case
from doctor.repair.changes import Changes
from doctor.repair.state import State

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


def hashes(folder: Path) -> dict[str, str]:
    """Hash every file below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changes_of(case: Case, *, rows: Sequence[int] = (), columns: Sequence[str] = ()) -> Changes:
    """Take out rows and columns of the only table."""
    (table,) = case.tables
    state = State.of(table)
    state.kept[list(rows)] = False
    state.dropped += columns
    return Changes.of(state)


def save_to_disk(rows: Sequence[Row], folder: Path, split: str, counts: dict[str, int]) -> None:
    """Write a split as `datasets.DatasetDict.save_to_disk` does."""
    import pyarrow as pa
    from pyarrow import ipc

    kinds = {str: "string", int: "int64", float: "float64"}
    first = {name: next(row[name] for row in rows if row[name] is not None) for name in rows[0]}
    features = {name: {"dtype": kinds[type(value)], "_type": "Value"} for name, value in first.items()}
    table = pa.Table.from_pylist(list(rows))
    notes = {b"huggingface": json.dumps({"info": {"features": features}}).encode()}
    (folder / split).mkdir(parents=True)
    with ipc.new_stream(str(folder / split / "data-00000-of-00001.arrow"), table.schema.with_metadata(notes)) as out:
        out.write_table(table)
    state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_fingerprint": f"abc{split}", "_split": split}
    info = {"features": features, "splits": {name: {"name": name, "num_examples": n} for name, n in counts.items()}}
    (folder / split / "state.json").write_text(json.dumps(state, indent=2))
    (folder / split / "dataset_info.json").write_text(json.dumps(info, indent=2))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(counts)}))
