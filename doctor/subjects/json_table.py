"""Reads JSON records: one object per line, or one array of objects."""

import json
import re
from collections.abc import Sequence

import duckdb

from doctor.errors import CannotOpen
from doctor.model import Problem
from doctor.subjects import sql
from doctor.subjects.batch import MAX_STORED_COLUMNS, Batch, Entry, ReadingOptions
from doctor.subjects.column_types import TIMES, find_readings
from doctor.subjects.dialect import NONE, Dialect, clean_names
from doctor.subjects.record_lines import RecordLines
from doctor.subjects.staging import damaged, stage
from doctor.subjects.table import Engine, Malformed, TextForm
from doctor.subjects.text_file import LINES_NAMED, TextFile, look_over

MAX_OBJECT_BYTES = 1 << 27
MAX_DEPTH = 100
"""The engine fails for good at 128."""
RESERVED = (sql.ROW, sql.SPLIT)
# Python writes NaN, which JSON does not know.
_NAN = r"([:\[,]\s*)NaN(\s*[,}\]])"


class NoRecords(CannotOpen):
    """The file is sound JSON but holds no records: a settings file, say."""


def read_json(
    engine: Engine, entries: Sequence[Entry], suffix: str, options: ReadingOptions
) -> tuple[list[Batch], list[Problem]]:
    """Read JSON records; the types of a split's columns are found over all its files together."""
    batches, problems = [], []
    for split in dict.fromkeys(entry.split for entry in entries):
        texts = []
        for entry in entries:
            if entry.split != split:
                continue
            try:
                texts.append(look_over(entry.path, engine.scratch, options.encoding))
            except CannotOpen as error:
                problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
        arrays = [text for text in texts if text.head.lstrip().startswith("[")]
        lined = [text for text in texts if text not in arrays]
        relations = [_array(engine, text) for text in arrays]
        if lined:
            relations.append(_lines(engine, lined))
        for records in relations:
            batches.append(_batch(engine, split, records))
    return batches, problems


_Records = tuple[str, tuple[RecordLines, ...], tuple[Malformed, ...], bool]
"""A relation, its files with what is known of their lines, what is malformed, and whether lines can be named."""


def _lines(engine: Engine, texts: Sequence[TextFile]) -> _Records:
    """Keep the objects of all lines, and note the lines that are none."""
    for text in texts:
        _refuse_document(text)
    staged, _ = stage(engine, texts, Dialect(delimiter=NONE, width=1, first=("",)), skip_first=False)
    kept = []
    told: list[Malformed] = []
    first = 0
    mended = f"regexp_replace(c0, {sql.quoted(_NAN)}, '\\1null\\2', 'g')"
    too_deep = _deep_rows(engine, staged.relation, staged.row)
    refused = f"WHEN {staged.row} IN ({', '.join(map(str, too_deep))}) THEN NULL " if too_deep else ""
    json_of = f"CASE {refused}WHEN json_valid(c0) THEN c0 WHEN json_valid({mended}) THEN {mended} END"
    name = engine.keep(
        "lines",
        f"SELECT CASE WHEN json_type(j) = 'OBJECT' THEN j END AS j, j IS NOT NULL AS sound, position "
        f"FROM (SELECT {json_of} AS j, {staged.row} AS position FROM {staged.relation})",
    )
    for text, rows in zip(texts, staged.rows_of_files, strict=True):
        here = f"position >= {first} AND position < {first + rows}"
        broken = engine.rows(f'SELECT sound, position FROM "{name}" WHERE j IS NULL AND {here} ORDER BY position')
        left_out = tuple(int(position) - first for _, position in broken)
        for sound, fault in ((False, "not JSON"), (True, "not a JSON object")):
            places = [int(position) - first for found, position in broken if found == sound]
            if places:
                told.append(
                    Malformed(
                        path=str(text.path),
                        fault=fault,
                        rows=len(places),
                        lines=_line_numbers(text, places),
                        kept=False,
                        of=rows,
                    )
                )
        kept.append(RecordLines(text=text, records=rows - len(broken), left_out_records=left_out))
        told += damaged(text, rows)
        first += rows
    return f'(SELECT j FROM "{name}" WHERE j IS NOT NULL ORDER BY position)', tuple(kept), tuple(told), True


def _deep_rows(engine: Engine, relation: str, row: str) -> list[int]:
    """Return the rows nested so deeply that they would break the engine."""
    brackets = "length(c0) - length(replace(replace(c0, '[', ''), '{', ''))"
    suspects = engine.rows(f"SELECT {row}, c0 FROM {relation} WHERE {brackets} > {MAX_DEPTH}")
    return [int(number) for number, text in suspects if _depth(text) > MAX_DEPTH]


