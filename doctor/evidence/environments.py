"""Which versions each rank ran with, and what in an exception's text says that two builds do not fit together."""

import re
from collections import Counter
from dataclasses import dataclass

from doctor.evidence.ending import Ending
from doctor.evidence.incidents import Incidents
from doctor.evidence.tracebacks import Failure

_SAYINGS = {
    "a library was built against another version of the one it loads": r"undefined symbol|symbol not found"
    r"|version `?(GLIBC|GLIBCXX|CXXABI)\S* not found|dtype size changed|compiled against (abi|api) version"
    r"|compiled using numpy 1\.x|_array_api not found",
    "a shared library is not there": r"cannot open shared object file|library not loaded|dll load failed",
    "the NVIDIA driver is too old for this build of CUDA": r"driver version is insufficient"
    r"|nvidia driver on your system is too old|forward compatibility was attempted on non supported",
    "this build has no code for this GPU": r"no kernel image is available for execution",
    "this build of torch has no CUDA": r"not compiled with cuda enabled",
    "the ranks load different versions of NCCL": r"nccl.{0,80}version.{0,40}(mismatch|differ)"
    r"|mismatch.{0,60}nccl.{0,20}version",
    "a library lacks what another one imports from it": r"cannot import name .+ from .+\((.*/)?(site|dist)-packages/",
}
_PATTERNS = {saying: re.compile(pattern, re.IGNORECASE | re.DOTALL) for saying, pattern in _SAYINGS.items()}


@dataclass(frozen=True, kw_only=True)
class Discord:
    """One program that is not of the same version everywhere.

    Attributes
    ----------
    versions : tuple of (str, tuple of int)
        Each version with the ranks that run it, the commonest first.
    """

    name: str
    versions: tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Environments:
    """What is known of the environments of a run.

    Attributes
    ----------
    ranks : int
        How many ranks told their versions.
    discords : tuple of Discord
    misfit : str
        What the exception that ended the run says of builds that do not fit together; else empty.
    failure : Failure or None
        That exception.
    rank, step : int or None
        Where it was.
    """

    ranks: int
    discords: tuple[Discord, ...]
    misfit: str = ""
    failure: Failure | None = None
    rank: int | None = None
    step: int | None = None

    @classmethod
    def measure(cls, incidents: Incidents, ending: Ending | None) -> "Environments":
        """Compare the ranks' versions and read the exception that ended the run."""
        known: dict[int, dict[str, str]] = {}
        for event in incidents.of("versions"):
            known[event.rank] = {str(name): str(version) for name, version in event.facts.items()}
        first = ending.first if ending and not ending.good else None
        failure = first.failure if first else None
        return cls(
            ranks=len(known),
            discords=_discords(known),
            misfit=misfit(failure) if failure else "",
            failure=failure,
            rank=first.rank if first else None,
            step=first.step or None if first else None,
        )


def misfit(failure: Failure) -> str:
    """Return what an exception, or what caused it, says of builds that do not fit together."""
    found: Failure | None = failure
    while found:
        for saying, pattern in _PATTERNS.items():
            if pattern.search(found.message):
                return saying
        found = found.cause
    return ""


def _discords(known: dict[int, dict[str, str]]) -> tuple[Discord, ...]:
    found = []
    for name in sorted({name for versions in known.values() for name in versions}):
        by_rank = {rank: versions[name] for rank, versions in known.items() if name in versions}
        counted = Counter(by_rank.values()).most_common()
        if len(counted) > 1:
            ranks = ((version, tuple(sorted(r for r, v in by_rank.items() if v == version))) for version, _ in counted)
            found.append(Discord(name=name, versions=tuple(ranks)))
    return tuple(found)
