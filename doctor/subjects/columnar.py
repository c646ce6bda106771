"""Reads Parquet, which stays where it is, and Arrow, which is stored once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from doctor.errors import CannotOpen, Unavailable
from doctor.model import Problem
from doctor.subjects import sql
from doctor.subjects.batch import MAX_STORED_COLUMNS, Batch, Entry, ReadingOptions
from doctor.subjects.column_types import TIMES, TextFacts, find_readings, kind_of
from doctor.subjects.dialect import clean_names
from doctor.subjects.table import Engine, Kind

COLUMNS_PER_STATEMENT = 100
MAX_TEXTS_ASKED = 300
RESERVED = (sql.ROW, sql.SPLIT, "file_row_number", "file_index", "filename")


def read_parquet(
    engine: Engine, entries: Sequence[Entry], suffix: str, options: ReadingOptions
) -> tuple[list[Batch], list[Problem]]:
    """Look at Parquet files, split by split; no row is copied."""
    batches, problems = [], []
    for split in dict.fromkeys(entry.split for entry in entries):
        paths = [entry.path for entry in entries if entry.split == split]
        files, trouble = _rows_of_parquet(engine, paths)
        problems += trouble
        if files:
            batches.append(_parquet_batch(engine, split, files))
    return batches, problems


def _rows_of_parquet(engine: Engine, paths: Sequence[Path]) -> tuple[list[tuple[Path, int]], list[Problem]]:
    def rows(some: Sequence[Path]) -> dict[str, int]:
        listed = ", ".join(map(sql.quoted, some))
        return dict(engine.rows(f"SELECT file_name, num_rows FROM parquet_file_metadata([{listed}])"))

    try:
        counts = rows(paths)
        return [(path, int(counts[str(path)])) for path in paths], []
    except duckdb.Error:
        files, problems = [], []
        for path in paths:
            try:
                files.append((path, int(rows([path])[str(path)])))
            except duckdb.Error as error:
                reason = str(error).splitlines()[0].partition(": ")[2] or str(error)
                problems.append(Problem(path=str(path), reason=f"not a sound Parquet file: {reason}"))
        return files, problems


def _parquet_batch(engine: Engine, split: str, files: Sequence[tuple[Path, int]]) -> Batch:
    paths = ", ".join(sql.quoted(path) for path, _ in files)
    hive = any("=" in part for path, _ in files for part in path.parent.parts)
    options = f"union_by_name=true, file_row_number=true, hive_partitioning={str(hive).lower()}"
    source = f"read_parquet([{paths}], {options})"
    described = engine.rows(f"DESCRIBE SELECT * FROM {source}")
    own = [(str(name), str(kind)) for name, kind, *_ in described if name != "file_row_number"]
    names = clean_names([name for name, _ in own], RESERVED)
    offsets: list[int] = []
    total = 0
    for _, rows in files:
        offsets.append(total)
        total += rows
    row = "file_row_number" if len(files) == 1 else f"{offsets}[file_index::BIGINT + 1] + file_row_number"
    wanted = [
        sql.name(name) if name == new else f"{sql.name(name)} AS {sql.name(new)}"
        for (name, _), new in zip(own, names, strict=True)
    ]
    relation = f"(SELECT {', '.join([*wanted, f'{row} AS {sql.ROW}'])} FROM {source})"
    types = {new: kind for new, (_, kind) in zip(names, own, strict=True)}
    return Batch(
        split=split,
        relation=relation,
        types=types,
        files=tuple(files),
        facts=_dates(engine, relation, types),
        stored=False,
        # A very wide table is stored, so it is mended once, and to look first would cost more.
        sound=_sound(engine, relation, types) if len(types) <= MAX_STORED_COLUMNS else frozenset(),
    )


def _sound(engine: Engine, relation: str, types: dict[str, str]) -> frozenset[str]:
    """Look once for what every later pass over the files would have to mend."""
    numbers = [name for name, kind in types.items() if kind == "DOUBLE"]
    texts = [name for name, kind in types.items() if kind == "VARCHAR"]
    sound: set[str] = set()
    try:
        for start in range(0, len(numbers), COLUMNS_PER_STATEMENT):
            some = numbers[start : start + COLUMNS_PER_STATEMENT]
            # A sum shows a NaN anywhere and costs no more than to read the values.
            sums = ", ".join(f"isnan(sum({sql.name(name)}))" for name in some)
            answer = engine.rows(f"SELECT {sums} FROM {relation}")[0]
            sound.update(name for name, faulty in zip(some, answer, strict=True) if not faulty)
        # Asked by itself, each is answered from the statistics in the files.
        asked = (f"SELECT 1 FROM {relation} WHERE {sql.name(name)} = '' LIMIT 1" for name in texts[:MAX_TEXTS_ASKED])
        sound.update(name for name, query in zip(texts, asked, strict=False) if not engine.rows(query))
    except Unavailable:  # a damaged file, which the engine has noted; who reads these columns hears of it
        return frozenset()
    return frozenset(sound)


def _dates(engine: Engine, relation: str, types: dict[str, str]) -> dict[str, TextFacts]:
    """Text that is a date is a date, as it would be in a text file."""
    text = [name for name, kind in types.items() if kind_of(kind) is Kind.TEXT and kind == "VARCHAR"]
    return find_readings(engine, relation, text, TIMES)


def read_arrow(
    engine: Engine, entries: Sequence[Entry], suffix: str, options: ReadingOptions
) -> tuple[list[Batch], list[Problem]]:
    """Store the rows of Arrow and Feather files, in file or stream format, in the scratch folder."""
    import pyarrow as pa

    batches, problems = [], []
    for entry in entries:
        try:
            batches.append(_arrow_batch(engine, entry))
        except (pa.ArrowException, OSError, duckdb.Error) as error:
            reason = str(error).splitlines()[0].rpartition("failed: ")[2].partition(" Detail:")[0]
            problems.append(Problem(path=str(entry.path), reason=f"not a sound Arrow file: {reason}"))
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason))
    return batches, problems


def _arrow_batch(engine: Engine, entry: Entry) -> Batch:
    import pyarrow as pa

    with pa.memory_map(str(entry.path)) as stream:
        schema, chunks = _chunks(stream)
        return store_arrow(engine, schema, chunks, entry)


def store_arrow(engine: Engine, schema: Any, chunks: Iterator[Any], entry: Entry) -> Batch:
    """Store rows that come as Arrow.

    Parameters
    ----------
    engine : Engine
        Takes the rows.
    schema : pyarrow.Schema
        Of every chunk.
    chunks : iterator of pyarrow.RecordBatch
        The rows.
    entry : Entry
        Where they come from, and their split.

    Raises
    ------
    CannotOpen
        When there is no column.
    """
    import pyarrow as pa

    names = clean_names(schema.names, RESERVED)
    if not names:
        raise CannotOpen(entry.path, "it has no columns")
    readable = [_readable_type(kind) for kind in schema.types]
    renamed = pa.schema([(f"c{number}", kind) for number, kind in enumerate(readable)])
    reader = pa.RecordBatchReader.from_batches(renamed, (_renamed(chunk, renamed) for chunk in chunks))
    name = engine.fresh_name("arrow")
    engine.connection.register(f"{name}_source", reader)
    try:
        statement = f'SELECT * FROM "{name}_source"'
        relation, row = engine.store(name, statement, wide=len(names) > MAX_STORED_COLUMNS)
    finally:
        engine.connection.unregister(f"{name}_source")
    described = engine.rows(f"DESCRIBE SELECT * FROM {relation}")
    types = {new: str(kind) for new, (_, kind, *_) in zip(names, described, strict=False)}
    rows = int(engine.rows(f"SELECT count(*) FROM {relation}")[0][0])
    wanted = ", ".join(f"c{number} AS {sql.name(new)}" for number, new in enumerate(names))
    stored = f"(SELECT {wanted}, {row} AS {sql.ROW} FROM {relation})"
    facts = _dates(engine, stored, types)
    return Batch(
        split=entry.split, relation=stored, types=types, files=((entry.path, rows),), facts=facts, scratch=relation
    )


def _readable_type(kind: Any) -> Any:
    """Return the type in which the engine can take a column."""
    import pyarrow as pa

    if isinstance(kind, pa.BaseExtensionType):
        return _readable_type(kind.storage_type)
    if pa.types.is_float16(kind):
        return pa.float32()
    return pa.string() if pa.types.is_decimal256(kind) else kind


def _renamed(chunk: Any, schema: Any) -> Any:
    import pyarrow as pa

    columns = []
    for column, kind in zip(chunk.columns, schema.types, strict=True):
        plain = column.storage if isinstance(column, pa.ExtensionArray) else column
        columns.append(plain if plain.type == kind else plain.cast(kind))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _chunks(stream: Any) -> tuple[Any, Iterator[Any]]:
    """Open either format: the file begins with a magic word, the stream does not."""
    from pyarrow import feather, ipc

    magic = bytes(stream.read(6))
    stream.seek(0)
    if magic == b"ARROW1":
        reader = ipc.open_file(stream)
        return reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
    if magic[:4] == b"FEA1":
        table = feather.read_table(stream)
        return table.schema, iter(table.to_batches())
    reader = ipc.open_stream(stream)
    return reader.schema, iter(reader)
