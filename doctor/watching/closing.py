"""What is said when a watched command has ended: the diagnosis, and where the whole report lies."""

import contextlib
import sys
from pathlib import Path

from doctor.model import Report
from doctor.registry import load_renderer
from doctor.watching.telling import tell


def tell_report(report: Report, folder: Path) -> None:
    """Write the short report to standard error; where all is well that is one line."""
    text = load_renderer("text")(report, color=sys.stderr.isatty() if sys.stderr else False).strip("\n")
    page = folder / "report.html"
    if "\n" not in text:
        tell(f"{text.rstrip('.')}; {_shown(page)}")
        return
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()
    tell(f"report: {_shown(page)}")


def _shown(path: Path) -> str:
    """Shorten a path below the working folder."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
