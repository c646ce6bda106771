"""The pytest plugin: one test per check with `--doctor PATH`, and fixtures that examine data and watch trainings.

It is loaded in every run of pytest on a machine where `doctor` is installed, so it imports nothing until it is asked.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from doctor.model import Report
    from doctor.watching.here import Watch

MARKER = (
    "doctor(select=CHECKS, allow=CHECKS): for a test that uses doctor_scan, doctor_watch or doctor_deterministic: run"
    " only the selected checks; live with what the allowed ones find. allow may map checks to reasons."
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and their counterparts in the settings of pytest."""
    group = parser.getgroup("doctor", "examination of data sets and trainings (doctor)")
    group.addoption(
        "--doctor",
        action="append",
        nargs="?",
        const="",
        metavar="PATH",
        help="Examine what lies there, as `doctor scan PATH` does: one test per check. Several are looked at together."
        " Without PATH: what doctor_paths names. Without any other path, nothing else is collected.",
    )
    group.addoption(
        "--doctor-select", action="append", metavar="CHECK", help="Run only these checks (id, family or name)."
    )
    group.addoption(
        "--doctor-fail-on",
        metavar="SEVERITY",
        help="The least severity that fails a test: error, warning, info or never. [default: as in the settings of"
        " doctor, else error]",
    )
    group.addoption("--doctor-report", metavar="FILE", help="Write the report here; the suffix says the format.")
    parser.addini("doctor_paths", "What --doctor without a path examines.", type="paths", default=[])
    parser.addini("doctor_select", "As --doctor-select.", type="args", default=[])
    parser.addini("doctor_fail_on", "As --doctor-fail-on.", default="")
    parser.addini("doctor_report", "As --doctor-report.", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and prepare the examination where one is asked for."""
    config.addinivalue_line("markers", MARKER)
    if config.getoption("doctor"):
        from doctor.pytest_items import Visit

        config.pluginmanager.register(Visit(config), "doctor-visit")
        return
    for option in ("select", "report"):
        if config.getoption(f"doctor_{option}"):
            raise pytest.UsageError(f"--doctor-{option} says nothing without --doctor PATH")


@pytest.fixture
def doctor_scan(request: pytest.FixtureRequest) -> "Callable[..., Report]":
    """Examine data: `doctor_scan(path_or_frame, target="y")` returns the report, as `doctor.scan` does."""
    from doctor.assertions import Demands

    return Demands.of(request).scan


@pytest.fixture
def doctor_watch(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Callable[..., AbstractContextManager[Watch]]":
    """Watch a short training: `with doctor_watch(model, optimizer):` fails the test where it is not healthy."""
    from doctor.assertions import Demands

    demands = Demands.of(request)

    def watched(model: Any = None, optimizer: Any = None, **options: Any) -> "AbstractContextManager[Watch]":
        options.setdefault("run_dir", tmp_path_factory.mktemp("doctor") / "run")
        return demands.watch(model, optimizer, **options)

    return watched


@pytest.fixture
def doctor_deterministic(request: pytest.FixtureRequest) -> "Callable[..., Report]":
    """Build a data set twice, in fresh processes: `doctor_deterministic(factory)` fails the test where they differ."""
    from doctor.assertions import Demands

    return Demands.of(request).deterministic
