"""One pytest item per check: collected without looking at the data, judged from one examination for all of them.

Where pytest-xdist distributes the tests, its controller examines the data once, before the workers start, and sends
them what was found: that is one scan with all processors to itself instead of one per worker.
"""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from doctor.errors import DoctorError, UsageError
from doctor.failures import told
from doctor.model import Examination, Outcome, Report, Severity
from doctor.rendering import renderer_for
from doctor.settings import Settings, settings_for

READABLE = "everything-can-be-read"
"""The name of the one item that is no check: a file that nobody could read has not been found healthy."""
SENT = "doctor_report"
"""Under which name a worker of pytest-xdist is sent the report."""


class Visit:
    """What `--doctor` asks for: the data, the checks, and the report once it is there."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._report: Report | None = None
        sent = getattr(config, "workerinput", {}).get(SENT)
        try:
            self.paths = _paths(config)
            self.settings = settings_for(
                self.paths[0],
                {
                    "select": tuple(config.getoption("doctor_select") or config.getini("doctor_select")),
                    "fail_on": config.getoption("doctor_fail_on") or config.getini("doctor_fail_on"),
                },
            )
            self._file = None if sent else _report_file(config)
            if sent:  # nothing dear is imported in a worker
                self._report = msgspec.json.decode(sent, type=Report)
                self.checks = sorted({examination.check for examination in self._report.examinations})
            else:
                self.checks = _checks(self.paths, self.settings)
        except DoctorError as error:
            raise pytest.UsageError(f"doctor: {error}") from None
        if config.args_source is not config.ArgsSource.ARGS:
            config.args[:] = []
            config.args_source = config.ArgsSource.ARGS  # so that the header does not name folders nobody looks into

    @property
    def shown(self) -> str:
        """The paths as one would type them."""
        return shlex.join(map(str, self.paths))

    @property
    def report(self) -> Report:
        """What was found, masked; the data is examined when this is first asked for."""
        if self._report is None:
            from doctor.baseline import with_baseline
            from doctor.case import open_case
            from doctor.engine import examine

            try:
                settings = with_baseline(self.settings, self.paths)
                with open_case(self.paths, settings) as case:
                    full = examine(case, settings)
                if self._file is not None:
                    _write(self._file, renderer_for(self._file)(full, color=False))
            except DoctorError as error:
                raise pytest.UsageError(f"doctor: {error}") from None
            self._report = full.masked()
        return self._report

    def pytest_report_header(self) -> str:
        """Say what will be examined."""
        return f"doctor: {len(self.checks)} checks of {self.shown}, failing on {self.settings.fail_on}"

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Examine the data now if the tests are to be distributed, so that no worker has to."""
        if self._config.pluginmanager.hasplugin("dsession"):
            self._examine()

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Send the report to a worker of pytest-xdist."""
        node.workerinput[SENT] = msgspec.json.encode(self.report)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Iterator[None]:  # a generator, whose return value is the report
        """Put the data beside the files that pytest found."""
        collected = yield
        if isinstance(collector, pytest.Session) and collected is not None and collected.passed:
            collected.result.append(ExaminedData.of(collector, self))
        return collected

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        """Examine the data before the first test, so that wrong use ends the session in one line."""
        if not session.config.option.collectonly and any(isinstance(item, _Item) for item in session.items):
            self._examine()

    @pytest.hookimpl(tryfirst=True)  # before pytest looks for the marks by which a test is skipped
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip the checks that could not judge, so that pytest names the data and not a line of ours."""
        if isinstance(item, Examined) and (reason := item.silent):
            item.add_marker(pytest.mark.skip(reason=reason))

    def _examine(self) -> None:
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._report is None and reporter is not None and self._config.get_verbosity() >= 0:
            reporter.write_line(f"doctor: examining {self.shown}")
        self.report  # noqa: B018 - asked for so that it is there

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Count what was found, also what is too slight to fail a test, and say where the report is."""
        if self._report is None:
            return
        counted = ((self._report.count(severity), severity.value) for severity in Severity)
        known = self._report.baseline
        nothing = "nothing new" if known and known.accepted else "nothing found"
        counts = ", ".join(f"{count:,} × {name}" for count, name in counted if count) or nothing
        accepted = f"; accepted in {known.file}: {len(known.accepted):,}" if known and known.accepted else ""
        written = f"; report written to {self._file}" if self._file is not None else ""
        terminalreporter.write_line(f"doctor: {self.shown}: {counts}{accepted}{written}")


def _paths(config: pytest.Config) -> list[Path]:
    named = [Path(path) for path in config.getoption("doctor") if path]
    found = named or [Path(os.path.relpath(path)) for path in config.getini("doctor_paths")]
    if not found:
        raise UsageError("--doctor names no path, and there is no doctor_paths in the settings of pytest")
    return found


def _checks(paths: list[Path], settings: Settings) -> list[str]:
    from doctor.case import look_at
    from doctor.engine import checks_for

    return [check.id for check in checks_for(look_at(paths), settings)]


def _report_file(config: pytest.Config) -> Path | None:
    named = config.getoption("doctor_report") or config.getini("doctor_report")
    if not named:
        return None
    file = Path(config.invocation_params.dir, named)
    renderer_for(file)
    if not file.parent.is_dir():
        raise UsageError(f"{file.parent}: there is no such folder to write the report to")
    return file


def _write(file: Path, text: str) -> None:
    """Write the report whole or not at all."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{file}: {error.strerror}") from error


