"""Opens tables that are in memory: frames of any library, data sets of Hugging Face and of torch, tensors and arrays.

All come in as Arrow. No library is imported here that the caller has not imported: their objects are known by the name
of the package from which their type comes.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb

from doctor.errors import CannotOpen, UsageError
from doctor.model import Declared, Guess
from doctor.subjects.assembly import assemble
from doctor.subjects.batch import Entry
from doctor.subjects.columnar import store_arrow
from doctor.subjects.layout import WHOLE
from doctor.subjects.split_column import divide
from doctor.subjects.split_words import split_named, split_rank
from doctor.subjects.table import Engine, Table
from doctor.subjects.torch_items import MAX_ENDLESS, arrow_of_array, arrow_of_items, is_items

ROWS_AT_ONCE = 10_000
KNOWN = "a path, a pandas or polars frame, an Arrow table, a Hugging Face or torch data set, a tensor, or an array"


def open_frames(engine: Engine, data: Any, declared: Declared, *, split_column: str | None = None) -> Table:
    """Bring what is in memory into the engine.

    Parameters
    ----------
    engine : Engine
        Takes the rows.
    data : frame, data set, array, or mapping of split names to them
        Rows.
    declared : Declared
        Roles that the user gave.
    split_column : str, optional
        The column that names each row's split.

    Raises
    ------
    UsageError
        When it is of a kind that cannot be examined, or empty.
    """
    parts: dict[str, Any] = {}
    for name, part in (data if isinstance(data, Mapping) else {WHOLE: data}).items():
        split = WHOLE if part is data else split_named(str(name))
        if split in parts:
            raise UsageError(f"two parts are the split {split}: name them apart")
        parts[split] = part
    batches = []
    guesses: list[Guess] = []
    for split, part in sorted(parts.items(), key=lambda item: split_rank(item[0])):
        shown = _name(part)
        schema, chunks, whole = _arrow(part)
        if not whole:
            guesses.append(_cut(shown))
        try:
            batch = store_arrow(engine, schema, chunks, Entry(path=Path(shown), split=split))
        except (duckdb.Error, CannotOpen) as error:
            reason = error.reason if isinstance(error, CannotOpen) else str(error).splitlines()[0]
            raise UsageError(f"{shown}: cannot be examined: {reason}") from error
        if not batch.rows:
            raise UsageError(f"{shown}{'' if split == WHOLE else f' of {split}'}: it has no rows")
        batches.append(batch)
    if not batches:
        raise UsageError(f"there is no data set in this {type(data).__name__}")
    shown = " and ".join(dict.fromkeys(str(batch.files[0][0]) for batch in batches))
    table = assemble(engine, batches, path=Path(shown), shown=shown, label="", declared=declared)
    if set(table.splits) == {WHOLE} or split_column:
        table = divide(table, split_column)
    return table.replaced(guesses=(*guesses, *table.guesses))


def _name(data: Any) -> str:
    package = type(data).__module__.partition(".")[0]
    name = type(data).__name__
    return name if package in ("__main__", "builtins") else f"{package}.{name}"


def _cut(shown: str) -> Guess:
    return Guess(
        subject=shown,
        what="items read",
        value=f"the first {MAX_ENDLESS:,}",
        because="it does not say how many it has",
        override="a data set with a length",
    )


def _arrow(data: Any) -> tuple[Any, Any, bool]:
    """Return schema, chunks, and whether these are all rows."""
    package = type(data).__module__.partition(".")[0]
    if package == "pandas":
        table = _of_pandas(data)
    elif package == "polars" and hasattr(data, "collect"):
        table = data.collect().to_arrow()
    elif package == "datasets":
        table, whole = _of_hugging_face(data)
        return table.schema, iter(table.to_batches()), whole
    elif hasattr(data, "__arrow_c_stream__"):
        table = _table_of_stream(data)
    elif package in ("torch", "numpy") and hasattr(data, "shape"):
        table = arrow_of_array(data)
    elif is_items(data):
        table, whole = arrow_of_items(data, _name(data))
        table = _decoded(table)
        return table.schema, iter(table.to_batches()), whole
    else:
        raise UsageError(f"{_name(data)} cannot be examined; known: {KNOWN}")
    table = _decoded(table)
    return table.schema, iter(table.to_batches()), True


def _table_of_stream(data: Any) -> Any:
    import pyarrow as pa

    if isinstance(data, pa.Table):
        return data
    try:
        return pa.table(data) if isinstance(data, pa.RecordBatch) else pa.RecordBatchReader.from_stream(data).read_all()
    except (pa.ArrowException, TypeError) as error:
        raise UsageError(f"{_name(data)} cannot be examined: {str(error).splitlines()[0]}") from error


def _decoded(table: Any) -> Any:
    """Write categories out, so that each chunk means the same."""
    import pyarrow as pa

    for number, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            kind = field.type.value_type
            if kind == pa.string_view():  # for which Arrow has no such cast
                kind = pa.large_string()
            chunks = [
                pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary.cast(kind)).cast(kind)
                for chunk in table.column(number).chunks
            ]
            table = table.set_column(number, field.name, pa.chunked_array(chunks, kind))
    return table


def _of_pandas(frame: Any) -> Any:
    """Convert a frame without its index; a column of several types becomes text, as it would in a file."""
    import pyarrow as pa

    if type(frame).__name__ == "Series":
        frame = frame.to_frame(frame.name if frame.name is not None else "values")
    if type(frame).__name__ != "DataFrame":
        raise UsageError(f"{_name(frame)} cannot be examined; known: {KNOWN}")
    arrays, names = [], []
    for number, label in enumerate(frame.columns):
        column = frame.iloc[:, number]
        names.append("_".join(map(str, label)) if isinstance(label, tuple) else str(label))
        try:
            arrays.append(pa.chunked_array([pa.Array.from_pandas(column)]))
        except (pa.ArrowException, TypeError, ValueError):
            missing = column.isna()
            texts = [None if gone else str(value) for value, gone in zip(column, missing, strict=True)]
            arrays.append(pa.chunked_array([pa.array(texts, pa.string())]))
    return pa.Table.from_arrays(arrays, names=names)


def _of_hugging_face(data: Any) -> tuple[Any, bool]:
    """Take the rows as the data set shows them: selected and in its order."""
    import pyarrow as pa

    plain = data.with_format("arrow")
    tables = []
    rows = 0
    endless = not hasattr(data, "num_rows")
    for table in plain.iter(batch_size=ROWS_AT_ONCE):
        tables.append(table)
        rows += table.num_rows
        if endless and rows >= MAX_ENDLESS:
            return _decoded(pa.concat_tables(tables)).slice(0, MAX_ENDLESS), False
    if not tables:
        raise UsageError(f"{_name(data)}: it has no rows")
    return _decoded(pa.concat_tables(tables)), True
