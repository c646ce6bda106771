"""Starts a training command so that every Python process in it takes the probe along."""

import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doctor.errors import UsageError
from doctor.version import VERSION

SITE = Path(__file__).resolve().parent / "site"


def environment(folder: Path) -> dict[str, str]:
    """Return this process's environment, extended so that the probe starts in every Python that inherits it."""
    before = os.environ.get("PYTHONPATH")
    path = f"{SITE}{os.pathsep}{before}" if before else str(SITE)
    return os.environ | {"PYTHONPATH": path, "DOCTOR_RUN_DIR": str(folder.resolve())}


def new_run_folder(wanted: Path | None) -> Path:
    """Make the run folder: `wanted`, else `.doctor/runs/<time>`.

    Raises
    ------
    UsageError
        When it cannot be made, or holds another run already.
    """
    folder = wanted or Path(".doctor") / "runs" / time.strftime("%Y-%m-%dT%H-%M-%S")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}") from error
    if (folder / "run.json").exists():
        raise UsageError(f"{folder}: holds a run already; name another folder")
    return folder


def launch(command: Sequence[str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start the command; its input and output stay the terminal's own.

    Raises
    ------
    UsageError
        When there is no such command.
    """
    about = {
        "format": 1,
        "doctor": VERSION,
        "command": list(command),
        "folder": str(Path.cwd()),
        "host": socket.gethostname(),
        "platform": platform.platform(),
        "started": time.time(),
        "monotonic": time.monotonic(),
    }
    (folder / "run.json").write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    try:
        process = subprocess.Popen(command, env=environment(folder))  # noqa: S603  # the user's own command
    except OSError as error:
        raise UsageError(f"{command[0]}: {error.strerror}") from error
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the command as well, which decides
    return process


def record_end(folder: Path, end: Mapping[str, Any]) -> None:
    """Write how the command ended (`doctor.watching.triage.facts`)."""
    (folder / "end.json").write_text(json.dumps(end, indent=1) + "\n", "utf-8")


def exit_status(returncode: int) -> int:
    """Return the status that a shell would give for a command that ended so."""
    return returncode if returncode >= 0 else 128 - returncode


def message(text: str) -> None:
    """Say something to the user; standard output belongs to the command."""
    sys.stderr.write(f"doctor: {text}\n")
