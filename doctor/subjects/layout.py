"""Finds the tables at a path: which files belong together, and which of them are train, validation and test."""

import re
from collections.abc import Sequence
from pathlib import Path

from doctor.errors import CannotOpen
from doctor.model import Declared, Guess, Problem
from doctor.subjects import formats, sql
from doctor.subjects.table import Column, Engine, Kind, Part, Table

SPLIT_WORDS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test", "eval": "test", "holdout": "test",
}  # fmt: skip
SPLIT_ORDER = ("train", "validation", "test")

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}


def split_of(path: Path, root: Path) -> str | None:
    """Read a split's name off a path below `root`: a word of the file's name or of a folder's."""
    inner = path.relative_to(root) if path.is_relative_to(root) and path != root else Path(path.name)
    for part in reversed(inner.parts):
        for word in re.split(r"[^a-z]+", part.lower()):
            if word in SPLIT_WORDS:
                return SPLIT_WORDS[word]
    return None


def open_tables(
    engine: Engine, path: Path, declared: Declared, split_globs: Sequence[str] = (), split_column: str | None = None
) -> tuple[list[Table], list[Problem]]:
    """Open every table at a path."""
    files = sorted(file for file in path.rglob("*") if formats.is_table(file)) if path.is_dir() else [path]
    split_files = [(file, split_of(file, path)) for file in files]
    problems: list[Problem] = []
    tables = []
    divided = [(file, split) for file, split in split_files if split]
    groups = [divided] if divided else []
    groups += [[(file, "all")] for file, split in split_files if not split]
    for group in groups:
        try:
            tables.append(_assemble(engine, path, group, declared, problems, alone=len(groups) == 1))
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
    return tables, problems


def _assemble(
    engine: Engine,
    root: Path,
    files: Sequence[tuple[Path, str]],
    declared: Declared,
    problems: list[Problem],
    alone: bool,
) -> Table:
    opened = []
    guesses: list[Guess] = []
    for file, split in files:
        try:
            source, said, trouble = formats.read(engine, file)
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
            continue
        guesses += said
        problems += trouble
        described = engine.rows(f"DESCRIBE SELECT * EXCLUDE (__doctor_row) FROM {source}")
        rows = int(engine.rows(f"SELECT count(*) FROM {source}")[0][0])
        opened.append((file, split, source, {str(name): str(kind) for name, kind, *_ in described}, rows))
    if not opened:
        raise CannotOpen(root, "no file of it can be read")
    order = {split: index for index, split in enumerate((*SPLIT_ORDER, "all"))}
    opened.sort(key=lambda item: (order.get(item[1], len(order)), item[0]))
    parts: list[Part] = []
    selects: list[str] = []
    splits: dict[str, int] = {}
    first_row = 0
    for file, split, source, _, rows in opened:
        parts.append(Part(path=file, split=split, rows=rows, first_row=first_row))
        splits[split] = splits.get(split, 0) + rows
        selects.append(
            f"SELECT * REPLACE (__doctor_row + {first_row} AS __doctor_row), '{split}' AS {sql.SPLIT} FROM {source}"
        )
        first_row += rows
    raw = engine.fresh_name("union")
    engine.rows(f'CREATE VIEW "{raw}" AS {" UNION ALL BY NAME ".join(selects)}')
    kinds = {str(name): str(kind) for name, kind, *_ in engine.rows(f'DESCRIBE "{raw}"')}
    columns = tuple(
        Column(
            name=name,
            kind=kind_of(kind),
            splits=tuple(s for s in splits if any(item[1] == s and name in item[3] for item in opened)),
        )
        for name, kind in kinds.items()
        if name not in (sql.ROW, sql.SPLIT)
    )
    view = engine.fresh_name("table")
    wanted = ", ".join(canonical(column.name, kinds[column.name]) for column in columns)
    engine.rows(f'CREATE VIEW "{view}" AS SELECT {wanted}, {sql.ROW}, {sql.SPLIT} FROM "{raw}"')
    shown = str(root) if alone else str(opened[0][0])
    label = "" if alone else opened[0][0].name.partition(".")[0]
    return Table(
        path=root, shown=shown, label=label, engine=engine, relation=view, columns=columns, splits=splits,
        parts=tuple(parts), declared=declared, guesses=tuple(guesses),
    )  # fmt: skip


def kind_of(engine_type: str) -> Kind:
    """Classify a type of the engine."""
    if engine_type in _INTEGERS:
        return Kind.INTEGER
    if engine_type in ("FLOAT", "DOUBLE", "UBIGINT", "HUGEINT", "UHUGEINT") or engine_type.startswith("DECIMAL"):
        return Kind.NUMBER
    if engine_type == "BOOLEAN":
        return Kind.BOOLEAN
    if engine_type == "DATE" or engine_type.startswith("TIMESTAMP"):
        return Kind.TIME
    return Kind.TEXT if engine_type == "VARCHAR" or engine_type.startswith("ENUM") else Kind.OTHER


def canonical(name: str, engine_type: str) -> str:
    """Write the expression that brings a column to its canonical type, so that storage does not show in findings."""
    quoted = sql.text(sql.column(name))
    kind = kind_of(engine_type)
    if engine_type in ("BIGINT", "BOOLEAN", "TIMESTAMP"):
        return quoted
    if kind is Kind.INTEGER:
        return f"CAST({quoted} AS BIGINT) AS {quoted}"
    if kind is Kind.NUMBER:
        # Through its text a 32-bit 0.1 becomes the 64-bit 0.1 that a CSV of the same table would hold.
        value = f"CAST({quoted} AS VARCHAR)" if engine_type == "FLOAT" else quoted
        return f"nullif(CAST({value} AS DOUBLE), 'NaN'::DOUBLE) AS {quoted}"
    if kind is Kind.TIME:
        return f"CAST({quoted} AS TIMESTAMP) AS {quoted}"
    if engine_type == "BLOB":
        return f"md5({quoted}) AS {quoted}"
    return f"nullif(CAST({quoted} AS VARCHAR), '') AS {quoted}"
