"""Files of benchmarks, opened beside what is scanned, which must not be trained on."""

from dataclasses import dataclass, field

from doctor.model import Problem
from doctor.subjects.images import Images
from doctor.subjects.table import Table


@dataclass(frozen=True, kw_only=True, eq=False)
class Benchmarks:
    """The tables and the images of the benchmarks, each by the path that the user gave."""

    tables: tuple[tuple[str, Table], ...] = ()
    images: tuple[tuple[str, Images], ...] = ()
    problems: tuple[Problem, ...] = field(default=())
