"""Reads text tables: finds out how they are written, names their columns and judges their types over all rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from doctor.errors import CannotOpen
from doctor.model import Guess, Problem
from doctor.subjects import sql
from doctor.subjects.batch import Batch, Entry, ReadingOptions
from doctor.subjects.column_types import READINGS, TextFacts, find_readings, joined
from doctor.subjects.dialect import (
    DELIMITER_NAMES,
    NONE,
    USUAL_DELIMITERS,
    Dialect,
    clean_names,
    fields_by_blanks,
    find_dialect,
)
from doctor.subjects.header import first_rows, is_name_like, judge_header
from doctor.subjects.record_lines import RecordLines
from doctor.subjects.staging import Staged, malformed, stage
from doctor.subjects.table import Engine, TextForm
from doctor.subjects.text_file import TextFile, look_over
from doctor.wording import printable

RESERVED = (sql.ROW, sql.SPLIT)
NO_VALUES = TextFacts(values=0, holding=frozenset(reading.name for reading in READINGS))


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """Files of one split that begin with the same line, or of which none has a header."""

    texts: tuple[TextFile, ...]
    split: str
    dialect: Dialect

    @property
    def lines(self) -> int:
        return sum(text.lines for text in self.texts)


@dataclass(frozen=True, kw_only=True)
class _Naming:
    """What the columns are called, and how many records come before the data."""

    fields: tuple[str, ...]
    header: bool
    records_before: int
    because: str
    sure: bool = True


def read_csv(
    engine: Engine, entries: Sequence[Entry], suffix: str, options: ReadingOptions
) -> tuple[list[Batch], list[Problem]]:
    """Read text tables that may belong together.

    Parameters
    ----------
    engine : Engine
        Takes the rows.
    entries : sequence of Entry
        Files, plain or compressed, of one format.
    suffix : str
        The suffix that names it.
    options : ReadingOptions
        What the user said.
    """
    units, problems = _units(engine, entries, suffix, options)
    batches: list[Batch] = []
    known: list[tuple[Dialect, _Naming]] = []
    while units:
        # The longest says most about its header; where it has none, neither have others of its width.
        unit = max(units, key=lambda unit: (unit.lines, str(unit.texts[0].path)))
        units.remove(unit)
        batch, naming = _read_unit(engine, unit, suffix, options, known)
        batches.append(batch)
        known.append((unit.dialect, naming))
        if not naming.header:
            units = _merged(units, unit.dialect)
    return batches, problems


def _units(
    engine: Engine, entries: Sequence[Entry], suffix: str, options: ReadingOptions
) -> tuple[list[_Unit], list[Problem]]:
    problems = []
    grouped: dict[tuple[str, Dialect, str], list[TextFile]] = {}
    for entry in entries:
        try:
            text = look_over(entry.path, engine.scratch, options.encoding)
        except CannotOpen as error:
            problems.append(Problem(path=str(error.path), reason=error.reason, line=error.line))
            continue
        dialect = find_dialect(text.head, suffix, options.delimiter)
        grouped.setdefault((entry.split, dialect, text.readable.suffix.lower()), []).append(text)
    units = [_Unit(texts=tuple(texts), split=key[0], dialect=key[1]) for key, texts in grouped.items()]
    return units, problems


def _merged(units: Sequence[_Unit], dialect: Dialect) -> list[_Unit]:
    """Read together what has no header either: files of the same width, split by split."""
    together: dict[tuple[str, str], list[TextFile]] = {}
    others = []
    for unit in units:
        alike = (unit.dialect.delimiter, unit.dialect.width) == (dialect.delimiter, dialect.width)
        if alike and len(unit.texts) == 1:
            suffix = unit.texts[0].readable.suffix.lower()
            together.setdefault((unit.split, suffix), []).append(unit.texts[0])
        else:
            others.append(unit)
    return others + [_Unit(texts=tuple(texts), split=key[0], dialect=dialect) for key, texts in together.items()]


def _read_unit(
    engine: Engine,
    unit: _Unit,
    suffix: str,
    options: ReadingOptions,
    known: Sequence[tuple[Dialect, _Naming]],
) -> tuple[Batch, _Naming]:
    headless = any(
        not naming.header and (dialect.delimiter, dialect.width) == (unit.dialect.delimiter, unit.dialect.width)
        for dialect, naming in known
    )
    shared = len(unit.texts) > 1 and options.header is not False and not headless
    staged, bare_quotes = stage(engine, unit.texts, unit.dialect, skip_first=shared)
    first = _first_fields(unit, bare_quotes)
    if shared:
        naming = _Naming(fields=first, header=True, records_before=0, because="several files begin with it")
        facts = _facts(engine, staged, 0)
    elif headless and options.header is None:
        naming = _Naming(fields=(), header=False, records_before=0, because="")
        facts = _facts(engine, staged, 0)
    else:
        naming, facts = _name_columns(engine, staged, first, suffix, options, known)
    names = clean_names(_fields_for(naming, staged, facts), RESERVED)
    before = naming.records_before
    wanted = [
        f"{f'c{number}' if number < staged.width else 'CAST(NULL AS VARCHAR)'} AS {sql.name(name)}"
        for number, name in enumerate(names)
    ]
    facts += [NO_VALUES] * (len(names) - len(facts))
    rows = [*staged.rows_of_files]
    rows[0] -= before
    return Batch(
        split=unit.split,
        relation=f"(SELECT {', '.join(wanted)}, {staged.row} - {before} AS {sql.ROW} "
        f"FROM {staged.relation} WHERE {staged.row} >= {before})",
        types=dict.fromkeys(names, "VARCHAR"),
        files=tuple((text.path, count) for text, count in zip(unit.texts, rows, strict=True)),
        facts=dict(zip(names, facts, strict=True)),
        scratch=staged.relation,
        malformed=malformed(unit.texts, staged, ignore_first_line=naming.header and staged.lost_first_line),
        forms=tuple(
            TextForm(
                encoding=text.encoding,
                columns=tuple(names),
                fields=naming.fields if naming.header else (),
                width=staged.width,
                delimiter=unit.dialect.delimiter,
                quote=staged.quote,
                escape=staged.escape,
                header=naming.header,
            )
            for text in unit.texts
        ),
        guesses=tuple(_guesses(unit, naming, suffix, options, bare_quotes)),
        lines=tuple(
            RecordLines(
                text=text,
                records=count,
                header=naming.header,
                delimiter=unit.dialect.delimiter,
                quote=staged.quote,
                escape=staged.escape,
                left_out_bytes=tuple(sorted(reject.byte for reject in staged.rejects if reject.file == number)),
            )
            for number, (text, count) in enumerate(zip(unit.texts, rows, strict=True))
        ),
    ), naming


def _facts(engine: Engine, staged: Staged, before: int) -> list[TextFacts]:
    relation = staged.where(f">= {before}") if before else staged.relation
    found = find_readings(engine, relation, staged.columns)
    return [found[column] for column in staged.columns]


def _first_fields(unit: _Unit, bare_quotes: bool) -> tuple[str, ...]:
    """Return the first record's fields as they are written."""
    line = unit.texts[0].head.lstrip("\r\n").splitlines()[0]
    return tuple(line.split(unit.dialect.delimiter)) if bare_quotes else unit.dialect.first


