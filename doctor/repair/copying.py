"""Writes the copy: the files that a plan touches anew, all others byte for byte, and the papers that tell of it."""

import os
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from doctor.case import Case, stamps_of
from doctor.errors import DoctorError, UsageError
from doctor.repair import (
    code_files,
    columnar_files,
    config_edits,
    document_files,
    image_edits,
    image_papers,
    json_files,
    papers,
    saved_sets,
    settings_file,
    text_files,
)
from doctor.repair.changes import Changes
from doctor.repair.folder import UNFINISHED, is_ours, refuse_output, replacing
from doctor.repair.plan import Plan
from doctor.repair.treatment import treat
from doctor.subjects.database import is_database
from doctor.subjects.formats import JSON_SUFFIXES, TEXT_SUFFIXES, is_table, suffix_of

Writer = Callable[[Changes, Sequence[int], Mapping[int, Path]], dict[int, list[str]]]
WRITERS: dict[str, Writer] = {
    **dict.fromkeys(TEXT_SUFFIXES, text_files.rewrite),
    **dict.fromkeys(JSON_SUFFIXES, json_files.rewrite),
    **dict.fromkeys((".parquet", ".pq", ".arrow", ".feather", ".ipc"), columnar_files.rewrite),
}


class Written(Struct, frozen=True, kw_only=True):
    """What was written.

    Attributes
    ----------
    output : str
        The folder of the copy.
    paths : tuple of str
        Where what was scanned stands in it, in the same order.
    rewritten, copied : tuple of str
        Files written anew and files copied byte for byte, below the output.
    papers : tuple of str
        The plan, the list of changes and the review lists, below the output.
    left_out : int
        Records that are no rows and were left out of rewritten files; the papers hold them.
    """

    output: str
    paths: tuple[str, ...]
    rewritten: tuple[str, ...]
    copied: tuple[str, ...]
    papers: tuple[str, ...]
    left_out: int = 0


def refuse_databases(paths: Sequence[Path]) -> None:
    """Refuse to copy databases.

    Raises
    ------
    UsageError
        Naming the database, and what to do instead.
    """
    for path in paths:
        if not is_table(path) and is_database(path):
            raise UsageError(f"{path}: a database is only read; export the table to Parquet or CSV and repair that")


def write_copy(plan: Plan, case: Case, output: Path, *, force: bool = False) -> Written:
    """Write a copy of what was scanned with the edits of a plan applied.

    The copy appears under its name when it is whole, else not at all. The originals are only read.

    Parameters
    ----------
    plan : Plan
        Made of this case.
    case : Case
        What was opened; what lies at its paths is copied.
    output : Path
        A folder that does not exist, unless `force` is given and `doctor fix` wrote it.
    force : bool
        Whether an earlier copy may be replaced.

    Returns
    -------
    Written
        Which files were written how.

    Raises
    ------
    UsageError
        For an output that is in the way.
    DoctorError
        When something cannot be read or written, or the data changed meanwhile.
    """
    refuse_output(output, case.paths, force=force)
    places = places_of(case.paths)
    with replacing(output) as work:
        targets = {path: work / inner for path, inner in _files(case.paths, places)}
        pictures = image_edits.changes(plan, case)
        targets = {path: target for path, target in targets.items() if path not in pictures.gone}
        texts: dict[Path, str] = {}
        rewritten: set[Path] = set()
        left_out: dict[Path, list[str]] = {}
        for table in case.tables:
            changes = Changes.of(treat(table, [edit.repair for edit in plan.of(table)]).state)
            left_out |= _rewrite(changes, targets)
            rewritten |= {table.parts[number].path.absolute() for number in changes.touched}
            texts |= {path.absolute(): text for path, text in saved_sets.mended(changes).items()}
        code = {path.absolute(): text for path, text in code_files.edited_files(plan, case).items()}
        gone = {name for edit in plan.edits if edit.applied for name in edit.effect.dropped}
        for path in (root.absolute() / "doctor.toml" for root in case.paths):
            if path in targets and (text := settings_file.mended(path, gone)) is not None:
                texts[path] = text
        written = {path: text.encode("utf-8") for path, text in texts.items()} | config_edits.new_texts(plan, case)
        for path, content in written.items():
            targets[path].parent.mkdir(parents=True, exist_ok=True)
            targets[path].write_bytes(content)
        for path, text in code.items():
            _write_code(path, targets[path], text)
        anew = {*written, *code}
        for path, write in pictures.written.items():
            if path in targets:
                _write_pictures(write, targets[path] if path in anew | rewritten else path, targets[path])
                anew.add(path)
        copied = [path for path in targets if path not in rewritten and path not in anew]
        for path in copied:
            _copy(path, targets[path], case.paths)
        if changed := changed_since(case):
            raise DoctorError(f"{changed} while it was read; nothing was written")
        told = papers.write(work, plan, case, left_out)
        names = {path: str(target.relative_to(work)) for path, target in targets.items()}
    return Written(
        output=str(output),
        paths=tuple(str(output / place) for place in places),
        rewritten=tuple(sorted(names[path] for path in (*rewritten, *anew))),
        copied=tuple(sorted(names[path] for path in copied)),
        papers=told,
        left_out=sum(map(len, left_out.values())),
    )


