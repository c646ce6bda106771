"""The report as JSON, field for field as in `doctor.model.Report`."""

from typing import Any

import msgspec

from doctor.model import Report


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of the report."""
    return msgspec.json.schema(Report)
