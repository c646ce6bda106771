"""The versions on which figures depend."""

import platform
from functools import cache
from importlib import metadata

MEASURED_WITH = ("duckdb", "numpy", "scipy", "scikit-learn", "pyarrow")


@cache
def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that measure; one that is not installed is left out."""
    found = {"Python": platform.python_version()}
    for name in MEASURED_WITH:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
