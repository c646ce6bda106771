"""Follows the logs of a run that somebody else writes, and tells what is new in them."""

import sys
import time
from pathlib import Path

from doctor.errors import CannotOpen, UsageError
from doctor.model import Report
from doctor.registry import load_renderer
from doctor.settings import Settings
from doctor.subjects.logs.opening import open_anything
from doctor.watching.outlook import Outlook
from doctor.watching.telling import tell, tell_finding

LOOK_SECONDS = 5.0
MAX_SHARE = 0.05
"""Of one processor, for reading the logs again."""


def follow(path: Path, settings: Settings, run_dir: Path | None = None) -> Report:
    """Read logs again and again, until they say that the run has ended or the user interrupts.

    Parameters
    ----------
    path : Path
        What `doctor autopsy` takes; a folder may still be empty.
    settings : Settings
    run_dir : Path, optional
        Where `diagnosis.json` and `report.html` are written at the end.

    Raises
    ------
    UsageError
        When there is no such path.
    CannotOpen
        When nothing of a run had come by the time of the interrupt.
    """
    if not path.exists():
        raise UsageError(f"{path}: there is no such file or folder")
    outlook = Outlook(path, settings, keep=lambda report: None, opener=open_anything)
    tell(f"following {path}; Ctrl-C ends it")
    waiting = True
    try:
        while True:
            spent = time.process_time()
            try:
                for finding in outlook.look():
                    tell_finding(finding)
                waiting = False
            except CannotOpen as reason:
                if not waiting:
                    raise
                if path.is_file():
                    raise UsageError(str(reason)) from reason
            if outlook.run is not None and outlook.run.end:
                break
            time.sleep(max(LOOK_SECONDS, (time.process_time() - spent) / MAX_SHARE))
    except KeyboardInterrupt:
        sys.stderr.write("\n")
    report = outlook.examined()
    if run_dir is not None:
        _write(report, run_dir)
    return report


def _write(report: Report, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, file in (("json", "diagnosis.json"), ("html", "report.html")):
            (folder / file).write_text(load_renderer(name)(report, color=False), "utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
