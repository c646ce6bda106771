"""What all tests share."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from warm_doctor import TIMEOUT_SECONDS, WarmDoctor

from doctor.case import Case, open_case
from doctor.engine import examine
from doctor.measurements import Measurements, Scope, Silent
from doctor.model import Outcome, Report
from doctor.settings import Settings, settings_for
from doctor.subjects.table import Table


def pytest_configure() -> None:
    """Hear Ctrl-C also where the suite runs in the background, deaf to it as all that it starts would be."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


MORE_CASES = (
    r"repair/test_repaired\.py::test_a_repaired_patient.*/sick_\w+\]",
    r"watching/test_nan_origin\.py::test_the_true_operation.*\[(bce|custom|fully|log_of|logsumexp|nan_w|norm|pow|sqrt|std|var)",
    r"watching/test_probe_deepspeed\.py::test_an_engine_is_watched.*\[(0|2)-",
    r"spark/test_spark\.py::test_a_patient.*\[(labels|quality|text/boilerplate|text/language|duplicates/near_duplicate_texts)",
    r"repair/test_repaired\.py::test_a_repaired_patient.*\[(quality|drift|reproducibility)/",
    r"test_bad_input\.py::test_thousands_of_columns_are_opened\[10000-",
    r"integrations/test_(callbacks|trackers)\.py.*lightning",
    r"verify/test_command_config\.py::test_a_configuration_is_treated.*\[options1",
    r"estimate/test_tracking\.py::test_a_factory_that_fails.*\[(leaves|nothing|number)",
    r"estimate/test_tracking\.py::test_a_factory_that_fails.*\[raises",
    r"watching/test_frameworks\.py::test_evaluations.*\[lightning",
    r"watching/test_launchers\.py::test_ranks_are_told_apart.*\[accelerate",
    r"verify/test_stress\.py::test_unscaled_targets",
    r"watching/test_probe_unchanged\.py::test_losses.*\[(by_hand|retained|workers|two_optimizers|closures|accumulation|scripted)",
)
"""Tests, as regular expressions, that try one more case of what others try; `make test-all` runs them too."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let all cases be asked for."""
    parser.addoption("--all-cases", action="store_true", help="also run tests that try one more case of the same")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave further cases out, and begin with the files that hold slow tests, so that all workers end at one time."""
    if not config.getoption("--all-cases"):
        further = re.compile("|".join(MORE_CASES))
        left = [item for item in items if further.search(item.nodeid)]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


ROOT = Path(__file__).resolve().parent.parent
FIXTURES = ROOT / "fixtures"

Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def doctor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doctor]:
    """Run the command in a process of its own.

    With an `environment` it is the installed command, as a user starts it; without one a fork of a process that has its
    modules loaded, which does the same in half the time.
    """
    warm = WarmDoctor()
    folder = tmp_path_factory.mktemp("told")

    def run(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        words = list(map(str, arguments))
        if not environment:
            return warm.run(words, cwd or Path.cwd(), folder)
        return subprocess.run(
            [Path(sys.executable).parent / "doctor", *words],
            capture_output=True,
            text=True,
            cwd=cwd,
            env={**os.environ, **environment},
            timeout=TIMEOUT_SECONDS,
            check=False,
        )

    yield run
    warm.close()


@pytest.fixture
def scan(doctor: Doctor) -> Callable[..., dict[str, Any]]:
    """Scan through the command line and return the JSON report."""

    def run(
        *arguments: object, status: int | None = None, cwd: Path | None = None, **environment: str
    ) -> dict[str, Any]:
        done = doctor("scan", *arguments, "--format", "json", cwd=cwd, **environment)
        assert done.returncode in ((0, 1) if status is None else (status,)), done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    return run


Install = Callable[[str, Mapping[str, str]], dict[str, str]]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Install a third party's checks beside ours and return the environment in which they are seen."""
    site = tmp_path / "site"

    def run(package: str, modules: Mapping[str, str]) -> dict[str, str]:
        (site / package).mkdir(parents=True)
        for name, source in {"__init__": "", **modules}.items():
            (site / package / f"{name}.py").write_text(source, "utf-8")
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n", "utf-8")
        (metadata / "entry_points.txt").write_text(f"[doctor.checks]\n{package} = {package}\n", "utf-8")
        return {"PYTHONPATH": str(site)}

    return run


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def examined(folder: Path, settings: Settings) -> Report:
    """Examine what lies in a folder, by checks of which none crashes."""
    with open_case([folder], settings) as case:
        report = examine(case, settings)
    assert Outcome.CRASHED not in {item.outcome for item in report.examinations}
    return report


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


@pytest.fixture
def open_paths() -> Iterator[Callable[..., Case]]:
    """Open paths until the test ends; no settings file is read."""
    with ExitStack() as stack:

        def opened(*paths: Path, **options: Any) -> Case:
            return stack.enter_context(open_case(paths, Settings(**options)))

        yield opened


@pytest.fixture
def open_text(open_paths: Callable[..., Case], tmp_path: Path) -> Callable[..., Table]:
    """Open one text table, which must be readable."""

    def opened(text: str | bytes, name: str = "table.csv", **options: Any) -> Table:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        case = open_paths(path, **options)
        assert case.problems == ()
        return case.tables[0]

    return opened
