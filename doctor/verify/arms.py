"""Writes the two data sets of a pair: as it is, and with the repair made by the same code that `doctor fix` uses."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs

from doctor.case import open_case
from doctor.errors import DoctorError
from doctor.model import AnyRepair, Finding, Report
from doctor.settings import Settings
from doctor.subjects import sql
from doctor.subjects.table import Asked, Table
from doctor.verify.deployment import WHOLE, Cut, Untestable, divided
from doctor.verify.labels import with_one_label

PROMISE = "promise"
"""The split of an arm on which its promise is measured."""
MIN_REPAIRED_ROWS = 50


class RepairRefused(Untestable):
    """The repair cannot be made on this data."""


_PLAIN_NAME = re.compile(r"[A-Za-z][\w-]*")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A data set as it is handed to the repair: files by the name of their split, and the rows of deployment apart."""

    folder: Path
    files: Mapping[str, str]
    deployments: Mapping[str, Path]

    @property
    def globs(self) -> tuple[str, ...]:
        """Its splits as `--split` takes them; a table that is not divided has none."""
        return tuple(f"{split}={name}" for split, name in self.files.items() if split != WHOLE)


def lay_out(table: Table, made: Cut, folder: Path) -> Layout:
    """Write the rows that both arms may use, one Parquet file per split, and those of deployment.

    Parameters
    ----------
    table : Table
        Whose engine writes.
    made : Cut
        Of that table.
    folder : Path
        A new folder.
    """
    data, apart = folder / "data", folder / "deployment"
    for place in (data, apart):
        place.mkdir(parents=True)
    listed = ", ".join(sql.name(column.name) for column in table.columns)
    known = {split for (split,) in table.ask(f"SELECT DISTINCT {sql.SPLIT} FROM ({made.kept})")}
    files = {split: _file_name(split, number) for number, split in enumerate(_in_order(table, known))}
    for split, name in files.items():
        rows = f"SELECT {listed} FROM ({made.kept}) WHERE {sql.SPLIT} = {sql.quoted(split)} ORDER BY {sql.ROW}"
        _copy(table.engine, rows, data / name)
    deployments = {}
    for name, rows in made.deployments.items():
        split = f"deployment {name}"
        place = (data if made.repaired_too else apart) / f"{split.replace(' ', '-')}.parquet"
        _copy(table.engine, rows, place)
        deployments[name] = place
        if made.repaired_too:
            files[split] = place.name
    return Layout(folder=data, files=files, deployments=deployments)


def repaired(
    layout: Layout, finding: Finding, repair: AnyRepair, report: Report, settings: Settings, output: Path
) -> Layout:
    """Make the repair on a copy, by the code of `doctor fix`.

    Parameters
    ----------
    layout : Layout
        What is repaired; it stays as it is.
    finding : Finding
        The finding of the whole data.
    repair : Repair
        What to do about it.
    report : Report
        In which the finding stands.
    settings : Settings
        With the roles of the columns.
    output : Path
        A folder that does not exist yet.

    Raises
    ------
    RepairRefused
        When it cannot be made on this data, with the reason.
    """
    from doctor.repair.copying import write_copy
    from doctor.repair.plan import make_plan

    asked = structs.replace(
        finding, repair=repair, at=structs.replace(finding.at, path=str(layout.folder)), suppressed=None
    )
    try:
        with open_case([layout.folder], _own(settings, layout)) as case:
            asked = structs.replace(asked, at=structs.replace(asked.at, path=case.tables[0].shown))
            only = structs.replace(report, findings=[asked], diagnoses=[])
            plan = make_plan(only, case, unsafe=True)
            refused = [edit for edit in plan.edits if not edit.applied]
            if refused:
                raise RepairRefused(f"the repair could not be made: {refused[0].why_not}")
            write_copy(plan, case, output)
    except Untestable:
        raise
    except DoctorError as error:
        raise RepairRefused(f"the repair could not be made: {error}") from error
    missing = [name for name in layout.files.values() if not (output / name).is_file()]
    if missing:
        raise RepairRefused(f"the repair left no file {missing[0]}")
    moved = {
        name: output / place.name if place.parent == layout.folder else place
        for name, place in layout.deployments.items()
    }
    return Layout(folder=output, files=layout.files, deployments=moved)