def _depth(text: str) -> int:
    depth = deepest = 0
    for sign in re.findall(r'[\[{\]}]|"(?:[^"\\]|\\.)*"', text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(sign, 0)
        deepest = max(deepest, depth)
    return deepest


def _line_numbers(text: TextFile, places: Sequence[int]) -> tuple[int, ...]:
    """Turn the numbers of lines that are not blank into numbers of lines."""
    wanted = list(places[:LINES_NAMED])
    numbers = []
    count = -1
    for number, line in enumerate(text.lines_of_text(), start=1):
        count += bool(line.rstrip("\r\n"))
        if wanted and count == wanted[0]:
            numbers.append(number)
            wanted.pop(0)
        if not wanted:
            break
    return tuple(numbers)


def _refuse_document(text: TextFile) -> None:
    """Tell one object over several lines, which is a document, from one object per line."""
    lines = [line for line in text.head.splitlines() if line.strip()]
    if _is_json(lines[0]):
        return
    if text.head.lstrip().startswith("{") and _is_json(text.head):
        raise NoRecords(text.path, "it holds one JSON object, not a list of records")
    if len(lines) > 1 and not any(map(_is_json, lines[1:50])):
        _, line = _fault_of(text.head)
        raise CannotOpen(text.path, "it holds neither JSON lines nor a JSON array of records", line=line)


def _is_json(text: str) -> bool:
    return _fault_of(text)[0] == ""


def _fault_of(text: str) -> tuple[str, int]:
    try:
        json.loads(text)
    except ValueError as error:
        return getattr(error, "msg", str(error)), getattr(error, "lineno", 1)
    except RecursionError:
        return "nested too deeply", 1
    return "", 0


def _array(engine: Engine, text: TextFile) -> _Records:
    source = f"read_json_objects({sql.quoted(text.readable)}, format='array', maximum_object_size={MAX_OBJECT_BYTES})"
    try:
        name = engine.keep("array", f"SELECT json AS j FROM {source}")
    except duckdb.Error as error:
        fault, line = _fault_of("".join(text.lines_of_text()))
        raise CannotOpen(text.path, f"not JSON: {fault or error}", line=line or None) from error
    deep = _deep_rows(engine, f'(SELECT j::VARCHAR AS c0, rowid AS position FROM "{name}")', "position")
    if deep:
        raise CannotOpen(text.path, f"its values are nested more than {MAX_DEPTH} deep")
    objects, others = engine.rows(
        f"SELECT count_if(json_type(j) = 'OBJECT'), count_if(json_type(j) <> 'OBJECT') FROM \"{name}\""
    )[0]
    if not objects:
        raise NoRecords(text.path, "its JSON array holds no records")
    told: tuple[Malformed, ...] = ()
    if others:
        told = (
            Malformed(
                path=str(text.path),
                fault="not a JSON object",
                rows=int(others),
                lines=(),
                kept=False,
                of=int(objects + others),
            ),
        )
    lines = RecordLines(text=text, records=int(objects))
    return f"(SELECT j FROM \"{name}\" WHERE json_type(j) = 'OBJECT' ORDER BY rowid)", (lines,), told, False


def _batch(engine: Engine, split: str, kept: _Records) -> Batch:
    """Turn objects into columns by the structure that all of them share."""
    records, lines, malformed, lined = kept
    answer = engine.rows(f"SELECT json_group_structure(j::JSON) FROM {records}")[0][0]
    structure = json.loads(answer) if answer else {}
    keys = list(structure) if isinstance(structure, dict) else []  # of empty records alone it is the word JSON
    if not keys:
        raise CannotOpen(lines[0].text.path, "no row of it can be read" if malformed else "its records are empty")
    types = [_type_of(structure[key]) for key in keys]
    wide = len(keys) > MAX_STORED_COLUMNS
    wanted = [
        f"{_extracted(key, kind)} AS {sql.name(f'c{number}')}"
        for number, (key, kind) in enumerate(zip(keys, types, strict=True))
    ]
    name = engine.fresh_name("records")
    relation, row = engine.store(name, f"SELECT {', '.join(wanted)} FROM {records}", wide=wide)
    names = clean_names(keys, RESERVED)
    text = [f"c{number}" for number, kind in enumerate(types) if kind == "VARCHAR"]
    found = find_readings(engine, relation, text, TIMES)
    renamed = ", ".join(f"c{number} AS {sql.name(column)}" for number, column in enumerate(names))
    return Batch(
        split=split,
        relation=f"(SELECT {renamed}, {row} AS {sql.ROW} FROM {relation})",
        types=dict(zip(names, types, strict=True)),
        files=tuple((known.text.path, known.records) for known in lines),
        facts={column: found[f"c{number}"] for number, column in enumerate(names) if f"c{number}" in found},
        scratch=relation,
        malformed=malformed,
        forms=tuple(
            TextForm(
                encoding=one.text.encoding, columns=tuple(names), fields=tuple(keys), left_out=one.left_out_records
            )
            for one in lines
        ),
        lines=lines if lined else (),
    )


def _type_of(structure: object) -> str:
    """Return the engine's type for a column; values of several kinds are text, objects and lists stay JSON."""
    if isinstance(structure, (dict, list)):
        return "JSON"
    scalar = str(structure)
    if scalar in ("UBIGINT", "BIGINT", "HUGEINT"):
        return "HUGEINT"
    return scalar if scalar in ("DOUBLE", "BOOLEAN") else "VARCHAR"


def _extracted(key: str, kind: str) -> str:
    path = sql.quoted("$." + json.dumps(key, ensure_ascii=False))
    if kind == "JSON":
        return f"CAST(json_extract(j, {path}) AS VARCHAR)"
    value = f"json_extract_string(j, {path})"
    return f"nullif({value}, '')" if kind == "VARCHAR" else f"TRY_CAST({value} AS {kind})"
