"""Runs `doctor scan` for the benches, in this process or as a user does."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from doctor.case import open_case
from doctor.engine import examine
from doctor.errors import DoctorError
from doctor.model import Report
from doctor.settings import settings_for

Scan = Callable[..., Report]


class ScanFailed(Exception):
    """The scan gave no report; the message says why."""


def executable(name: str) -> Path:
    """Return the path of a command installed beside this Python."""
    return Path(sys.executable).parent / name


def in_process(paths: Sequence[Path], *, target: str | None = None, select: Sequence[str] = ()) -> Report:
    """Scan with the command's own loader, settings and engine, without starting a process.

    Raises
    ------
    ScanFailed
        When there is no report.
    """
    try:
        settings = settings_for(paths[0], {"target": target, "select": tuple(select)})
        with open_case(paths, settings) as case:
            return examine(case, settings)
    except DoctorError as error:
        raise ScanFailed(str(error)) from error


def by_command(paths: Sequence[Path], *, target: str | None = None, select: Sequence[str] = ()) -> Report:
    """Scan by the installed command and read its JSON.

    Raises
    ------
    ScanFailed
        When the command prints no report.
    """
    options = [*(("--target", target) if target else ()), *(word for check in select for word in ("--select", check))]
    command = [str(executable("doctor")), "scan", *map(str, paths), *options, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout:
        raise ScanFailed(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"status {done.returncode}")
    return msgspec.json.decode(done.stdout, type=Report)
