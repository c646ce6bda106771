"""The user's own code that builds a data set: named on the command line, and run only because it was."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from doctor.errors import UsageError
from doctor.model import SubjectSummary

DEFAULT_SECONDS = 600.0


class Pipeline(Struct, frozen=True, kw_only=True):
    """What builds the data set.

    Attributes
    ----------
    asked : str
        As the user wrote it.
    place : str
        A module's dotted name, or the path of a file.
    function : str
        Empty for a script that is run from top to bottom.
    seconds : float
        How long one build may take.
    search : tuple of str
        Folders in which its modules are looked for before all others.
    """

    asked: str
    place: str
    function: str
    seconds: float = DEFAULT_SECONDS
    search: tuple[str, ...] = ()

    @property
    def is_file(self) -> bool:
        """Whether it is named by a file rather than by a module."""
        return self.place.endswith(".py")

    @classmethod
    def named(cls, asked: str, seconds: float | None = None) -> "Pipeline":
        """Read `package.module:function`, `file.py:function` or `file.py`.

        Raises
        ------
        UsageError
            When it is of none of these forms, or there is no such file.
        """
        place, colon, function = asked.rpartition(":") if re.search(r":[^/\\]*$", asked) else (asked, "", "")
        is_file = place.endswith(".py")
        well_formed = is_file or re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", place)
        if not well_formed or (not is_file and not colon) or (colon and not re.fullmatch(r"[^\W\d][\w.]*", function)):
            raise UsageError(f"--pipeline {asked!r} is none of package.module:function, file.py:function, file.py")
        if is_file and not Path(place).is_file():
            raise UsageError(f"--pipeline {asked!r}: there is no file {place}")
        limit = DEFAULT_SECONDS if seconds is None else min(seconds, DEFAULT_SECONDS)
        return cls(asked=asked, place=place, function=function, seconds=limit)

    @classmethod
    def of_function(cls, function: Callable[[], Any], seconds: float = DEFAULT_SECONDS) -> "Pipeline":
        """Name a function so that a fresh process finds it again.

        Raises
        ------
        UsageError
            When it does not stand at the top level of a module that lies in a file.
        """
        module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
        file = getattr(sys.modules.get(module or ""), "__file__", None)
        if not name or not re.fullmatch(r"[^\W\d][\w.]*", name) or file is None:
            shown = name or type(function).__name__
            raise UsageError(
                f"{shown} cannot be named to a fresh process: give a function at the top level of a module"
            )
        if module and "." in module and _importable(module.partition(".")[0]):
            return cls(asked=f"{module}:{name}", place=module, function=name, seconds=seconds)
        return cls(asked=f"{Path(file).name}:{name}", place=file, function=name, seconds=seconds)

    def importing_from(self, search: tuple[str, ...]) -> "Pipeline":
        """Return a copy whose modules are looked for in these folders first."""
        return structs.replace(self, search=search)

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        return SubjectSummary(kind="pipeline", path=self.asked)


def _importable(package: str) -> bool:
    """Whether a fresh process would find a package; what a test runner loaded by its path it would not."""
    finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
    return any(finder.find_spec(package, None) is not None for finder in finders)
