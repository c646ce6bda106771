"""The report as one HTML file that opens from disk."""

from doctor.model import Report


def render(report: Report, *, color: bool = False) -> str:
    """Write the page."""
    raise NotImplementedError
