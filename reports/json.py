"""The report as JSON, field for field as in `doctor.model.Report`, with secrets and personal data masked."""

from typing import Any

import msgspec

from doctor.model import Report
from doctor.rounds import Round
from doctor_reports.masking import masked


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as indented JSON; what is not a finite number becomes null."""
    return msgspec.json.format(msgspec.json.encode(masked(report)), indent=2).decode() + "\n"


def render_round(made: Round, *, color: bool = False) -> str:
    """Write a round through the clinic as indented JSON."""
    summary = {"passed": not made.failed, "diseases": len(made.diseases), "controls": len(made.controls)}
    told = msgspec.to_builtins(made) | {"summary": summary}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of the report."""
    return msgspec.json.schema(Report)
