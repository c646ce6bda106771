"""Opens the tables of a database, or the answer to a query, as files are opened: staged, typed, splits told apart."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
from msgspec import structs

from doctor.errors import CannotOpen, UsageError
from doctor.model import Declared, Guess, Problem
from doctor.subjects.batch import Batch, Entry
from doctor.subjects.columnar import store_arrow
from doctor.subjects.database import Address, check_query, shown_path
from doctor.subjects.database_sources import Name, Rows, Source, connected
from doctor.subjects.file_names import Named, read_name
from doctor.subjects.layout import WHOLE, divided_by_columns, grouped, joined
from doctor.subjects.table import Engine, Table
from doctor.wording import printable

TABLES_NAMED = 20


def open_database(
    engine: Engine,
    address: Address,
    declared: Declared,
    *,
    query: str | None = None,
    tables: Sequence[str] = (),
    split_globs: Sequence[str] = (),
    split_column: str | None = None,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> tuple[list[Table], list[Problem]]:
    """Bring tables of a database into the engine, read from a connection that cannot write.

    Parameters
    ----------
    engine : Engine
        Takes the rows.
    address : Address
        Where the database is.
    declared : Declared
        Roles that the user gave.
    query : str, optional
        Whose answer is the only table.
    tables : sequence of str
        Which tables to take. [default: all of a file]
    split_globs, split_column
        As in `open_tables`; the globs are held against the names of tables.
    memory_limit, threads
        Of the engine, for a database that the same library reads.

    Returns
    -------
    list of Table
        Sorted by their names.
    list of Problem
        Tables of which not every row could be read. There is nothing of them among the tables.

    Raises
    ------
    UsageError
        When the database cannot be reached, or refuses what was asked.
    """
    if query is not None and (tables or split_globs):
        raise UsageError("--query: its answer is one table; leave --table and --split out, or divide by --split-column")
    statement, ordered = check_query(query, address.dialect) if query is not None else ("", False)
    with connected(address, memory_limit=memory_limit, threads=threads) as source:
        if query is not None:
            member = read_name(Path(address.shown), Path("query")).alone
            batches, problems = _read(engine, source, [(member, statement)], asked=True)
            opened, names = [([member], batches)], [address.shown]
        else:
            opened, problems = _tables(engine, source, tables, split_globs)
            names = [_shown(address, members) for members, _ in opened]
    made, trouble = joined(engine, opened, names, declared, split_column=split_column)
    trouble = [_of_a_query(problem, address) if query is not None else _mended(problem) for problem in trouble]
    guess = () if ordered else (_order(address),)
    opened_tables = [
        table.replaced(database=address.dialect, guesses=(*guess, *map(_worded, table.guesses))) for table in made
    ]
    return opened_tables, [*problems, *trouble]


def _tables(
    engine: Engine, source: Source, wanted: Sequence[str], split_globs: Sequence[str]
) -> tuple[list[tuple[list[Named], list[Batch]]], list[Problem]]:
    """Read the tables, those first told apart whose names belong together."""
    address = source.address
    try:
        every = source.tables()
        views = source.views()
    except Exception as error:  # each driver has errors of its own
        raise UsageError(f"{address.shown}: its tables cannot be listed: {address.told(error)}") from None
    known = [*every, *views]
    if not wanted and address.uri:
        raise UsageError(f"{address.shown}: say what to look at, by --query or --table; it has: {_listed(known)}")
    if not wanted and not every:
        raise UsageError(f"{address.shown}: there is no table in it")
    chosen = [_resolved(name, known, address) for name in wanted] if wanted else every
    names = {Path(address.shown, *filter(None, name)): name for name in dict.fromkeys(chosen)}
    members = [read_name(path, Path(*filter(None, name))) for path, name in names.items()]
    opened: list[tuple[list[Named], list[Batch]]] = []
    problems: list[Problem] = []
    for group in grouped(members, split_globs):
        asked = [(member, f"SELECT * FROM {names[member.path].quoted}") for member in group]
        batches, trouble = _read(engine, source, asked, asked=False)
        problems += trouble
        opened += divided_by_columns(group, batches)
    return opened, problems


def _resolved(name: str, known: Sequence[Name], address: Address) -> Name:
    """Return a table's name as the database has it."""
    for spelled in (lambda one: str(one), lambda one: str(one).lower(), lambda one: one.table.lower()):
        same = [one for one in known if spelled(one) in (name, name.lower())]
        if len(same) == 1:
            return same[0]
    raise UsageError(f"{address.shown}: there is no table {printable(name, limit=80)!r}; it has: {_listed(known)}")


