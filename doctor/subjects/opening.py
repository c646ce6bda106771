"""Opens the tables of files and of databases, and what options name beside the data."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from doctor.errors import UsageError
from doctor.model import Declared, Problem
from doctor.settings import Settings
from doctor.subjects.batch import ReadingOptions
from doctor.subjects.benchmarks import Benchmarks
from doctor.subjects.config import may_be_config
from doctor.subjects.database import Address, address_of, address_of_file, is_database
from doctor.subjects.database_tables import open_database
from doctor.subjects.formats import READERS, is_table
from doctor.subjects.image_sets import open_images
from doctor.subjects.image_tree import is_image
from doctor.subjects.images import Images
from doctor.subjects.layout import open_tables
from doctor.subjects.previous import Previous
from doctor.subjects.source import is_source
from doctor.subjects.table import Engine, Table
from doctor.subjects.tar_shards import is_packed, is_shard


def reading_options(settings: Settings) -> ReadingOptions:
    """Translate what the user said about text files.

    Raises
    ------
    UsageError
        For a header that is neither yes nor no and a delimiter of more than one character.
    """
    header, delimiter = settings.header, settings.delimiter
    if header not in (None, "yes", "no"):
        raise UsageError(f"header: {header!r} is neither yes nor no")
    delimiter = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "bar": "|", "space": " "}.get(
        delimiter or "", delimiter
    )
    if delimiter is not None and len(delimiter) != 1:
        raise UsageError(f"delimiter: {delimiter!r} is not one character (or tab, comma, semicolon, bar, space)")
    return ReadingOptions(
        header=None if header is None else header == "yes", delimiter=delimiter, encoding=settings.encoding
    )


def is_picture(path: Path) -> bool:
    """Whether a file's name says that it is an image, or an archive of them."""
    return is_image(path.name) or is_shard(path) or is_packed(path)


def databases_of(paths: Sequence[Path], settings: Settings) -> list[Address]:
    """Return the databases among what was named.

    Raises
    ------
    UsageError
        For an address that is none, and for a query or a table that was asked for with no database to ask, or several.
    """
    found = [address_of(settings.uri)] if settings.uri else []
    found += [address_of_file(path) for path in paths if not is_table(path) and is_database(path)]
    if (settings.query or settings.table) and len(found) != 1:
        wish = "--query" if settings.query else "--table"
        raise UsageError(f"{wish}: name {'one' if found else 'a'} database, by its file or by --uri")
    return found


def opened_tables(
    engine: Engine,
    paths: Sequence[Path],
    databases: Sequence[Address],
    declared: Declared,
    settings: Settings,
    taken: Collection[Path] = (),
) -> tuple[list[Table], list[Problem]]:
    """Open the tables of files and of databases; `taken` are files, absolute, that are something else."""
    inside = {address.path for address in databases}
    others = (is_source, may_be_config, is_picture)
    files = [path for path in paths if path not in inside and (path.is_dir() or not any(is_(path) for is_ in others))]
    files = [path for path in files if path.absolute() not in taken]
    tables, problems = open_tables(
        engine,
        files,
        declared,
        split_globs=() if databases else settings.split,
        split_column=settings.split_column,
        options=reading_options(settings),
        taken=taken,
    )
    for address in databases:
        more, trouble = open_database(
            engine,
            address,
            declared,
            query=settings.query,
            tables=settings.table,
            split_globs=settings.split,
            split_column=settings.split_column,
            memory_limit=settings.memory_limit,
            threads=settings.threads,
        )
        tables += more
        problems += trouble
    if databases and len({table.label for table in tables}) < len(tables):
        tables = [table.replaced(label=table.shown) for table in tables]
    return tables, problems


def older_version(engine: Engine, settings: Settings) -> Previous | None:
    """Open the version that the data is to be compared with, by the same options; None where none is named.

    Raises
    ------
    UsageError
        When there is no such path, or no table at it.
    """
    if settings.against is None:
        return None
    if not isinstance(settings.against, str | os.PathLike):
        raise UsageError("against: give the path of the older version")
    tables, problems = _beside(engine, settings, "--against", settings.against)
    return Previous(shown=str(Path(settings.against)), tables=tuple(tables), problems=tuple(problems))


def apart_from(paths: Sequence[Path], named: Sequence[str]) -> list[Path]:
    """Return where the benchmarks lie, which are no part of what is scanned.

    Raises
    ------
    UsageError
        For one that holds what is scanned.
    """
    found = [Path(one) for one in named]
    for benchmark in found:
        if held := next((path for path in paths if path.resolve().is_relative_to(benchmark.resolve())), None):
            raise UsageError(f"--benchmark {benchmark}: it is what is scanned, or holds it ({held})")
    return found


def benchmarks(engine: Engine, settings: Settings) -> Benchmarks | None:
    """Open the benchmarks that must not be trained on; None where none is named.

    Raises
    ------
    UsageError
        When there is no such path, or neither a table nor images at it.
    """
    opened: list[tuple[str, Table]] = []
    pictures: list[tuple[str, Images]] = []
    damaged: list[Problem] = []
    for named in settings.benchmark:
        seen = open_images([Path(named)] if Path(named).exists() else [])
        if seen.images:
            pictures += [(named, images) for images in seen.images]
            damaged += seen.problems
        else:
            tables, problems = _beside(engine, replace(settings, split_column=None), "--benchmark", named)
            opened += [(named, table) for table in tables]
            damaged += problems
    if not opened and not pictures:
        return None
    return Benchmarks(tables=tuple(opened), images=tuple(pictures), problems=tuple(damaged))


def _beside(
    engine: Engine, settings: Settings, option: str, named: str | os.PathLike[str]
) -> tuple[list[Table], list[Problem]]:
    """Open what an option names beside the data, by the same options of reading."""
    path = Path(named)
    if not path.exists():
        raise UsageError(f"{option} {path}: there is no such file or folder")
    held = path.is_file() and not is_table(path)
    if held and not is_database(path):
        raise UsageError(f"{option} {path}: not a table that can be read; known are {', '.join(READERS)}")
    tables, problems = opened_tables(
        engine,
        [path],
        [address_of_file(path)] if held else [],
        Declared(),
        replace(settings, split=()) if held else replace(settings, split=(), query=None, table=()),
    )
    if not tables:
        why = f"{problems[0].reason}" if problems else "there is no table"
        raise UsageError(f"{option} {path}: {why}")
    return tables, problems
