"""Scans patients on DuckDB and on Spark and tells what differs.

python -m tests.spark.parity            every patient with a table or images, on a cluster of two workers
python -m tests.spark.parity drift sick those whose place holds one of the words
"""

import os
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from doctor.case import open_case
from doctor.engine import examine
from doctor.model import Report
from doctor.settings import settings_for
from doctor.subjects.spark_session import Session
from tests.spark.standalone import CHEAP, SUBMIT, cluster
from tests.test_fixtures import FIXTURES, patients

TOLERANCE = 1e-9
"""Of a float whose sum may be taken in another order."""


def with_tables() -> list[Path]:
    """Return the patients that hold a table."""
    found = []
    for patient in patients():
        with opened(patient, "duckdb") as (case, _):
            if case.tables:
                found.append(patient)
    return found


@contextmanager
def opened(patient: Path, engine: str) -> Iterator[Any]:
    options = tomllib.loads((patient / "expected.toml").read_text("utf-8")).get("options", {})
    with chdir(patient):
        settings = replace(settings_for(patient, options), engine=engine)
        with open_case([patient], settings) as case:
            yield case, settings


def scanned(patient: Path, engine: str) -> Report:
    """Scan a patient as its `expected.toml` says."""
    with opened(patient, engine) as (case, settings):
        return examine(case, settings)


def differences(one: Report, other: Report) -> list[str]:
    """Say where findings and outcomes of two reports differ; floats may by `TOLERANCE`."""
    told = []
    for what, left, right in (
        ("finding", _findings(one), _findings(other)),
        ("outcome", _outcomes(one), _outcomes(other)),
    ):
        for key in dict.fromkeys((*left, *right)):
            if key not in left or key not in right:
                told.append(f"{what} {' '.join(key)}: only {'here' if key in left else 'there'}")
                continue
            mine, yours = dict(_flat(left[key])), dict(_flat(right[key]))
            told += [
                f"{what} {' '.join(key)}{place}: {mine.get(place)!r} is {yours.get(place)!r} there"
                for place in dict.fromkeys((*mine, *yours))
                if not _same(mine.get(place), yours.get(place))
            ]
    return told


def _findings(report: Report) -> dict[tuple[str, ...], Any]:
    found = {}
    for number, finding in enumerate(report.findings):
        key = (finding.check, finding.fingerprint)
        found[key if key not in found else (*key, str(number))] = msgspec.to_builtins(finding)
    return found


def _outcomes(report: Report) -> dict[tuple[str, ...], Any]:
    return {(one.check, one.subject): (one.outcome.value, one.reason) for one in report.examinations}


def _flat(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from _flat(part, f"{place}[{number}]")
    else:
        yield place, value


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return one == other or abs(one - other) <= TOLERANCE * max(abs(one), abs(other))
    return type(one) is type(other) and one == other


@contextmanager
def spark_cluster(folder: Path) -> Iterator[Any]:
    """Run a cluster and keep one application on it, which all scans of this process share."""
    before = {name: os.environ.get(name) for name in ("PYSPARK_SUBMIT_ARGS", "JAVA_TOOL_OPTIONS")}
    os.environ |= {"PYSPARK_SUBMIT_ARGS": SUBMIT, "JAVA_TOOL_OPTIONS": CHEAP}
    try:
        with cluster(folder) as running:
            session = Session(running.url, rows=0)
            try:
                yield running
            finally:
                session.close()
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def main(words: list[str]) -> int:
    chosen = [patient for patient in patients() if not words or any(word in str(patient) for word in words)]
    wrong = looked_at = 0
    with tempfile.TemporaryDirectory() as folder, spark_cluster(Path(folder)) as running:
        for patient in chosen:
            with opened(patient, "duckdb") as (case, settings):
                if not case.collections:
                    continue
                expected = examine(case, settings)
            begin = time.monotonic()
            told = differences(expected, scanned(patient, running.url))
            looked_at += 1
            wrong += bool(told)
            mark = f"{len(told)} differ" if told else "the same"
            print(f"{mark:>9}  {time.monotonic() - begin:5.1f} s  {patient.relative_to(FIXTURES)}", flush=True)
            for line in told[:20]:
                print(f"           {line[:400]}", flush=True)
    print(f"{looked_at} patients, {wrong} of them not the same")
    return 1 if wrong or not looked_at else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
