"""A visit: the subjects found at the given paths, with what was declared and what was guessed about them."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from doctor.errors import Unavailable, UsageError
from doctor.evidence.keys import Keys
from doctor.evidence.roles import Roles
from doctor.model import (
    CaseSummary,
    Company,
    Declared,
    DeviceMemory,
    Guess,
    Problem,
    Report,
    Sampling,
    SubjectSummary,
    TextLimits,
)
from doctor.settings import DUCKDB, Settings
from doctor.sizes import bytes_of
from doctor.subjects.benchmarks import Benchmarks
from doctor.subjects.config import Configs, may_be_config, open_configs
from doctor.subjects.contents import contents_of, inner_name, names_and_sizes
from doctor.subjects.database import is_database, is_uri, shown_path
from doctor.subjects.embeddings import files_of_embeddings, with_embeddings
from doctor.subjects.file_names import find_files
from doctor.subjects.formats import READERS, is_table
from doctor.subjects.image_sets import matched, open_images
from doctor.subjects.images import Images
from doctor.subjects.opening import apart_from, benchmarks, databases_of, is_picture, older_version, opened_tables
from doctor.subjects.pipeline import Pipeline
from doctor.subjects.previous import Previous
from doctor.subjects.records import open_records
from doctor.subjects.run import Run, is_run_folder, open_run
from doctor.subjects.source import Source, is_source, open_source
from doctor.subjects.sweep import Sweep, is_sweep, open_sweep
from doctor.subjects.table import Engine, Table
from doctor.subjects.workers import Workers

Known = TypeVar("Known")
DATA_AND_CODE: frozenset[type] = frozenset({Table, Images, Source, Pipeline, Configs})


class Ask(Protocol):
    """Gives evidence on a table where it can be had."""

    def __call__(self, wanted: type[Known], table: Table, /) -> Known | None:
        """Return it, or None."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was opened.

    Attributes
    ----------
    tables : tuple of Table
        Each is examined by itself.
    images : tuple of Images
        Each is examined by itself.
    others : tuple
        Subjects of which there is one per case, such as the source code.
    problems : tuple of Problem
        What could not be read; the rest is examined all the same.
    guesses : tuple of Guess
        About the whole of what was named.
    matters : frozenset of type
        The kinds of subject that this visit is about: a check that reads none of them is not run.
    paths : tuple of Path
        What was named.
    stamps : mapping of Path to tuple of int
        Size, time of change and number of every table file, as they were before it was read.
    workers : Workers
        Who works on files that are no tables.
    """

    shown: str
    paths: tuple[Path, ...] = ()
    stamps: Mapping[Path, tuple[int, ...]] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()
    tables: tuple[Table, ...] = ()
    images: tuple[Images, ...] = ()
    others: tuple[object, ...] = ()
    problems: tuple[Problem, ...] = ()
    matters: frozenset[type] = DATA_AND_CODE
    in_memory: bool = False
    workers: Workers = field(default_factory=Workers)

    @property
    def collections(self) -> tuple[Table | Images, ...]:
        """What is examined by itself, one by one."""
        return (*self.tables, *self.images)

    def singles(self, settings: Settings) -> dict[type, object]:
        """Return what every check of this case shares, by type."""
        sampling = Sampling(seed=settings.sample_seed, rows=settings.sample_rows)
        device = {DeviceMemory: DeviceMemory(bytes=bytes_of(settings.device_memory))} if settings.device_memory else {}
        beside: dict[type, object] = {Company: Company(tables=len(self.collections)), Workers: self.workers}
        limits = {TextLimits: TextLimits(max_length=settings.max_length, tokenizer=settings.tokenizer)}
        return {Sampling: sampling} | device | beside | limits | {type(subject): subject for subject in self.others}

    def summary(self, ask: Ask) -> CaseSummary:
        """Describe the case; `ask` gives the roles of a table's columns where they are known."""
        subjects = []
        guesses: list[Guess] = [*self.guesses]
        for table in self.tables:
            guesses += table.guesses
            known, keys = ask(Roles, table), ask(Keys, table)
            guesses += (*(known.guesses if known else ()), *(keys.guesses if keys else ()))
            roles = known.as_given() if known else {}
            subjects.append(
                SubjectSummary(
                    kind="table",
                    path=table.shown,
                    rows=table.rows,
                    columns=len(table.columns),
                    splits=table.splits,
                    facts={"database": table.database} if table.database else {},
                    roles=roles | ({"group": [guess.value for guess in keys.guesses]} if keys and keys.guesses else {}),
                )
            )
        for collection in self.images:
            guesses += collection.guesses
            subjects.append(collection.summary())
        subjects += [
            subject.summary() for subject in self.others if isinstance(subject, (Source, Configs, Pipeline, Run, Sweep))
        ]
        return CaseSummary(
            path=self.shown,
            in_memory=self.in_memory,
            subjects=subjects,
            guesses=guesses,
            problems=self._all_problems(),
        )

    def _all_problems(self) -> list[Problem]:
        """Join what was seen on opening with damage that only showed when the rows were read."""
        later = (problem for table in self.tables for problem in table.engine.problems)
        older = (problem for one in self.others if isinstance(one, Previous | Benchmarks) for problem in one.problems)
        return list(dict.fromkeys([*self.problems, *older, *later]))


