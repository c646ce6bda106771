"""Libraries that decide the numbers and that are asked for without saying which version.

What it finds
    Lines of requirements files, environment.yml, Pipfile and pyproject.toml that ask for a library which the training
    code imports (torch, numpy, transformers, scikit-learn and their kin) with no version at all, from a branch of a
    repository, or with a lower bound and no upper one. Silent where a lock file, a hash or another file beside it, such
    as one of constraints, names the version.

Why it matters
    Whoever installs it later gets other versions, and with them other kernels, defaults and random numbers, or an API
    that is no longer there. The numbers cannot be had again.

What to do
    Name the versions that the run was made with: `pip freeze` or `conda env export` in its environment, or a lock file
    (`uv lock`, `poetry lock`, `pip-compile --generate-hashes`). For a repository, name the commit.

Thresholds
    max_named: libraries that a finding names (5).

Calibration
    Of the fixtures' eight projects the three sick ones are found at their lines; pinned, hashed, locked, constrained
    and published ones are silent. 31 ways of writing a requirement are read as pip, conda and poetry read them
    (tests/test_dependencies.py). How loosely something may be asked for is a matter of custom: so the worst of it is a
    warning.

Limits
    Only libraries that a training program imports in the scanned code are judged, and only in the files beside it or
    above it. A package built for others to install rightly leaves versions open, so nothing is said where a build
    system is named in pyproject.toml, or a setup.py or setup.cfg stands beside it. Whether the version that is named
    was the one that trained cannot be known.

Source
    pip's manual on repeatable installs; PyPA's packaging guide on install_requires and requirements files.
"""

from collections.abc import Iterator
from itertools import groupby

from doctor.evidence.dependencies import DISTRIBUTIONS, Dependencies, TrainingProgram
from doctor.evidence.requirements import Bound, Requirement
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "reproducibility/unpinned-dependencies",
    Severity.WARNING,
    {
        "none": "{where}: {names} in any version, and nothing beside it says which",
        "moving": "{where}: {names} from a branch, which is another version tomorrow",
        "open": "{where}: {names} from some version on, without an end",
    },
)
_SEVERITY = {Bound.NONE: Severity.WARNING, Bound.MOVING: Severity.WARNING, Bound.OPEN: Severity.INFO}


def examine(dependencies: Dependencies, *, max_named: int = 5) -> Iterator[Finding | Undecided]:
    """State, file by file, what is asked for too loosely."""
    for trouble in dependencies.troubles:
        yield CHECK.unavailable(trouble)
    applications = [program for program in dependencies.programs if not program.library]
    if not applications:
        yield CHECK.not_applicable("a package for others to install leaves versions open")
    elif not any(program.requirements for program in applications):
        yield CHECK.not_applicable("no file here asks for libraries line by line")
    loose = {(one.path, one.line, one.name): one for program in applications for one in _loose(program)}
    ordered = sorted(loose.values(), key=lambda one: (one.path, one.bound.rank, one.line))
    for (_, bound), group in groupby(ordered, key=lambda one: (one.path, one.bound)):
        yield _finding(bound, list(group), max_named)


def _loose(program: TrainingProgram) -> Iterator[Requirement]:
    """Yield, for each imported library, the requirement that binds it most, where it does not bind it enough."""
    for name in program.imports:
        names = DISTRIBUTIONS[name]
        asked = [one for one in program.requirements if one.name in names]
        if asked and not program.locked & set(names):
            best = max(asked, key=lambda one: one.bound.rank)
            if best.bound in _SEVERITY:
                yield best


def _finding(bound: Bound, loose: list[Requirement], max_named: int) -> Finding:
    first = loose[0]
    names = [one.name for one in loose]
    more = len(names) - max_named
    return CHECK.finding(
        str(bound),
        at=Location(path=first.path, line=first.line, character=first.character),
        severity=_SEVERITY[bound],
        repair=Advise(
            safety=Safety.MANUAL,
            summary="name the commit"
            if bound is Bound.MOVING
            else "write the versions that `pip freeze` or `conda list` says where it trained",
        ),
        where=first.place.short,
        names=", ".join(names[:max_named]) + (f" and {more} more" if more > 0 else ""),
        libraries=[{"name": one.name, "line": one.line, "written": one.written} for one in loose],
    )
