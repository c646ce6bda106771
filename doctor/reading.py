"""Reads the JSON reports that `doctor` wrote."""

import json
import math
from pathlib import Path
from typing import Any

import msgspec

from doctor.errors import UsageError
from doctor.model import FORMAT, Report
from doctor.wording import printable

DIAGNOSIS = "diagnosis.json"
"""The report in a run folder."""


def read_report(path: Path) -> Report:
    """Read a stored report.

    Parameters
    ----------
    path : Path
        A report in JSON, or a run folder that holds one.

    Raises
    ------
    UsageError
        Naming the file and what is wrong with it.
    """
    file = path / DIAGNOSIS if path.is_dir() else path
    if not file.exists():
        raise UsageError(f"{path}: a folder without {DIAGNOSIS}" if path.is_dir() else f"{file}: there is no such file")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    if not content.strip():
        raise UsageError(f"{file}: the file is empty")
    found = _checked(file, content)
    for item in found.get("verifications") or ():
        for name in ("before", "after"):  # JSON has no NaN, so a run without a measure stands there as null
            if isinstance(item, dict) and isinstance(item.get(name), list):
                item[name] = [math.nan if value is None else value for value in item[name]]
    try:
        return msgspec.convert(found, Report)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file}: a damaged report: {printable(str(error), limit=300)}") from error


def _checked(file: Path, content: bytes) -> dict[str, Any]:
    """Decode the JSON, and tell what is no report from a report of another age."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UsageError(f"{file}{_fault(content)}") from None
    if not isinstance(found, dict) or not {"format", "doctor", "findings"} <= found.keys():
        raise UsageError(f"{file}: no report of doctor (one is written by --format json)")
    number = found["format"]
    if number != FORMAT:
        newer = isinstance(number, int) and number > FORMAT
        raise UsageError(
            f"{file}: the report has format {printable(str(number), limit=40)}, and this doctor reads format {FORMAT}"
            + ("; a newer one wrote it" if newer else "")
        )
    return found


def _fault(content: bytes) -> str:
    """Say where the JSON ends to be JSON."""
    try:
        json.loads(content)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith("Unterminated string")
        return f":{error.lineno}: not JSON: {'it is cut off' if cut else error.msg}"
    except (UnicodeDecodeError, RecursionError):
        return ": not JSON"
    return ": not JSON"
