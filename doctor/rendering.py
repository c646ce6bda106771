"""Finds the renderer of a report format, which any installed package may bring."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from doctor.errors import UsageError

FORMAT_OF_SUFFIX = {
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    "code-quality-report.json": "gitlab",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".xml": "junit",
    ".txt": "text",
}
"""Formats by the end of a file's name, the first that fits; GitLab's is the usual name of its reports."""


def format_of(path: Path | None) -> str | None:
    """Return the format that goes with a file's name; None where none does, and where there is no file."""
    if path is None:
        return None
    name = path.name.lower()
    return next((format_ for suffix, format_ in FORMAT_OF_SUFFIX.items() if name.endswith(suffix)), None)


def load_renderer(name: str, function: str = "render") -> Callable[..., str]:
    """Return the function that writes a report in a format.

    Parameters
    ----------
    name : str
        The format.
    function : str
        `render` for a report, `render_changes` for what changed between several, `render_round` for a round through the
        clinic.

    Raises
    ------
    UsageError
        When no such format is installed, or it cannot write this.
    """
    known = {point.name: point for point in entry_points(group="doctor.reports")}
    if name not in known:
        raise UsageError(f"there is no report format {name!r}; known: {', '.join(sorted(known))}")
    render: Callable[..., str] | None = getattr(known[name].load(), function, None)
    if render is None:
        able = [other for other in sorted(known) if hasattr(known[other].load(), function)]
        raise UsageError(f"the report format {name!r} cannot write this; those that can: {', '.join(able)}")
    return render


def renderer_for(path: Path) -> Callable[..., str]:
    """Return the function that writes the format in which a file of this name is.

    Raises
    ------
    UsageError
        When the name says no format that is installed.
    """
    suffix = path.suffix.lower()
    try:
        return load_renderer(format_of(path) or suffix.removeprefix("."))
    except UsageError as error:
        said = f"no format goes with the suffix {suffix!r}" if suffix else "it has no suffix, so no format is known"
        raise UsageError(f"{path}: {said}; {str(error).rpartition('; ')[2]}") from error
