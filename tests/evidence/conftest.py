"""Opens small tables and asks for one kind of evidence."""

import csv
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from doctor.case import open_case
from doctor.engine import Measurements, Scope, Silent
from doctor.settings import settings_for


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


@pytest.fixture
def measure(tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Write `splits` (name to rows) as CSV files, open them and measure the wanted evidence."""
    with ExitStack() as stack:

        def run(
            wanted: type, header: Sequence[str], splits: dict[str, Sequence[Sequence[object]]], **roles: Any
        ) -> Any:
            for name, rows in splits.items():
                write_csv(tmp_path / f"{name}.csv", header, rows)
            settings = settings_for(tmp_path, roles)
            case = stack.enter_context(open_case([tmp_path], settings))
            (table,) = case.tables
            scope = Scope({**case.singles(settings), type(table): table}, "", "")
            return Measurements(Silent(), None).get(wanted, scope)

        yield run
