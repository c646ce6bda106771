"""Training code without a word on the libraries that it ran with.

What it finds
    A project of several programs of which one trains, with no record of its environment beside it, nor above it up to
    the root of the repository: no requirements file, environment.yml, pyproject.toml with dependencies, setup.py, lock
    file, image (Dockerfile, Apptainer, Nix), nor a script or workflow that installs. Requirements that a program names
    in itself (`# /// script`) are a record.

Why it matters
    The same code gives other numbers under another version of torch or numpy, or does not start at all. In a year
    nobody knows which versions gave the result that is to be defended.

What to do
    Write down what the run that counts was made with, from inside its environment and not later from memory:
    `conda env export > environment.yml`, or `pip freeze > requirements.txt`, and keep the file with the code.

Thresholds
    min_programs: programs and notebooks from which code is a project and not a lone script (2).

Calibration
    Of the fixtures' four projects the one without a record is found. Each of 13 kinds of record, at the root of a
    repository whose programs lie a folder below, silences it (tests/test_dependencies.py).

Limits
    It sees files, not what they are worth: a record that names no version is a matter of unpinned-dependencies. A
    README is not read. Without a repository, three folders above the scanned one are looked at. No file is written by
    `doctor fix`: the versions on the machine that scans need not be those of the one that trained.

Source
    The Turing Way, guide for reproducible research, chapter on reproducible environments; conda's manual on sharing
    environments.
"""

from collections.abc import Iterator

from doctor.evidence.dependencies import Dependencies
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "reproducibility/unrecorded-environment",
    Severity.INFO,
    "{where} trains with {libraries}, and no file beside it or above says with which versions",
)
MAX_NAMED = 4


def examine(dependencies: Dependencies, *, min_programs: int = 2) -> Iterator[Finding | Undecided]:
    """State the first program that trains without a record."""
    if dependencies.scanned < min_programs:
        yield CHECK.not_applicable("a lone program is no project")
        return
    bare = [program for program in dependencies.programs if not program.recorded]
    for program in bare[:1]:
        names = list(program.imports)
        shown = ", ".join(names[:MAX_NAMED]) + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
        summary = "run `conda env export > environment.yml` or `pip freeze > requirements.txt` where it trains"
        yield CHECK.finding(
            at=Location(path=program.at.path, line=program.at.line, cell=program.at.cell),
            repair=Advise(safety=Safety.MANUAL, summary=summary),
            where=program.at.short,
            libraries=shown,
            imports=names,
            programs=len(bare),
        )
