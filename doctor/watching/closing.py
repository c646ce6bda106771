"""What is said when a watched command has ended: the diagnosis, and where the whole report lies."""

import contextlib
import sys
from pathlib import Path

from doctor.model import Report
from doctor.registry import load_renderer
from doctor.watching.telling import tell


def tell_report(report: Report, folder: Path | None) -> None:
    """Write the short report to standard error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(load_renderer("text")(report, color=sys.stderr.isatty()))
        sys.stderr.flush()
    if folder is not None:
        tell(f"report: {folder / 'report.html'}")
