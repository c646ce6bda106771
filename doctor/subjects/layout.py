"""Opens every table at paths: files that belong together, train, validation and test told apart."""

import os
from collections.abc import Collection, Sequence
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from doctor.errors import CannotOpen, UsageError
from doctor.model import Declared, Guess, Problem
from doctor.subjects import formats
from doctor.subjects.assembly import assemble
from doctor.subjects.batch import Batch, Entry, ReadingOptions
from doctor.subjects.documents import Documents, find_documents, read_documents
from doctor.subjects.file_names import NO_FILE, Named, find_files, group, is_channel
from doctor.subjects.split_column import divide
from doctor.subjects.split_words import split_named, split_rank
from doctor.subjects.table import Engine, Table

WHOLE = "all"
MIN_SHARED_COLUMNS = 0.5
"""Files of one table have at least this share of the columns of the narrower in common."""
FILES_NAMED = 3


def open_tables(
    engine: Engine,
    paths: Sequence[Path],
    declared: Declared,
    *,
    split_globs: Sequence[str] = (),
    split_column: str | None = None,
    options: ReadingOptions | None = None,
    taken: Collection[Path] = (),
) -> tuple[list[Table], list[Problem]]:
    """Open every table at paths.

    Parameters
    ----------
    engine : Engine
        Takes the rows.
    paths : sequence of Path
        Files and folders; what they hold is looked at together.
    declared : Declared
        Roles that the user gave.
    split_globs : sequence of str
        `NAME=GLOB`, over what the names say.
    split_column : str, optional
        The column that names each row's split.
    options : ReadingOptions, optional
        How text is to be read.
    taken : collection of Path
        Files, absolute, that are something else, such as configurations.

    Returns
    -------
    list of Table
        Sorted by their files.
    list of Problem
        Files, or tables, that cannot be used.

    Raises
    ------
    UsageError
        When an option speaks of what is not there.
    """
    given = {path.absolute() for path in paths}
    told = options or ReadingOptions()
    # Whoever says how fields are separated or whether there are names speaks of tables.
    tabular = told.delimiter is not None or told.header is not None or bool(split_globs)
    collections = [] if tabular else find_documents(paths, taken)
    inside = {str(path) for path in taken}.union(*(documents.absolute for documents in collections))
    groups = grouped([file for file in find_files(paths) if str(file.path.absolute()) not in inside], split_globs)
    opened: list[tuple[list[Named], list[Batch]]] = []
    problems: list[Problem] = []
    for members in groups:
        asked = any(member.path.absolute() in given for member in members)
        batches, trouble = _read(engine, members, told, asked=asked)
        problems += trouble
        opened += divided_by_columns(members, batches)
    shown = [_shown(paths, members, alone=len(opened) == 1) for members, _ in opened]
    tables, trouble = joined(engine, opened, shown, declared, split_column=split_column)
    texts, more = _texts(engine, collections, declared, split_column, told.encoding, alone=not tables)
    return [*texts, *_without_word_lists(tables, given)], [*problems, *trouble, *more]


def _texts(
    engine: Engine,
    collections: Sequence[Documents],
    declared: Declared,
    split_column: str | None,
    encoding: str | None,
    *,
    alone: bool,
) -> tuple[list[Table], list[Problem]]:
    """Make a table of each folder of documents."""
    tables: list[Table] = []
    problems: list[Problem] = []
    for documents in collections:
        batches, trouble = read_documents(engine, documents, encoding)
        problems += trouble
        if not batches:
            continue
        shown = str(documents.root)
        label = "" if alone and len(collections) == 1 else documents.root.name
        table = assemble(engine, batches, path=documents.root, shown=shown, label=label, declared=declared)
        table = divide(table, split_column) if split_column else table
        tables.append(table.replaced(guesses=(documents.guess(shown), *table.guesses)))
    return tables, problems


def joined(
    engine: Engine,
    opened: Sequence[tuple[Sequence[Named], Sequence[Batch]]],
    shown: Sequence[str],
    declared: Declared,
    *,
    split_column: str | None,
) -> tuple[list[Table], list[Problem]]:
    """Make a table of each group of what was read, leaving out what has no rows.

    Parameters
    ----------
    engine : Engine
        Where the rows are.
    opened : sequence of pairs
        What belongs together by its names, and the rows.
    shown : sequence of str
        What each table is called.
    declared, split_column
        As in `open_tables`.
    """
    tables = []
    problems: list[Problem] = []
    labels = _labels([members for members, _ in opened])
    for (members, batches), label, name in zip(opened, labels, shown, strict=True):
        full, trouble = _without_empty(batches)
        problems += trouble
        if not full:
            continue
        table = assemble(
            engine, full, path=Path(name), shown=name, label=label if len(opened) > 1 else "", declared=declared
        )
        if set(table.splits) == {WHOLE} or split_column:
            table = divide(table, split_column)
        tables.append(table.replaced(guesses=(*_layout_guesses(table, members), *table.guesses)))
    return tables, problems


def grouped(files: Sequence[Named], split_globs: Sequence[str]) -> list[list[Named]]:
    """Put together what is one table, by the names or as the user says.

    Raises
    ------
    UsageError
        For a wish that is not of the form NAME=GLOB, or that nothing fits.
    """
    if not split_globs:
        return group(files)
    given: dict[Path, str] = {}
    for item in split_globs:
        name, equals, pattern = item.partition("=")
        if not (equals and name.strip() and pattern):
            raise UsageError(f"--split {item!r} is not of the form NAME=GLOB")
        hits = [file for file in files if _matches(file, pattern)]
        if not hits:
            known = ", ".join(str(file.inner) for file in files[:FILES_NAMED])
            raise UsageError(f"--split {item!r}: no file matches; there are {len(files)}, such as {known}")
        given |= {file.path: split_named(name) for file in hits}
    divided = [replace(file, split=given[file.path]) for file in files if file.path in given]
    others = group([file for file in files if file.path not in given])
    return [divided, *others]


