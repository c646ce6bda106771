"""What the benches of made-up tables share: a scan that may not fail, and parts that are run by name."""

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Outcome, Report
from doctor.settings import Settings


def scan_files(tables: Mapping[str, Any], settings: Settings) -> Report:
    """Scan tables, each a Parquet file of that name, as the command line would.

    Raises
    ------
    SystemExit
        When a check crashes or a file cannot be read: then nothing was measured.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, table in tables.items():
            pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), Path(folder) / f"{name}.parquet")
        with open_case([Path(folder)], settings) as case:
            report = examine(case, settings)
    crashed = [item for item in report.examinations if item.outcome is Outcome.CRASHED]
    if crashed or report.case.problems:
        raise SystemExit(f"not measured: {crashed} {report.case.problems}")
    return report


def run_parts(**parts: Callable[[], None]) -> None:
    """Run the parts that the command line names, all by default."""
    unknown = set(sys.argv[1:]) - set(parts)
    if unknown:
        raise SystemExit(f"unknown part {', '.join(sorted(unknown))}; known: {', '.join(parts)}")
    for part in sys.argv[1:] or parts:
        parts[part]()
