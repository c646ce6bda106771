"""What a test demands of data, of a training and of what builds a data set, and the words in which it fails."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from doctor.case import Case
from doctor.engine import examine
from doctor.errors import DoctorError
from doctor.failures import told
from doctor.model import Outcome, Report
from doctor.registry import choose, load_checks
from doctor.scanning import scan
from doctor.settings import Settings, Suppression, settings_for
from doctor.subjects.pipeline import DEFAULT_SECONDS, Pipeline
from doctor.watching.here import Watch, watch

KNOWN_KEYWORDS = ("select", "allow")


class Demands:
    """What a test and its markers ask for.

    Parameters
    ----------
    select : sequence of str
        Checks to run, by id, family or name; all where it is empty.
    allow : dict of str to str
        Checks whose findings the test lives with, and why.
    fail_on : str
        The least severity that fails the test, or empty for that of the settings.
    """

    def __init__(self, select: Sequence[str] = (), allow: Mapping[str, str] | None = None, fail_on: str = "") -> None:
        self._select = tuple(select)
        self._allow = dict(allow or {})
        self._fail_on = fail_on

    @classmethod
    def of(cls, request: pytest.FixtureRequest) -> "Demands":
        """Read the markers of a test, the nearest first."""
        select: list[str] = []
        allow: dict[str, str] = {}
        for mark in request.node.iter_markers("doctor"):
            unknown = [name for name in mark.kwargs if name not in KNOWN_KEYWORDS]
            if unknown or mark.args:
                what = repr(unknown[0]) if unknown else "an argument without a name"
                raise pytest.UsageError(f"@pytest.mark.doctor: {what} is none of {', '.join(KNOWN_KEYWORDS)}")
            select = select or _names(mark.kwargs.get("select", ()))
            given = mark.kwargs.get("allow", ())
            reason = f"allowed by {request.node.name}"
            named = given if isinstance(given, Mapping) else dict.fromkeys(_names(given), reason)
            allow = {**named, **allow}
        config = request.config
        fail_on = config.getoption("doctor_fail_on") or config.getini("doctor_fail_on")
        return cls(select, allow, fail_on)

    def scan(self, data: Any, *more: Any, **options: Any) -> Report:
        """Examine data as `doctor.scan` does, with what the marker selects and allows.

        Raises
        ------
        pytest.UsageError
            For a path, a column, a check or an option that does not exist.
        """
        __tracebackhide__ = True
        try:
            if self._select:
                options.setdefault("select", self._select)
            suppress = [*options.pop("suppress", ()), *self._suppressions()]
            return scan(data, *more, suppress=suppress, **options)
        except DoctorError as error:
            raise pytest.UsageError(f"doctor_scan: {error}") from None

    @contextmanager
    def watch(self, model: Any, optimizer: Any, *, fail_on: str = "", **options: Any) -> Iterator[Watch]:
        """Watch the training inside a `with` block and fail the test where it is not healthy.

        An exception of the training goes on, with the diagnosis as a note.
        """
        __tracebackhide__ = True
        try:
            given = {"select": self._select, "fail_on": fail_on or self._fail_on}
            settings = settings_for(Path(), given)
            settings = _with_suppressions(settings, self._suppressions())
            choose(load_checks(), settings)
            opened = watch(model, optimizer, quiet=True, settings=settings, **options)
            watched = opened.__enter__()
        except DoctorError as error:
            raise pytest.UsageError(f"doctor_watch: {error}") from None
        try:
            yield watched
        except BaseException as error:
            opened.__exit__(type(error), error, error.__traceback__)
            if watched.report is not None and watched.report.findings and isinstance(error, Exception):
                error.add_note(_diagnosis(watched))
            raise
        opened.__exit__(None, None, None)
        _require_health(watched, settings)

    def deterministic(self, factory: Callable[[], Any] | str, *, seconds: float = DEFAULT_SECONDS) -> Report:
        """Build a data set twice, in fresh processes, and fail the test where they differ.

        Parameters
        ----------
        factory : function or str
            A function at the top level of a module that takes nothing and returns the data set; or
            "package.module:function".
        seconds : float
            How long one build may take.
        """
        __tracebackhide__ = True
        try:
            pipeline = pipeline_of(factory, seconds)
            settings = _with_suppressions(settings_for(Path(), {"select": self._select}), self._suppressions())
            report = examine(Case(shown=pipeline.asked, others=(pipeline,), matters=frozenset({Pipeline})), settings)
        except DoctorError as error:
            raise pytest.UsageError(f"doctor_deterministic: {error}") from None
        grave = report.masked().at_least(self._fail_on or settings.fail_on)
        if grave:
            pytest.fail(told(grave), pytrace=False)
        blind = (Outcome.UNAVAILABLE, Outcome.CRASHED)
        silent = [e.reason for e in report.examinations if e.outcome in blind]
        if silent or not report.examinations:
            pytest.fail(f"cannot tell: {'; '.join(silent) or 'no check looks at this'}", pytrace=False)
        return report

    def _suppressions(self) -> list[Suppression]:
        return [
            Suppression(check=check.id, reason=reason)
            for name, reason in self._allow.items()
            for check in choose(load_checks(), Settings(select=(name,)))
        ]


def _with_suppressions(settings: Settings, more: Sequence[Suppression]) -> Settings:
    return replace(settings, suppressions=(*settings.suppressions, *more))


def _names(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _require_health(watched: Watch, settings: Settings) -> None:
    __tracebackhide__ = True
    report = watched.report
    if report is None:
        pytest.fail(f"the run in {watched.run_dir} could not be examined", pytrace=False)
    if report.at_least(settings.fail_on) or report.incomplete:
        pytest.fail(_diagnosis(watched), pytrace=False)
    if not any(subject.facts.get("steps") for subject in report.case.subjects):
        pytest.fail("cannot tell: no training step was seen inside doctor_watch", pytrace=False)


def _diagnosis(watched: Watch) -> str:
    text = str(watched.report).strip("\n")
    return f"{text}\nThe whole report: {watched.run_dir / 'report.html'}"


def pipeline_of(factory: Callable[[], Any] | str, seconds: float) -> Pipeline:
    """Name a function so that a fresh process finds it.

    Raises
    ------
    UsageError
        When it is no function at the top level of a module.
    """
    search = tuple(str(Path(path).absolute()) for path in sys.path)
    if isinstance(factory, str):
        return Pipeline.named(factory, seconds).importing_from(search)
    return Pipeline.of_function(factory, seconds).importing_from(search)