def _matches(file: Named, pattern: str) -> bool:
    names = (file.inner.as_posix(), file.path.name, str(file.path), os.path.relpath(file.path))
    return any(fnmatch(name, pattern) for name in names)


def _read(
    engine: Engine, members: Sequence[Named], options: ReadingOptions, *, asked: bool
) -> tuple[list[Batch], list[Problem]]:
    """Read a group's files, format by format; in a folder, JSON that holds no records is nothing to complain of."""
    batches: list[Batch] = []
    problems: list[Problem] = []
    for suffix in dict.fromkeys(formats.suffix_of(member.path) for member in members):
        entries = [
            Entry(path=member.path, split=member.split or WHOLE)
            for member in members
            if formats.suffix_of(member.path) == suffix
        ]
        channels = [] if asked else [entry for entry in entries if _is_channel(entry.path)]
        problems += [Problem(path=str(entry.path), reason=NO_FILE) for entry in channels]
        entries = [entry for entry in entries if entry not in channels]
        if not entries:
            continue
        try:
            found, trouble = formats.read(engine, entries, options)
        except formats.NoRecords as error:
            if asked:
                problems.append(Problem(path=str(error.path), reason=error.reason))
            continue
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
            continue
        batches += found
        problems += trouble
    return sorted(batches, key=lambda batch: (split_rank(batch.split), str(batch.files[0][0]))), problems


def _is_channel(path: Path) -> bool:
    try:
        return is_channel(path)
    except OSError:
        return False  # which whoever opens it says better


def divided_by_columns(members: Sequence[Named], batches: Sequence[Batch]) -> list[tuple[list[Named], list[Batch]]]:
    """Keep together what has columns in common; a file that stands alone is then no split."""
    tables: list[list[Batch]] = []
    for batch in batches:
        for table in tables:
            if _shared(table[0], batch) >= MIN_SHARED_COLUMNS:
                table.append(batch)
                break
        else:
            tables.append([batch])
    if len(tables) == 1:
        return [(list(members), tables[0])]
    divided = []
    for table in tables:
        paths = {path for batch in table for path, _ in batch.files}
        own = [member for member in members if member.path in paths]
        if len({batch.split for batch in table}) == 1:
            table = [replace(batch, split=WHOLE) for batch in table]
            own = [member.alone for member in own]
        divided.append((own, table))
    return divided


def _shared(one: Batch, other: Batch) -> float:
    first, second = ({name.lower() for name in batch.types} for batch in (one, other))
    return len(first & second) / max(1, min(len(first), len(second)))


def _without_empty(batches: Sequence[Batch]) -> tuple[list[Batch], list[Problem]]:
    """Leave out splits without a row; an empty shard among full ones is nothing unusual."""
    rows: dict[str, int] = {}
    for batch in batches:
        rows[batch.split] = rows.get(batch.split, 0) + batch.rows
    problems = [
        Problem(path=str(path), reason="no row of it can be read" if batch.malformed else "it has columns but no rows")
        for batch in batches
        if not rows[batch.split]
        for path, _ in batch.files
    ]
    return [batch for batch in batches if rows[batch.split] and batch.types], problems


def _labels(groups: Sequence[Sequence[Named]]) -> list[str]:
    """Name tables so that the name stays when format or sharding change."""
    labels = []
    for members in groups:
        first = members[0]
        label = "/".join(filter(None, (first.folder, first.stem))) or "/".join(
            filter(None, (first.alone.folder, first.alone.stem))
        )
        if label in labels:
            label = first.inner.as_posix()
        labels.append(label)
    return labels


def _shown(paths: Sequence[Path], members: Sequence[Named], *, alone: bool) -> str:
    if len(members) == 1:
        return str(members[0].path)
    if alone and len(paths) == 1:
        return str(paths[0])
    folder = Path(os.path.commonpath([member.path.parent for member in members]))
    whole = {named.path for named in find_files([folder])} == {member.path for member in members}
    return str(folder) if whole else str(members[0].path)


def _layout_guesses(table: Table, members: Sequence[Named]) -> list[Guess]:
    if len(members) == 1:
        return []
    override = "--split NAME=GLOB"
    said = []
    if len(splits := {member.split for member in members if member.split}) > 1:
        value = ", ".join(sorted(splits, key=split_rank))
        said.append(
            Guess(subject=table.shown, what="splits", value=value, because="the names of the files", override=override)
        )
    if len(members) > len(splits):
        value = f"{len(members)} files joined"
        because = "they are numbered and have the same columns"
        said.append(Guess(subject=table.shown, what="shards", value=value, because=because, override="scan one file"))
    return said


def _without_word_lists(tables: list[Table], given: set[Path]) -> list[Table]:
    """Leave out texts of one column that lie beside real tables: notes, vocabularies."""
    lists = [
        table
        for table in tables
        if len(table.columns) == 1
        and len(table.parts) == 1
        and formats.suffix_of(table.parts[0].path) == ".txt"
        and table.parts[0].path.absolute() not in given
    ]
    return [table for table in tables if table not in lists] if len(lists) < len(tables) else tables