class ExaminedData(pytest.File):
    """The data that `--doctor` names; its members are the checks."""

    visit: Visit

    @classmethod
    def of(cls, session: pytest.Session, visit: Visit) -> "ExaminedData":
        """Make the node, named as the user named the data."""
        path = visit.paths[0].absolute()
        root = session.config.rootpath
        name = path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)
        made: ExaminedData = cls.from_parent(session, path=path, name=name, nodeid=name)
        made.visit = visit
        return made

    def collect(self) -> Iterator[pytest.Item]:
        """Yield one item per check, and one that everything could be read."""
        for kind, name in ((Readable, READABLE), *((Examined, check) for check in self.visit.checks)):
            item: _Item = kind.from_parent(self, name=name)
            item.visit = self.visit
            yield item


class _Item(pytest.Item):
    visit: Visit

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the data as the place; pytest wants a line, and there is none."""
        return self.path, 0, self.name


class Readable(_Item):
    """Passes where every file could be read in full."""

    def runtest(self) -> None:
        """Fail with the files that could not be read."""
        problems = [f"cannot read {problem}" for problem in self.visit.report.case.problems]
        if problems:
            pytest.fail("\n".join(problems), pytrace=False)


class Examined(_Item):
    """One check: what came of it is how the test ends."""

    @property
    def _ended(self) -> list[Examination]:
        return [examination for examination in self.visit.report.examinations if examination.check == self.name]

    @property
    def silent(self) -> str:
        """Why the check gave no verdict, or nothing where it gave one."""
        blind = (Outcome.NOT_APPLICABLE, Outcome.UNAVAILABLE)
        if any(examination.outcome not in blind for examination in self._ended):
            return ""
        return _reasons(self._ended, *blind) or "it was not examined"

    def runtest(self) -> None:
        """Fail with what was found."""
        report = self.visit.report
        found = [finding for finding in report.findings if finding.check == self.name and not finding.suppressed]
        grave = [finding for finding in report.at_least(self.visit.settings.fail_on) if finding.check == self.name]
        self.user_properties += [("finding", finding.message) for finding in found]
        if grave:
            pytest.fail(told(grave), pytrace=False)
        broken = _reasons(self._ended, Outcome.CRASHED)
        if broken:
            pytest.fail(f"the check crashed: {broken}", pytrace=False)
        if found:
            self.add_report_section("call", "doctor", told(found))
            return
        ignored = _reasons(self._ended, Outcome.IGNORED)
        if ignored:
            pytest.xfail(f"ignored: {ignored}")


def _reasons(ended: list[Examination], *outcomes: Outcome) -> str:
    hits = [examination for examination in ended if examination.outcome in outcomes]
    return "; ".join(dict.fromkeys(examination.reason or examination.outcome.value for examination in hits))
