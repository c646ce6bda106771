"""What is known of a run so far: opened, examined, and told when there is something new."""

import time
from collections.abc import Callable
from pathlib import Path

from doctor.case import case_of_run
from doctor.engine import examine
from doctor.model import Finding, Report, Severity
from doctor.registry import load_checks
from doctor.settings import Settings
from doctor.subjects.run import Run, open_run
from doctor.watching.telling import shorter

MIN_CERTAINTY = 0.99
REWRITE_SECONDS = 60.0
"""How old `diagnosis.json` may become while nothing new is found."""


class Outlook:
    """Examines a run again and again as it grows.

    Parameters
    ----------
    folder : Path
        The run folder.
    settings : Settings
    keep : callable
        Given the report where `diagnosis.json` should be written anew.
    opener : callable
        Opens the folder as a run.
    """

    def __init__(
        self,
        folder: Path,
        settings: Settings,
        keep: Callable[[Report], object],
        opener: Callable[[Path, str], Run] = open_run,
    ) -> None:
        self._opener = opener
        self._folder = folder
        self._settings = settings
        self._keep = keep
        self._told: set[str] = set()
        self._before: set[str] = set()
        self._kept: tuple[tuple[str, str], ...] | None = None
        self._kept_at = 0.0
        self.report: Report | None = None
        self.run: Run | None = None
        load_checks()  # takes a second, which no look should be charged with

    def look(self) -> list[Finding]:
        """Examine the run as it is now; return what should be told, each finding once in a run.

        An error that is certain is told at once; what rests on a measure that may waver, when it is seen twice in
        succession.
        """
        report = self.examined()
        known = {finding.fingerprint for finding in report.findings}
        fresh = [
            finding
            for finding in report.findings
            if not finding.suppressed
            and finding.fingerprint not in self._told
            and (finding.fingerprint in self._before or _certain(finding))
        ]
        self._before = known
        self._told |= {finding.fingerprint for finding in fresh}
        content = tuple(sorted((finding.fingerprint, finding.severity.value) for finding in report.findings))
        if content != self._kept or time.monotonic() - self._kept_at > REWRITE_SECONDS:
            self._kept, self._kept_at = content, time.monotonic()
            self._keep(report)
        return fresh

    def examined(self) -> Report:
        """Examine the run as it is now."""
        self.run = self._opener(self._folder, shorter(self._folder))
        self.report = examine(case_of_run(self.run), self._settings)
        return self.report


def _certain(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR and (finding.confidence is None or finding.confidence >= MIN_CERTAINTY)
