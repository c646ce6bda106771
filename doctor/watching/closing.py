"""What is said when a watched command has ended: the diagnosis, and where the whole report lies."""

import contextlib
import sys
from pathlib import Path

from doctor.model import Report
from doctor.registry import load_renderer
from doctor.watching.telling import tell


def tell_report(report: Report, folder: Path) -> None:
    """Write the short report to standard error; where all is well that is one line."""
    render, page = load_renderer("text"), folder / "report.html"
    line, *others = render(report, color=False).strip("\n").split("\n")
    if not others:
        tell(f"{line[:1].lower()}{line[1:].rstrip('.')}; {_shown(page)}")
        return
    text = render(report, color=sys.stderr is not None and sys.stderr.isatty()).strip("\n")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()
    tell(f"report: {_shown(page)}")


def _shown(path: Path) -> str:
    """Shorten a path below the working folder."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)
