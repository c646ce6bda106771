"""Finds the renderer of a report format, which any installed package may bring."""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from doctor.errors import UsageError

FORMAT_OF_SUFFIX = {".txt": "text", ".htm": "html", ".md": "markdown", ".xml": "junit"}
"""Where a format is not called by its suffix."""


def load_renderer(name: str) -> Callable[..., str]:
    """Return the function that writes a report in a format.

    Raises
    ------
    UsageError
        When no such format is installed.
    """
    known = {point.name: point for point in entry_points(group="doctor.reports")}
    if name not in known:
        raise UsageError(f"there is no report format {name!r}; known: {', '.join(sorted(known))}")
    render: Callable[..., str] = known[name].load().render
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
        return load_renderer(FORMAT_OF_SUFFIX.get(suffix, suffix.removeprefix(".")))
    except UsageError as error:
        said = f"no format goes with the suffix {suffix!r}" if suffix else "it has no suffix, so no format is known"
        raise UsageError(f"{path}: {said}; {str(error).rpartition('; ')[2]}") from error
