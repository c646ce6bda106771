"""A visit: the subjects found at the given paths, with what was declared and what was guessed about them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.errors import NoVerdict, UsageError
from doctor.evidence.roles import Roles
from doctor.model import CaseSummary, Declared, Guess, Problem, Sampling, SubjectSummary
from doctor.settings import Settings
from doctor.subjects.layout import open_tables
from doctor.subjects.pipeline import Pipeline
from doctor.subjects.source import Source, is_source, open_source
from doctor.subjects.table import Engine, Table


@dataclass(frozen=True, kw_only=True)
class Case:
    """What was opened.

    Attributes
    ----------
    tables : tuple of Table
        Each is examined by itself.
    others : tuple
        Subjects of which there is one per case, such as the source code.
    problems : tuple of Problem
        What could not be read; the rest is examined all the same.
    """

    shown: str
    tables: tuple[Table, ...]
    others: tuple[object, ...] = ()
    problems: tuple[Problem, ...] = ()

    def singles(self, settings: Settings) -> dict[type, object]:
        """Return what every check of this case shares, by type."""
        sampling = Sampling(seed=settings.sample_seed, rows=settings.sample_rows)
        return {Sampling: sampling} | {type(subject): subject for subject in self.others}

    def summary(self, ask: Callable[[type[Roles], Table], Roles]) -> CaseSummary:
        """Describe the case; `ask` gives the roles of a table's columns."""
        subjects = []
        guesses: list[Guess] = []
        for table in self.tables:
            guesses += table.guesses
            roles: Mapping[str, Any] = {}
            try:
                known = ask(Roles, table)
                roles = known.as_given()
                guesses += known.guesses
            except NoVerdict:
                pass
            subjects.append(
                SubjectSummary(
                    kind="table",
                    path=table.shown,
                    rows=table.rows,
                    columns=len(table.columns),
                    splits=table.splits,
                    roles=dict(roles),
                )
            )
        subjects += [subject.summary() for subject in self.others if isinstance(subject, (Source, Pipeline))]
        return CaseSummary(path=self.shown, subjects=subjects, guesses=guesses, problems=list(self.problems))


@contextmanager
def open_case(paths: Sequence[Path], settings: Settings) -> Iterator[Case]:
    """Open what lies at the paths, and forget it at the end.

    Raises
    ------
    UsageError
        When there is no such path or nothing there that can be examined.
    """
    for path in paths:
        if not path.exists():
            raise UsageError(f"{path}: there is no such file or folder")
    engine = Engine(memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        declared = _declared(settings)
        tables: list[Table] = []
        problems: list[Problem] = []
        source, unread = open_source(paths)
        pipeline = Pipeline.named(settings.pipeline, settings.budget) if settings.pipeline else None
        for path in paths:
            if path.is_file() and is_source(path):
                continue
            found, trouble = open_tables(engine, path, declared, settings.split, settings.split_column)
            tables += found
            problems += trouble
        problems += unread
        others = tuple(subject for subject in (source, pipeline) if subject is not None)
        if not tables and not problems and not others:
            raise UsageError(
                f"{paths[0]}: neither a table nor code found here (looked for CSV, TSV, Parquet, JSONL, Arrow, Feather,"
                " Python, notebooks)"
            )
        shown = " ".join(map(str, paths)) or settings.pipeline or ""
        yield Case(shown=shown, tables=tuple(tables), others=others, problems=tuple(problems))
    finally:
        engine.close()


def _declared(settings: Settings) -> Declared:
    return Declared(
        target=settings.target,
        time=settings.time,
        group=settings.group,
        annotators=settings.annotators,
        item=settings.item,
        scale=settings.scale,
    )
