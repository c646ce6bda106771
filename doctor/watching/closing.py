"""What is said when a watched command has ended: the diagnosis, and where the whole report lies."""

import contextlib
import sys
from pathlib import Path

from doctor.model import Report
from doctor.registry import load_renderer
from doctor.settings import Settings
from doctor.watching.folder import RunFolder
from doctor.watching.telling import shorter, tell


def conclude(folder: RunFolder, settings: Settings) -> Report | None:
    """Examine the whole run and write `diagnosis.json` and `report.html`; None where that fails, which is told."""
    from doctor.watching.outlook import Outlook

    try:
        report = Outlook(folder.path, settings, lambda seen: keep(folder, seen)).examined()
        keep(folder, report)
        page = load_renderer("html")(report, color=False)
    except Exception as error:
        tell(f"{folder.path}: cannot be examined: {type(error).__name__}: {error}")
        return None
    folder.write(folder.path / "report.html", page)
    return report


def keep(folder: RunFolder, report: Report) -> None:
    """Write `diagnosis.json`."""
    folder.write(folder.path / "diagnosis.json", load_renderer("json")(report, color=False))


def tell_report(report: Report, folder: Path) -> None:
    """Write the short report to standard error; where all is well that is one line."""
    render, page = load_renderer("text"), folder / "report.html"
    line, *others = render(report, color=False).strip("\n").split("\n")
    if not others:
        tell(f"{line[:1].lower()}{line[1:].rstrip('.')}; {shorter(page)}")
        return
    text = render(report, color=sys.stderr is not None and sys.stderr.isatty()).strip("\n")
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"\n{text}\n")
        sys.stderr.flush()
    tell(f"report: {shorter(page)}")