def _name_columns(
    engine: Engine,
    staged: Staged,
    first: tuple[str, ...],
    suffix: str,
    options: ReadingOptions,
    known: Sequence[tuple[Dialect, _Naming]],
) -> tuple[_Naming, list[TextFacts]]:
    if staged.lost_first_line:
        header = options.header if options.header is not None else all(map(is_name_like, filter(None, first)))
        because = "its fields read like names" if header else "its fields do not all read like names"
        naming = _Naming(fields=first if header else (), header=header, records_before=0, because=because)
        return naming, _facts(engine, staged, 0)
    facts = _facts(engine, staged, 1)
    if options.header is not None:
        header, because = options.header, "it was given"
    else:
        rows = first_rows(engine, staged.where("= 0"), staged.where(">= 1"), staged.columns, facts)
        several = staged.width > 1
        lines = suffix == ".txt" and not several
        header, because = judge_header(rows, by_default=suffix in USUAL_DELIMITERS and several, lines=lines)
    naming = _Naming(fields=first if header else (), header=header, records_before=int(header), because=because)
    if header:
        return naming, facts
    if siblings := [naming for dialect, naming in known if naming.header and len(naming.fields) == staged.width]:
        named = siblings[0].fields
        naming = _Naming(fields=named, header=False, records_before=0, because=f"{because}; another part has one")
    first_facts = find_readings(engine, staged.where("= 0"), staged.columns)
    return naming, [joined((fact, first_facts[column])) for fact, column in zip(facts, staged.columns, strict=True)]


def _fields_for(naming: _Naming, staged: Staged, facts: Sequence[TextFacts]) -> list[str]:
    """Fit the names to the columns: R leaves out the name of the row names, a delimiter may end lines or the header."""
    fields = list(naming.fields)
    if not fields:
        return [f"column{number}" for number in range(staged.width)]
    if len(fields) == staged.width - 1:
        return [*fields, ""] if facts[-1].values == 0 else ["", *fields]
    return fields + [""] * (staged.width - len(fields))


def _guesses(unit: _Unit, naming: _Naming, suffix: str, options: ReadingOptions, bare_quotes: bool) -> list[Guess]:
    text, delimiter = unit.texts[0], unit.dialect.delimiter

    def guess(what: str, value: str, because: str, override: str) -> Guess:
        return Guess(
            subject=str(text.path), what=what, value=value, because=printable(because, limit=120), override=override
        )

    said = []
    if not options.encoding and (text.encoding not in ("utf-8", "utf-8-sig", "ascii") or text.undecodable_lines):
        said.append(guess("encoding", text.encoding, text.because, "--encoding NAME"))
    if delimiter != USUAL_DELIMITERS.get(suffix, delimiter) and not options.delimiter:
        name = DELIMITER_NAMES.get(delimiter, delimiter)
        said.append(guess("delimiter", name, "lines agree best in their number of fields", "--delimiter CHARACTER"))
    if delimiter == NONE and (fields := fields_by_blanks(text.head)):
        because = f"the {fields} fields of a line are set apart by runs of blanks, which are no delimiter"
        said.append(guess("columns", "one", because, "write one tab or comma between fields"))
    if bare_quotes:
        said.append(guess("quotes", "part of the text", "only so every line is whole", "quote all fields of the file"))
    if not naming.header and naming.because and options.header is None:
        said.append(guess("header", "no", naming.because, "--header yes"))
    return said
