"""Opening a folder or files as the command does."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from doctor.case import Case, open_case
from doctor.settings import Settings
from doctor.subjects.table import Table

Open = Callable[..., Case]


@pytest.fixture
def open_paths() -> Iterator[Open]:
    """Open paths until the test ends."""
    with ExitStack() as stack:

        def opened(*paths: Path, **options: Any) -> Case:
            return stack.enter_context(open_case(paths, Settings(**options)))

        yield opened


@pytest.fixture
def open_text(open_paths: Open, tmp_path: Path) -> Callable[..., Table]:
    """Open one text table, which must be readable."""

    def opened(text: str | bytes, name: str = "table.csv", **options: Any) -> Table:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        case = open_paths(path, **options)
        assert case.problems == ()
        return case.tables[0]

    return opened