def stage(engine: Asked, layout: Layout, made: Cut, seed: int, folder: Path) -> dict[str, str]:
    """Write what a training reads: train, the split that makes the promise, and deployment.

    Parameters
    ----------
    engine : Engine
        Which reads and writes.
    layout : Layout
        With or without the repair.
    made : Cut
        From which it came.
    seed : int
        Of the division where the data is not divided.
    folder : Path
        A new folder.

    Returns
    -------
    dict of str to str
        The files by the names of their splits.

    Raises
    ------
    Untestable
        When too little is left after the repair.
    """
    folder.mkdir(parents=True)
    if made.promised == WHOLE:
        train, promise = _divided(engine, layout, made, seed)
    else:
        train = f"SELECT * FROM {_read(*_training(layout, made))}"
        promise = f"SELECT * FROM {_read(layout.folder / layout.files[made.promised])}"
    columns = _columns(engine, train)
    statements = {"train": train, PROMISE: promise}
    for name, place in layout.deployments.items():
        statements[name] = f"SELECT {_as_in(engine, columns, place)} FROM {_read(place)}"
    for name, statement in statements.items():
        _copy(engine, statement, folder / f"{name.replace(' ', '-')}.parquet")
    for name in ("train", PROMISE):
        left = int(engine.rows(f"SELECT count(*) FROM {_read(folder / f'{name}.parquet')}")[0][0])
        if left < MIN_REPAIRED_ROWS:
            raise Untestable(f"{left} rows are left in {name} (needed: {MIN_REPAIRED_ROWS})")
    return {name: f"{name.replace(' ', '-')}.parquet" for name in statements}


def _divided(engine: Asked, layout: Layout, made: Cut, seed: int) -> list[str]:
    """Divide data by lot, the rows of both arms alike as far as the repair leaves them."""
    file = layout.folder / layout.files[WHOLE]
    listed = "*"
    if made.labels is not None:
        columns = _columns(engine, f"SELECT * FROM {_read(file)}")
        listed = with_one_label(columns, made.labels, "file_row_number", seed)
    rows = f"SELECT {listed}, file_row_number AS {sql.ROW}, '' AS {sql.SPLIT} FROM {_read(file, numbered=True)}"
    service = f"{sql.ROW}, {sql.SPLIT}" + (", file_row_number" if listed == "*" else "")
    bare = f"SELECT * EXCLUDE ({service}) FROM ({divided(rows, seed)}) WHERE {sql.SPLIT} = "
    return [f"{bare}'{split}' ORDER BY {sql.ROW}" for split in ("train", "validation")]


def _own(settings: Settings, layout: Layout) -> Settings:
    """Return the settings for the rewritten data: the roles stay, how the files are read does not."""
    from dataclasses import replace

    return replace(
        settings,
        split=layout.globs,
        split_column=None,
        embeddings=None,
        header=None,
        delimiter=None,
        encoding=None,
        pipeline=None,
        budget=None,
        suppressions=(),
    )


def _training(layout: Layout, made: Cut) -> list[Path]:
    """Return the files to train on: those of train, or of all splits that are not judged where none is called so."""
    apart = {made.promised, *(f"deployment {name}" for name in made.deployments)}
    names = ["train"] if "train" in layout.files else [split for split in layout.files if split not in apart]
    return [layout.folder / layout.files[name] for name in names]


def _in_order(table: Table, splits: set[str]) -> list[str]:
    return [split for split in table.splits if split in splits] + sorted(splits - set(table.splits))


def _file_name(split: str, number: int) -> str:
    if split == WHOLE:
        return "data.parquet"
    return f"{split}.parquet" if _PLAIN_NAME.fullmatch(split) else f"part{number}.parquet"


def _as_in(engine: Asked, columns: Sequence[str], place: Path) -> str:
    """List these columns of a file, those that it lacks as missing values."""
    had = set(_columns(engine, f"SELECT * FROM {_read(place)}"))
    return ", ".join(sql.name(name) if name in had else f"NULL AS {sql.name(name)}" for name in columns)


def _columns(engine: Asked, statement: str) -> list[str]:
    return [str(name) for name, *_ in engine.rows(f"DESCRIBE {statement}")]


def _read(*paths: Path, numbered: bool = False) -> str:
    listed = ", ".join(sql.quoted(path) for path in paths)
    return f"read_parquet([{listed}]{', file_row_number = true' if numbered else ''})"


def _copy(engine: Asked, statement: str, place: Path) -> None:
    engine.rows(f"COPY ({statement}) TO {sql.quoted(place)} (FORMAT parquet)")
