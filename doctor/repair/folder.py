"""Where a copy is put: built in a folder beside, which takes the output's name only when it is whole."""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from doctor.errors import DoctorError, UsageError

PLAN = "plan.toml"
FIRST_LINE = "# Written by doctor fix."
UNFINISHED, REPLACED = "unfinished", "replaced"


def is_ours(folder: Path) -> bool:
    """Whether a folder is a copy that `doctor fix` wrote."""
    try:
        with (folder / PLAN).open(encoding="utf-8") as lines:
            return lines.readline().startswith(FIRST_LINE)
    except (OSError, ValueError):
        return False


def refuse_output(output: Path, paths: Sequence[Path], *, force: bool) -> None:
    """See that a copy can be written there without touching what is there.

    Raises
    ------
    UsageError
        In one line, when it cannot.
    """
    place = output.resolve()
    for path in paths:
        source = path.resolve()
        if place == source:
            raise UsageError(f"--output {output}: that is the data itself; the original is never written")
        if source.is_dir() and place.is_relative_to(source):
            raise UsageError(f"--output {output}: it lies inside the data, {path}")
        if source.is_relative_to(place):
            raise UsageError(f"--output {output}: the data, {path}, lies inside it")
    if not os.path.lexists(output):
        return
    if not output.is_dir():
        raise UsageError(f"--output {output}: there is a file of that name; name a folder")
    if not any(output.iterdir()):
        return
    if not force:
        raise UsageError(f"--output {output}: it exists; --force replaces it")
    if not is_ours(output):
        raise UsageError(
            f"--output {output}: doctor fix did not write what is there (it has no {PLAN} of ours), so not even --force"
            " replaces it"
        )


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Build a folder beside the output; at the end it takes the output's place, or nothing of it is left.

    Raises
    ------
    DoctorError
        When the disk is full or cannot be written, naming the file.
    """
    place = output.resolve()
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        clear_leftovers(place)
    except OSError as error:
        raise DoctorError(f"{output}: {error.strerror or error}") from error
    work = place.with_name(f".{place.name}.{UNFINISHED}-{os.getpid()}")
    try:
        work.mkdir()  # in here, for an interruption may come right behind it
        yield work
        _take_place(work, place)
    except OSError as error:
        named = str(error.filename or output).replace(str(work), str(output))
        raise DoctorError(f"{named}: {error.strerror or error}; nothing was written") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _take_place(work: Path, place: Path) -> None:
    if not place.exists():
        work.rename(place)
        return
    if not any(place.iterdir()):
        place.rmdir()
        work.rename(place)
        return
    old = place.with_name(f".{place.name}.{REPLACED}-{os.getpid()}")
    place.rename(old)
    try:
        work.rename(place)
    except BaseException:
        if not place.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def clear_leftovers(place: Path) -> None:
    """Remove what a killed process left beside the output; a copy that it was just replacing is put back."""
    for kind in (REPLACED, UNFINISHED):
        for left in place.parent.glob(f".{glob_escaped(place.name)}.{kind}-*"):
            number = left.name.rpartition("-")[2]
            if not number.isdecimal() or _alive(int(number)):
                continue
            if kind == REPLACED and not place.exists():
                left.rename(place)
            else:
                shutil.rmtree(left, ignore_errors=True)


def glob_escaped(name: str) -> str:
    """Write a name so that a pattern means it alone."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _alive(process: int) -> bool:
    if process == os.getpid():
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
