"""`doctor.scan(...)`: examine data sets from a notebook or a program, wherever they are."""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from doctor.baseline import with_baseline
from doctor.case import Case, declared_roles, open_case
from doctor.engine import examine
from doctor.errors import UsageError
from doctor.model import Report
from doctor.settings import Settings, Suppression, settings_for, suppressions_of
from doctor.subjects.database import is_uri
from doctor.subjects.frames import open_frames
from doctor.subjects.opening import older_version
from doctor.subjects.table import Engine

TOLD_ELSEWHERE = ("thresholds", "suppressions", "origin", "format")


def scan(
    data: Any = None,
    *more: Any,
    set: Mapping[str, Mapping[str, Any]] | None = None,
    suppress: Sequence[Suppression | Mapping[str, Any]] = (),
    **options: Any,
) -> Report:
    """Examine a data set and return the report.

    Parameters
    ----------
    data : path, frame, data set, or mapping of split names to them
        A path of anything that `doctor scan` reads; a pandas or polars frame, an Arrow table or whatever else shows
        itself as Arrow; a data set of Hugging Face or of torch; a torch tensor or numpy array of rows. What is in
        memory may be divided: `{"train": a, "test": b}`. The address of a database, with `query` or `table`.
    *more : path
        Further paths that are looked at together with the first.
    set : dict, optional
        Thresholds by check: `{"quality/missing-values": {"max_share": 0.5}}`.
    suppress : sequence of dict, optional
        Findings to live with, each with `check` and `reason`, as in the settings file.
    **options
        The options of `doctor scan` by name, such as `target="y"`, `time`, `group`, `select`, `ignore`, `budget`.
        `baseline` names the file with accepted findings, or is False.

    Returns
    -------
    Report
        Which has `findings`, `to_json()` and `raise_for_errors()`, prints as text and shows itself in a notebook.

    Raises
    ------
    UsageError
        For an option, check, column or path that does not exist, and for data of a kind that cannot be examined.

    Notes
    -----
    The settings file that governs a path governs it here too; for what is in memory, that of the working directory.
    A baseline for data in memory must be named, and each of its entries counts, whatever path it speaks of.
    The index of a pandas frame is not looked at. The items of a torch data set are read, which runs its code.

    Examples
    --------
    >>> report = doctor.scan(frame, target="y")  # doctest: +SKIP
    >>> report.raise_for_errors()  # doctest: +SKIP
    """
    if isinstance(data, str) and is_uri(data):
        data, options = None, {**options, "uri": data}
    if data is None and not options.get("uri"):
        raise UsageError("scan() is given nothing to examine")
    settings = accepting(data, more, settings_from(data, set, suppress, options), options)
    with opened(data, more, settings) as case:
        return examine(case, settings)


def settings_from(
    data: Any,
    thresholds: Mapping[str, Mapping[str, Any]] | None = None,
    suppress: Sequence[Suppression | Mapping[str, Any]] = (),
    options: Mapping[str, Any] | None = None,
) -> Settings:
    """Join what a program gives with the settings file that governs the data.

    Raises
    ------
    UsageError
        For an option that does not exist.
    """
    settings = settings_for(Path(data) if is_path(data) else Path(), _options(options or {}))
    return replace(
        settings,
        thresholds={**settings.thresholds, **{check: dict(names) for check, names in (thresholds or {}).items()}},
        suppressions=(*settings.suppressions, *suppressions_of(suppress, "suppress")),
    )


def accepting(data: Any, more: Sequence[Any], settings: Settings, options: Mapping[str, Any]) -> Settings:
    """Add the findings that were accepted; to data in memory, which has no path, only where the call names the file.

    Raises
    ------
    UsageError
        When the file is no baseline.
    """
    if data is None or is_path(data):
        paths = [] if data is None else [Path(data), *(Path(one) for one in more if is_path(one))]
        return with_baseline(settings, paths)
    wish = settings.baseline if options.get("baseline") else False
    return with_baseline(replace(settings, baseline=wish), [], in_memory=True)


def opened(data: Any, more: Sequence[Any], settings: Settings) -> AbstractContextManager[Case]:
    """Open data for a visit, from its path or from memory.

    Raises
    ------
    UsageError
        Where several things are given that are not all paths.
    """
    if data is None:
        return open_case([], settings)
    if more and not all(map(is_path, (data, *more))):
        raise UsageError("several data sets are looked at together where all are paths; name splits by a mapping")
    return open_case([Path(data), *map(Path, more)], settings) if is_path(data) else _InMemory(data, settings)


def is_path(data: Any) -> bool:
    """Whether data is given by its path."""
    return isinstance(data, str | os.PathLike)


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Hold the options against those that exist, and let one name stand for a list of one."""
    known = {item.name: item for item in fields(Settings) if item.name not in TOLD_ELSEWHERE}
    for name in options:
        if name not in known:
            raise UsageError(f"scan() has no option {name!r}; known: {', '.join(sorted([*known, 'set', 'suppress']))}")
    given = {}
    for name, value in options.items():
        several = str(known[name].type).startswith("tuple")
        value = os.fspath(value) if isinstance(value, os.PathLike) else value
        if several and value is not None:
            given[name] = (value,) if isinstance(value, str) else tuple(value)
        else:
            given[name] = value
    return given


class _InMemory(AbstractContextManager[Case]):
    """A visit to what is in memory."""

    def __init__(self, data: Any, settings: Settings) -> None:
        self._data = data
        self._settings = settings
        self._engine: Engine | None = None

    def __enter__(self) -> Case:
        settings = self._settings
        if settings.split:
            raise UsageError("split: what is in memory is divided by a mapping of split names, or by split_column")
        if settings.embeddings:
            raise UsageError("embeddings: vectors are of images, which are scanned by their path")
        self._engine = Engine(memory_limit=settings.memory_limit, threads=settings.threads)
        try:
            table = open_frames(self._engine, self._data, declared_roles(settings), split_column=settings.split_column)
            previous = older_version(self._engine, settings)
        except BaseException:
            self._engine.close()
            raise
        others = (previous,) if previous else ()
        return Case(shown=table.shown, tables=(table,), others=others, in_memory=True)

    def __exit__(self, *raised: object) -> None:
        if self._engine is not None:
            self._engine.close()