def look_at(paths: Sequence[Path]) -> frozenset[type]:
    """Return the kinds of subject that a visit to these paths is about, without opening them.

    Raises
    ------
    UsageError
        When there is no such path, or a file is of no known kind.
    """
    for path in paths:
        if is_uri(shown_path(path)):
            raise UsageError("a database is named by --uri, not as a path")
        if not path.exists() and not path.is_symlink():
            raise UsageError(f"{path}: there is no such file or folder")
        known = (is_table, is_source, is_sweep, may_be_config, is_database, is_picture)
        if path.is_file() and not any(kind(path) for kind in known):
            raise UsageError(
                f"{path}: not a table that can be read; known are {', '.join(READERS)} (also .gz, .zst), databases "
                "of DuckDB and SQLite, and images"
            )
    if len(paths) != 1:
        return DATA_AND_CODE
    if is_run_folder(paths[0]):
        return frozenset({Run})
    return frozenset({Sweep}) if is_sweep(paths[0]) else DATA_AND_CODE


@contextmanager
def open_case(paths: Sequence[Path], settings: Settings) -> Iterator[Case]:
    """Open what lies at the paths, and forget it at the end.

    Raises
    ------
    UsageError
        When there is no such path or nothing there that can be examined.
    """
    look_at(paths)
    if len(paths) == 1 and is_run_folder(paths[0]):
        yield case_of_run(open_run(paths[0]))
        return
    if len(paths) == 1 and is_sweep(paths[0]):
        yield case_of_sweep(open_sweep(paths[0]))
        return
    stamps = stamps_of(paths)
    engine = Engine(memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        declared = declared_roles(settings)
        source, unread = open_source(paths)
        pipeline = Pipeline.named(settings.pipeline, settings.budget) if settings.pipeline else None
        configs, taken, broken = open_configs(paths)
        taken = (*taken, *(files_of_embeddings(settings.embeddings) if settings.embeddings else ()))
        apart = apart_from(paths, settings.benchmark)
        taken = (*taken, *(file.absolute() for path in apart for file in (path, *path.rglob("*"))))
        databases = databases_of(paths, settings)
        seen = open_images(
            paths,
            taken,
            split_globs=settings.split,
            labels=settings.image_labels,
            target=settings.target,
            apart=[*apart, *([Path(settings.embeddings)] if settings.embeddings else [])],
        )
        seen.images = list(with_embeddings(seen.images, settings.embeddings))
        stamps |= stamps_of([], seen.images)
        told = matched(seen.images, settings.split)
        rest = replace(settings, split=tuple(item for item in settings.split if item not in told))
        tables, problems = opened_tables(engine, paths, databases, declared, rest, {*taken, *seen.taken})
        problems = [one for one in problems if one.path not in {one.path for one in broken}] + [*unread, *broken]
        told = {one.path for one in seen.problems}  # by who knew what the file is for
        problems = [one for one in problems if one.path not in told] + seen.problems
        images = tuple(replace(one, label=one.label or "images") if tables else one for one in seen.images)
        previous = older_version(engine, settings)
        records = open_records(source) if source is not None else None
        known = benchmarks(engine, settings)
        found = (source, configs, records, pipeline, previous, known)
        others = tuple(subject for subject in found if subject is not None)
        nothing = all(one is None for one in (source, configs, pipeline))
        if not tables and not images and not problems and nothing:
            raise UsageError(
                f"{paths[0]}: neither a table nor images nor code nor a configuration of a training found here (looked "
                "for CSV, TSV, Parquet, JSONL, Arrow, Feather, JPEG, PNG and other images, Python, notebooks, YAML, "
                "JSON, shell scripts)"
            )
        served = " ".join(address.shown for address in databases if address.uri)
        shown = shlex.join(map(str, paths)) or served or settings.pipeline or ""
        yield Case(
            shown=shown,
            paths=tuple(paths),
            stamps=stamps,
            guesses=tuple(seen.guesses),
            tables=tuple(tables),
            images=images,
            others=others,
            problems=tuple(problems),
            workers=Workers(settings.threads),
        )
    finally:
        engine.close()


@contextmanager
def asked_of(case: Case, settings: Settings) -> Iterator[Case]:
    """Have tables answered, and files worked on, by the engine that the user wishes, until the end.

    Raises
    ------
    UsageError
        When that engine is not there, or cannot take a table.
    DoctorError
        When it cannot read one.
    """
    if settings.engine == DUCKDB or not case.collections:
        yield case
        return
    from doctor.subjects.handover import hand_over
    from doctor.subjects.spark_engine import SparkEngine
    from doctor.subjects.spark_session import Session

    problems: list[Problem] = []

    def handed(tables: Sequence[Table]) -> Iterator[Table]:
        for table in tables:
            try:
                yield hand_over(spark, table)
            except Unavailable as error:  # a damaged file; the others are examined all the same
                problems.append(Problem(path=table.shown, reason=str(error)))

    previous = [table for other in case.others if isinstance(other, Previous) for table in other.tables]
    rows = max((table.rows for table in (*case.tables, *previous)), default=0)
    session = Session(settings.engine, rows=rows, memory_limit=settings.memory_limit, threads=settings.threads)
    if not case.tables:
        try:
            yield replace(case, workers=Workers(settings.threads, spark=session.spark))
        finally:
            session.close()
        return
    spark = SparkEngine(session, case.tables[0].engine)
    try:
        others = tuple(
            replace(other, tables=tuple(handed(other.tables))) if isinstance(other, Previous) else other
            for other in case.others
        )
        tables = tuple(handed(case.tables))
        workers = Workers(settings.threads, spark=session.spark)
        yield replace(case, tables=tables, others=others, problems=(*case.problems, *problems), workers=workers)
    finally:
        spark.close()


def stamps_of(paths: Sequence[Path], images: Sequence[Images] = ()) -> dict[Path, tuple[int, ...]]:
    """Return size, time of change and number of files; what cannot be looked at is left out.

    Parameters
    ----------
    paths : sequence of Path
        Every table file there is looked at.
    images : sequence of Images
        Each file that holds one of them is looked at too.
    """
    files = [named.path for named in find_files(paths)]
    files += dict.fromkeys(file.path for one in images for file in one.files)
    stamps: dict[Path, tuple[int, ...]] = {}
    for path in files:
        with suppress(OSError):
            seen = path.stat()
            stamps[path.absolute()] = (seen.st_size, seen.st_mtime_ns, seen.st_ino)
    return stamps


def with_contents(report: Report, case: Case) -> Report:
    """Add to a report which bytes it is about, so that repairs are never made on others.

    A file that changed since it was read gets no hash: then nobody knows what the findings are about.
    """
    now = stamps_of(case.paths)
    known = {table.shown: table for table in case.tables}
    seen = {one.shown: one for one in case.images}
    subjects = []
    for subject in report.case.subjects:
        if subject.kind == "images" and subject.path in seen:
            told = {**subject.facts, "names_and_sizes": names_and_sizes(seen[subject.path])}
            subject = msgspec.structs.replace(subject, facts=told)
        table = known.get(subject.path) if subject.kind == "table" else None
        if table is not None and not table.database:
            facts = contents_of(table, case.paths)
            for part in table.parts:
                stamp = now.get(part.path.absolute())
                if stamp is None or stamp != case.stamps.get(part.path.absolute()):
                    facts["files"][inner_name(part.path, case.paths)]["hash"] = None
            subject = msgspec.structs.replace(subject, facts={**subject.facts, **facts})
        subjects.append(subject)
    return msgspec.structs.replace(report, case=msgspec.structs.replace(report.case, subjects=subjects))


def case_of_run(run: Run) -> Case:
    """Make a visit to one recorded run."""
    return Case(shown=run.shown, others=(run,), problems=run.problems, matters=frozenset({Run}))


def case_of_sweep(sweep: Sweep) -> Case:
    """Make a visit to one sweep of learning rates."""
    return Case(shown=sweep.shown, others=(sweep,), matters=frozenset({Sweep}))


def declared_roles(settings: Settings) -> Declared:
    """Return the roles of columns that the user gave."""
    return Declared(
        target=settings.target,
        time=settings.time,
        group=settings.group,
        annotators=settings.annotators,
        item=settings.item,
        scale=settings.scale,
        predictions=settings.predictions,
        ranges=settings.range,
        patterns=settings.pattern,
        available=settings.available_at,
    )