def _listed(names: Sequence[Name]) -> str:
    shown = ", ".join(printable(str(name), limit=80) for name in names[:TABLES_NAMED])
    more = f" and {len(names) - TABLES_NAMED:,} more" if len(names) > TABLES_NAMED else ""
    return f"{shown}{more}" or "none"


def _read(
    engine: Engine, source: Source, wanted: Sequence[tuple[Named, str]], *, asked: bool
) -> tuple[list[Batch], list[Problem]]:
    """Store the answers; one that does not come to its end is left out and told of."""
    batches: list[Batch] = []
    problems: list[Problem] = []
    address = source.address
    for member, statement in wanted:
        kept: list[BaseException] = []
        try:
            try:
                rows = source.reads(statement)
            except Exception as error:  # each driver has errors of its own
                if asked:
                    raise UsageError(f"{address.shown}: {address.told(error)}") from None
                raise CannotOpen(member.path, address.told(error)) from None
            batches.append(_stored(engine, rows, member, kept, address))
        except CannotOpen as error:
            problems.append(Problem(path=shown_path(member.path), reason=error.reason))
    return batches, problems


def _stored(engine: Engine, rows: Rows, member: Named, kept: list[BaseException], address: Address) -> Batch:
    schema, batches = rows
    plain, stream = _decoded(schema, _watched(batches, kept))
    entry = Entry(path=member.path, split=member.split or WHOLE)
    try:
        stored = store_arrow(engine, plain, stream, entry)
    except duckdb.Error as error:
        cause = kept[0] if kept else error
        raise CannotOpen(member.path, f"not read to its end: {address.told(cause)}") from None
    if kept:
        raise CannotOpen(member.path, f"not read to its end: {address.told(kept[0])}")
    return stored


def _watched(batches: Iterator[Any], kept: list[BaseException]) -> Iterator[Any]:
    """Remember what ended the rows early: on its way through the engine an error loses its words."""
    try:
        yield from batches
    except Exception as error:
        kept.append(error)
        raise


def _decoded(schema: Any, batches: Iterator[Any]) -> Rows:
    """Write categories out, so that each batch means the same."""
    import pyarrow as pa

    def plain(kind: Any) -> Any:
        return kind.value_type if pa.types.is_dictionary(kind) else kind

    if not any(pa.types.is_dictionary(kind) for kind in schema.types):
        return schema, batches
    made = pa.schema([(field.name, plain(field.type)) for field in schema])

    def written(batch: Any) -> Any:
        columns = [one.dictionary_decode() if pa.types.is_dictionary(one.type) else one for one in batch.columns]
        return pa.RecordBatch.from_arrays(columns, schema=made)

    return made, map(written, batches)


def _shown(address: Address, members: Sequence[Named]) -> str:
    """Name a table; one that is spread over several by its name without their words for splits."""
    if len(members) == 1:
        return f"{address.shown}/{members[0].inner.as_posix()}"
    stem = "/".join(filter(None, (members[0].folder, members[0].stem)))
    return f"{address.shown}/{stem}" if stem else address.shown


def _mended(problem: Problem) -> Problem:
    return structs.replace(problem, path=shown_path(problem.path))


def _of_a_query(problem: Problem, address: Address) -> Problem:
    return structs.replace(problem, path=address.shown, reason="the answer has no rows")


def _order(address: Address) -> Guess:
    return Guess(
        subject=address.shown,
        what="row numbers",
        value="places in the answer",
        because="the order in which the database gives its rows",
        override="--query 'SELECT … ORDER BY …'",
    )


def _worded(guess: Guess) -> Guess:
    words = {"the names of the files": "the names of the tables", "scan one file": "--table NAME"}
    return structs.replace(
        guess,
        value=re.sub(r"\bfiles joined", "tables joined", guess.value),
        because=words.get(guess.because, guess.because),
        override=words.get(guess.override, guess.override),
    )
