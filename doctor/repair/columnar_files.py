"""Writes Parquet and Arrow anew, batch by batch, with the schema and the compression that they had."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doctor.repair.changes import GONE, Changes, Unsure
from doctor.repair.state import Added, Donors
from doctor.subjects.columnar import RESERVED
from doctor.subjects.dialect import clean_names
from doctor.subjects.formats import suffix_of
from doctor.subjects.table import Part

BATCH_ROWS = 1 << 16
PARQUET = (".parquet", ".pq")
LZ4, ZSTD = b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd"
"""The magic words of the frames into which Arrow compresses its buffers, each behind its length."""
BYTES_SEARCHED = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Store:
    """A file of columns: its schema, its batches, and how to write another like it."""

    path: Path
    schema: Any
    kind: str
    options: dict[str, Any]
    group_rows: int = 0

    @classmethod
    def of(cls, path: Path) -> "Store":
        """Look at a file; the rows are not read."""
        if suffix_of(path) in PARQUET:
            from pyarrow import parquet

            with parquet.ParquetFile(path) as file:
                metadata = file.metadata
                largest = max((metadata.row_group(group).num_rows for group in range(file.num_row_groups)), default=1)
                return cls(
                    path=path,
                    schema=file.schema_arrow,
                    kind="parquet",
                    options=_parquet_options(file),
                    group_rows=max(1, largest),
                )
        kind, schema, compression = _arrow_kind(path)
        return cls(path=path, schema=schema, kind=kind, options={"compression": compression})

    def batches(self) -> Iterator[Any]:
        """Read the rows piece by piece, no piece across two row groups."""
        import pyarrow as pa

        if self.kind == "parquet":
            from pyarrow import parquet

            with parquet.ParquetFile(self.path) as file:
                for group in range(file.num_row_groups):
                    yield from file.iter_batches(BATCH_ROWS, row_groups=[group])
            return
        with pa.memory_map(str(self.path)) as stream:
            yield from _arrow_batches(stream, self.kind)

    @contextmanager
    def writer(self, target: Path, schema: Any) -> Iterator[Any]:
        """Open a new file of this kind; the writer has `write_batch`."""
        import pyarrow as pa
        from pyarrow import feather, ipc, parquet

        if self.kind == "parquet":
            with parquet.ParquetWriter(target, schema, **self.options) as writer:
                groups = _Groups(writer, schema, self.group_rows)
                yield groups
                groups.flush()
        elif self.kind == "feather 1":
            held = _Held()
            yield held
            feather.write_feather(pa.Table.from_batches(held.batches, schema), str(target), version=1)
        else:
            options = ipc.IpcWriteOptions(compression=self.options["compression"])
            begin = ipc.new_file if self.kind == "file" else ipc.new_stream
            with begin(str(target), schema, options=options) as writer:
                yield writer


class _Groups:
    """Collects batches into row groups as large as those of the original."""

    def __init__(self, writer: Any, schema: Any, rows: int) -> None:
        self._writer, self._schema, self._limit = writer, schema, rows
        self._waiting: list[Any] = []

    def write_batch(self, batch: Any) -> None:
        while batch.num_rows:
            room = self._limit - sum(waiting.num_rows for waiting in self._waiting)
            self._waiting.append(batch.slice(0, room))
            batch = batch.slice(room)
            if room <= self._waiting[-1].num_rows:
                self.flush()

    def flush(self) -> None:
        import pyarrow as pa

        if self._waiting:
            self._writer.write_table(pa.Table.from_batches(self._waiting, self._schema), row_group_size=self._limit)
        self._waiting = []


class _Held:
    """Keeps batches for a format that is written at once."""

    def __init__(self) -> None:
        self.batches: list[Any] = []

    def write_batch(self, batch: Any) -> None:
        self.batches.append(batch)


def _parquet_options(file: Any) -> dict[str, Any]:
    """Read off how a Parquet file was written."""
    metadata = file.metadata
    options: dict[str, Any] = {"version": "2.6"}
    if metadata.num_row_groups and metadata.num_columns:
        group = metadata.row_group(0)
        chunks = [group.column(number) for number in range(group.num_columns)]
        codecs = {chunk.path_in_schema: chunk.compression.lower() for chunk in chunks}
        same = set(codecs.values())
        named = {name: "none" if codec == "uncompressed" else codec for name, codec in codecs.items()}
        options["compression"] = next(iter(named.values())) if len(same) == 1 else named
        options["use_dictionary"] = [
            chunk.path_in_schema for chunk in chunks if any("DICTIONARY" in coding for coding in chunk.encodings)
        ]
        options["write_statistics"] = any(chunk.is_stats_set for chunk in chunks)
    return options


def _arrow_kind(path: Path) -> tuple[str, Any, str | None]:
    import pyarrow as pa
    from pyarrow import feather, ipc

    with pa.memory_map(str(path)) as stream:
        magic = bytes(stream.read(6))
        stream.seek(0)
        if magic[:4] == b"FEA1":
            return "feather 1", feather.read_table(stream).schema, None
        kind = "file" if magic == b"ARROW1" else "stream"
        reader = ipc.open_file(stream) if kind == "file" else ipc.open_stream(stream)
        schema = reader.schema
        stream.seek(8 if kind == "file" else 0)
        return kind, schema, _compression(stream)


def _compression(stream: Any) -> str | None:
    """Recognise the codec by the magic word in the first batch; each buffer begins with its length."""
    from pyarrow import ipc

    messages = ipc.MessageReader.open_stream(stream)
    try:
        while (message := messages.read_next_message()) is not None:
            if message.type != "record batch" or message.body is None:
                continue
            body = bytes(message.body[:BYTES_SEARCHED])
            for place in range(8, len(body) - 4, 8):
                for codec, word in (("lz4", LZ4), ("zstd", ZSTD)):
                    if body[place : place + 4] == word:
                        return codec
            return None
    except (StopIteration, OSError):
        return None
    return None


def _arrow_batches(stream: Any, kind: str) -> Iterator[Any]:
    from pyarrow import feather, ipc

    if kind == "feather 1":
        yield from feather.read_table(stream).to_batches()
    elif kind == "file":
        reader = ipc.open_file(stream)
        yield from (reader.get_batch(number) for number in range(reader.num_record_batches))
    else:
        yield from ipc.open_stream(stream)


def rewrite(changes: Changes, numbers: Sequence[int], targets: Mapping[int, Path]) -> dict[int, list[str]]:
    """Write parts that exchange rows.

    Raises
    ------
    Unsure
        When a column lies in the names of folders, or there are not as many rows as were read.
    """
    parts = changes.table.parts
    stores = {number: Store.of(parts[number].path) for number in numbers}
    for store in stores.values():
        _refuse_folder_columns(changes, store)
    given = _donated(changes)
    with ExitStack() as stack:
        outs = {}
        for number in numbers:
            schema = new_schema(changes, stores[number])
            outs[number] = (stack.enter_context(stores[number].writer(targets[number], schema)), schema)
        for number in numbers:
            _through(changes, number, stores[number], outs, given)
    return {}


def _refuse_folder_columns(changes: Changes, store: Store) -> None:
    own = {name.lower() for name in clean_names(store.schema.names, RESERVED)}
    folders = {part.partition("=")[0].lower() for part in store.path.parent.parts if "=" in part}
    changed = {name.lower() for name in (*changes.filled, *changes.written)}
    for name in sorted((changes.dropped | changed) & folders - own):
        raise Unsure(store.path, f"{name} stands in the names of its folders and cannot be changed")


def new_schema(changes: Changes, store: Store) -> Any:
    """Return the schema without what goes and with what comes; notes that other libraries left in it follow."""
    import pyarrow as pa

    names = clean_names(store.schema.names, RESERVED)
    fields = [
        field.with_type(_new_type(changes.retyped[name.lower()])) if name.lower() in changes.retyped else field
        for field, name in zip(store.schema, names, strict=True)
        if name.lower() not in changes.dropped
    ]
    fields += [pa.field(added.name, _type(added)) for added in changes.added]
    notes = dict(store.schema.metadata or {})
    for key, mend in ((b"huggingface", _hugging_face), (b"pandas", _pandas)):
        if key in notes and changes.schema_changes:
            notes[key] = json.dumps(mend(json.loads(notes[key]), [field.name for field in fields], changes)).encode()
    return pa.schema(fields, notes or None)


def _new_type(kind: str) -> Any:
    import pyarrow as pa

    return pa.int64() if kind == "integer" else pa.float64()


def _type(added: Added) -> Any:
    import pyarrow as pa

    if not added.numeric:
        return pa.string()
    return pa.int64() if all(label.lstrip("-").isdecimal() for label in added.labels) else pa.float64()


def _hugging_face(notes: dict[str, Any], names: list[str], changes: Changes) -> dict[str, Any]:
    info = notes.get("info")
    if isinstance(info, dict) and isinstance(info.get("features"), dict):
        info["features"] = features(info["features"], names, changes)
    return notes


def features(known: dict[str, Any], names: Sequence[str], changes: Changes) -> dict[str, Any]:
    """Return what the Hugging Face library notes of columns, for those that remain and those that come."""
    new = {
        added.name: {"dtype": str(_type(added)).replace("double", "float64"), "_type": "Value"}
        for added in changes.added
    }
    now = {name: kind for name, kind in known.items() if name.lower() not in changes.retyped}
    now |= {
        name: {"dtype": "int64" if changes.retyped[name.lower()] == "integer" else "float64", "_type": "Value"}
        for name in known
        if name.lower() in changes.retyped
    }
    return {name: now[name] if name in now else new[name] for name in names if name in now or name in new}


def _pandas(notes: dict[str, Any], names: list[str], changes: Changes) -> dict[str, Any]:
    told = notes.get("columns", [])
    kept = [column for column in told if column.get("field_name") in (*names, None)]
    notes["columns"] = kept
    index = notes.get("index_columns", [])
    notes["index_columns"] = [name for name in index if not isinstance(name, str) or name in names]
    return notes


def _donated(changes: Changes) -> dict[str, tuple[Any, Any]]:
    """Read the values that cells take from other rows: their rows in the table, and the values, by column."""
    import pyarrow as pa

    given: dict[str, tuple[list[int], list[Any]]] = {}
    for part in changes.table.parts:
        wanted = changes.donors(part)
        if not wanted:
            continue
        store = Store.of(part.path)
        names = [name.lower() for name in clean_names(store.schema.names, RESERVED)]
        begin = 0
        for batch in store.batches():
            for name, rows in wanted.items():
                here = sorted(row - begin for row in rows if begin <= row < begin + batch.num_rows)
                if here:
                    numbers, values = given.setdefault(name, ([], []))
                    numbers += [part.first_row + begin + row for row in here]
                    values.append(batch.column(names.index(name)).take(pa.array(here)))
            begin += batch.num_rows
    return {name: (np.array(numbers), _joined(values)) for name, (numbers, values) in given.items()}


def _joined(values: list[Any]) -> Any:
    import pyarrow as pa

    plain = [value.dictionary_decode() if pa.types.is_dictionary(value.type) else value for value in values]
    return pa.concat_arrays([value if value.type == plain[0].type else value.cast(plain[0].type) for value in plain])


def _through(
    changes: Changes,
    number: int,
    store: Store,
    outs: Mapping[int, tuple[Any, Any]],
    given: Mapping[str, tuple[Any, Any]],
) -> None:
    """Write the batches of a part where their rows go."""
    import pyarrow as pa

    part = changes.table.parts[number]
    cells, texts = changes.cells(part), changes.texts(part)
    names = [name.lower() for name in clean_names(store.schema.names, RESERVED)]
    begin = 0
    for batch in store.batches():
        end = begin + batch.num_rows
        if end > part.rows:
            break
        homes = changes.home[part.first_row + begin : part.first_row + end]
        columns = dict(zip(names, batch.columns, strict=True))
        for name in {*texts, *changes.retyped} & {*columns}:
            own = texts.get(name, {})
            columns[name] = _with_texts(columns[name], own, begin, end, retyped=name in changes.retyped)
        for name, donors in cells.items():
            columns[name] = _with_cells(columns[name], donors, begin, end, *given[name])
        for added in changes.added:
            columns[added.name.lower()] = _column(added, part.first_row + begin, part.first_row + end)
        for home in np.unique(homes):
            if home == GONE:
                continue
            writer, schema = outs[int(home)]
            rows = pa.array(homes == home)
            writer.write_batch(_batch(columns, rows, schema, part))
        begin = end
    if begin != part.rows:
        raise Unsure(part.path, f"it has another number of rows than the {part.rows:,} that were read")


def _batch(columns: Mapping[str, Any], rows: Any, schema: Any, part: Part) -> Any:
    import pyarrow as pa

    wanted = clean_names(schema.names, RESERVED)
    arrays = []
    for field, name in zip(schema, wanted, strict=True):
        column = columns[name.lower()].filter(rows)
        try:
            arrays.append(column if column.type == field.type else column.cast(field.type))
        except pa.ArrowException as error:
            raise Unsure(part.path, f"{name} does not fit the file that its rows go to") from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _with_cells(column: Any, donors: Donors, begin: int, end: int, numbers: Any, values: Any) -> Any:
    """Put other rows' values into some cells of a column."""
    import pyarrow as pa
    from pyarrow import compute

    first, last = np.searchsorted(donors.rows, (begin, end))
    if first == last:
        return column
    order = np.argsort(numbers)
    places = order[np.searchsorted(numbers, donors.donors[first:last], sorter=order)]
    mask = np.zeros(end - begin, dtype=bool)
    mask[donors.rows[first:last] - begin] = True
    taken = values.take(pa.array(places))
    if pa.types.is_dictionary(column.type):
        plain = column.dictionary_decode()
        filled = compute.replace_with_mask(plain, pa.array(mask), taken.cast(plain.type))
        return filled.dictionary_encode().cast(column.type)
    try:
        return compute.replace_with_mask(column, pa.array(mask), taken.cast(column.type))
    except pa.ArrowNotImplementedError:  # lists and the like
        cells, given = column.to_pylist(), dict(zip(np.flatnonzero(mask).tolist(), taken.to_pylist(), strict=True))
        return pa.array([given.get(row, cell) for row, cell in enumerate(cells)], column.type)


def _with_texts(column: Any, texts: Mapping[int, str], begin: int, end: int, *, retyped: bool) -> Any:
    """Put new texts into some cells of a column; of one that becomes numbers all cells lose the blanks around them."""
    import pyarrow as pa
    from pyarrow import compute

    own = {row - begin: text for row, text in texts.items() if begin <= row < end}
    plain = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    if own:
        mask = np.zeros(end - begin, dtype=bool)
        mask[list(own)] = True
        new = pa.array([own[row] or None for row in sorted(own)], pa.string())
        plain = compute.replace_with_mask(plain, pa.array(mask), new.cast(plain.type))
    if retyped:
        return compute.utf8_trim_whitespace(plain)
    return plain.dictionary_encode().cast(column.type) if pa.types.is_dictionary(column.type) else plain


def _column(added: Added, begin: int, end: int) -> Any:
    import pyarrow as pa

    codes = added.codes[begin:end]
    chosen = pa.array(np.where(codes < 0, 0, codes), mask=codes < 0)
    labels = pa.array(added.labels)
    return labels.take(chosen).cast(_type(added))