def write_lists(plan: Plan, case: Case, output: Path, *, force: bool = False) -> tuple[str, ...]:
    """Write which images stay and which go, and copy nothing.

    Parameters
    ----------
    plan, case, output, force
        As in `write_copy`.

    Returns
    -------
    tuple of str
        What was written, below the output.

    Raises
    ------
    UsageError
        For an output that is in the way.
    """
    refuse_output(output, case.paths, force=force)
    with replacing(output) as work:
        return (*image_papers.write_whole(work, plan, case), *papers.write(work, plan, case, {}, listed_in=""))


def places_of(paths: Sequence[Path]) -> list[Path]:
    """Return where each path stands in the copy: a folder alone is the copy, several stand in it by their names.

    Raises
    ------
    UsageError
        When two have the same name.
    """
    if len(paths) == 1 and paths[0].is_dir():
        return [Path()]
    names = [path.resolve().name for path in paths]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of the paths are called {name}; fix them one by one")
    return [Path(name) for name in names]


def _files(paths: Sequence[Path], places: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Give every file to be copied and its path in the copy; links to folders stay links."""
    for root, place in zip(paths, places, strict=True):
        top = root.absolute()
        if not top.is_dir():
            yield top, place
            continue
        for folder, folders, files in os.walk(top, onerror=_unreadable):
            here = Path(folder)
            own = {*papers.FILES} if here == top and is_ours(top) else set()
            folders[:] = sorted(name for name in folders if name not in own)
            links = [name for name in folders if (here / name).is_symlink()]
            for name in sorted([*files, *links]):
                if name not in own:
                    yield here / name, place / (here / name).relative_to(top)
            if not files and not folders:
                yield here, place / here.relative_to(top)


def _unreadable(error: OSError) -> None:
    raise DoctorError(f"{error.filename}: {error.strerror}; nothing was written") from error


def _rewrite(changes: Changes, targets: Mapping[Path, Path]) -> dict[Path, list[str]]:
    """Write the touched files of a table; return the records left out, by file."""
    parts = changes.table.parts
    left_out: dict[Path, list[str]] = {}
    documents = document_files.are_documents(changes)
    for bundle in changes.bundles:
        own = {number: targets[parts[number].path.absolute()] for number in bundle}
        for target in own.values():
            target.parent.mkdir(parents=True, exist_ok=True)
        writer = WRITERS[suffix_of(parts[bundle[0]].path)]
        found = (document_files.rewrite if documents else writer)(changes, bundle, own)
        left_out |= {parts[number].path: lines for number, lines in found.items()}
    return left_out


def _write_code(path: Path, target: Path, text: str) -> None:
    """Write a program with the line ends and the mode that it had."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
    shutil.copymode(path, target)


def _write_pictures(write: Callable[[Path, Path], None], source: Path, target: Path) -> None:
    """Write what is left of a file when images go; the source may be what other edits made of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    half = target.with_name(f"{target.name}.{UNFINISHED}")
    write(source, half)
    half.replace(target)


def _copy(path: Path, target: Path, roots: Sequence[Path]) -> None:
    """Copy a file with its bytes and its mode; an empty folder is made, a pipe left out."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind) and (path.is_dir() or not path.exists()):
            target.symlink_to(_leading(path, roots))
        elif path.is_dir():
            target.mkdir(exist_ok=True)
        elif path.is_file():
            shutil.copy(path, target)
    except OSError as error:
        raise _named(error, path, target) from error


def _leading(path: Path, roots: Sequence[Path]) -> Path:
    """Return where the copy of a link leads: as it did, but for one whose relative way leads out of what is copied."""
    link = path.readlink()
    try:
        meant = path.resolve()
    except (OSError, RuntimeError):  # in a circle, by the version of Python
        return link
    within = any(meant.is_relative_to(root.resolve()) for root in roots)
    return link if link.is_absolute() or within else meant


def _named(error: OSError, path: Path, target: Path) -> OSError | DoctorError:
    """Tell a file that cannot be read from a disk that cannot be written."""
    if error.filename is not None and str(error.filename) == str(path) and not error.filename2:
        return DoctorError(f"{path}: {error.strerror}; nothing was written")
    return OSError(error.errno, error.strerror, str(target))


def changed_since(case: Case) -> str:
    """Name what became of the data since the case was opened; empty where nothing did."""
    now = stamps_of(case.paths, case.images)
    for path, stamp in case.stamps.items():
        if path not in now:
            return f"{path} went away"
        if now[path] != stamp:
            return f"{path} changed"
    return next((f"{path} came" for path in now if path not in case.stamps), "")
