"""The user's own code that builds a data set: named on the command line, and run only because it was."""

import re
from pathlib import Path

from msgspec import Struct

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
    """

    asked: str
    place: str
    function: str
    seconds: float = DEFAULT_SECONDS

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

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        return SubjectSummary(kind="pipeline", path=self.asked)
