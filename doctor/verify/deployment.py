"""What the data will be like once the model is used, cut from the data at hand: one way per kind of disease.

What validation promises is set against what deployment brings. A leaking column is not yet known there, the days lie
after all that was learnt from, the patients are new ones, no row is a copy. Where no such set can be cut honestly, the
reason is said instead.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from doctor.errors import Unavailable
from doctor.evidence.row_hashes import fold
from doctor.model import AnyRepair, DropColumns, DropRows, FillMissing, Finding, Resplit, Reweight
from doctor.subjects import sql
from doctor.subjects.assembly import ENGINE_TYPES
from doctor.subjects.table import Column, Kind, Table

WHOLE = "all"
"""The split of a table that is not divided."""
HELD_OUT_PARTS = 5
"""One part in so many is held out for deployment, and as many again for validation where nothing is divided."""
LATEST_SHARE = 0.2
MIN_TRAIN_ROWS, MIN_JUDGED_ROWS = 100, 40
MIN_HELD_OUT_GROUPS = 5
MAX_ROWS = 50_000
"""Of a table with more rows as many are drawn, copies of a row together; a run of a few hundred steps sees no more."""

MIN_LOSS = 0.05
"""The least difference between promise and reality, in units of the score, that counts as a symptom."""


class Untestable(Unavailable):
    """No honest deployment set can be cut from this data; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Labels:
    """Columns out of which an arm makes the one label that it learns.

    Attributes
    ----------
    target : str
        What that label is called.
    known : tuple of str
        The columns of the data before any repair.
    """

    target: str
    annotators: tuple[str, ...]
    known: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Rows for both arms, and rows of which both know nothing.

    Attributes
    ----------
    kept : str
        A statement that gives the rows both arms may use, with the service columns; it is what the repair works on.
    promised : str
        The split that stands for what validation promises, `WHOLE` where the arms are divided after the repair.
    deployments : dict of str to str
        Statements that give the rows of deployment, without service columns. Where there are several, none is
        favoured: the repair must hold in each, and the symptom must show in the one where it is least.
    story : str
        How deployment was made, to be read by a person.
    measure : str
        What is judged: "gap", the difference between promise and reality; "rarest", whether all classes are recognised
        in deployment; "labels", how well true labels are predicted there.
    repaired_too : bool
        Whether the repair is to be made on the rows of deployment as well, as an edit of columns is.
    deployed_worse : float
        By how much the score in deployment may fall; what makes a promise honest need not make the model better.
    labels : Labels or None
        Where each arm first makes the label that it learns.
    """

    kept: str
    promised: str
    deployments: Mapping[str, str]
    story: str
    measure: str = "gap"
    repaired_too: bool = False
    deployed_worse: float = MIN_LOSS
    labels: Labels | None = None
    details: Mapping[str, object] = field(default_factory=dict)


Cutter = Callable[[Table, Finding, str, int], Cut]


def cut(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Cut the deployment set that a finding asks for.

    Parameters
    ----------
    table : Table
        As the user has it.
    finding : Finding
        With the repair that the check prescribed, which says what kind of disease it is.
    target : str
        The column to be predicted.
    seed : int
        Of what is drawn.

    Raises
    ------
    Untestable
        Where there is no honest way.
    """
    cutter = _cutter(finding)
    made = cutter(_labelled(table, target), finding, target, seed)
    _enough(table, made)
    return made


def _cutter(finding: Finding) -> Cutter:
    repair = finding.repair
    leak = finding.check.startswith("leakage/")
    match repair:
        case DropColumns() if leak:
            return _withheld
        case FillMissing(keep_flag=False):
            return _without_pattern
        case Resplit(by="time"):
            return _latest
        case Resplit(by="group"):
            return _new_groups
        case DropRows(also_in=str()):
            return _clean_rows
        case DropRows(duplicates_of=()) | DropRows(also_in=None) if finding.check.startswith("duplicates/"):
            return _distinct_rows
        case Reweight():
            return _every_class
    raise Untestable(_why_not(repair))


def _why_not(repair: AnyRepair | None) -> str:
    if isinstance(repair, FillMissing):
        return "the reference trainer fills holes and flags them by itself, so both arms would train alike"
    if isinstance(repair, DropColumns):
        return "a column that tells nothing new teaches the reference trainer nothing, so both arms would train alike"
    if isinstance(repair, DropRows):
        return "the reference trainer leaves rows without a label out by itself, so both arms would train alike"
    return "no deployment set is known that would show whether this repair helps"


def _labelled(table: Table, target: str) -> Table:
    """Leave out splits that lack the target, as a published test split does: nothing can be judged there."""
    splits = {name: rows for name, rows in table.splits.items() if name in table.column(target).splits and rows}
    return table.replaced(splits=splits)


def _withheld(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Take the very rows that validation is made of, with the leaking columns as they are before they are known."""
    names = [name for name in finding.at.columns if name != target]
    kept, promised = _divided(table, seed, tuple(names))
    rows = f"SELECT * FROM ({kept}) WHERE {sql.SPLIT} = {sql.quoted(promised)}"
    shown = ", ".join(names)
    return Cut(
        kept=kept,
        promised=promised,
        deployments={
            "absent": _changed(table, rows, dict.fromkeys(names, "NULL")),
            "permuted": _permuted(table, rows, names, seed),
        },
        story=f"the rows of {promised} as they are before {shown} is known: once empty, once shuffled",
        repaired_too=True,
    )


def _without_pattern(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Take the rows of validation with holes that say nothing: once everywhere, once in other rows."""
    names = list(finding.at.columns)
    kept, promised = _divided(table, seed, tuple(names))
    rows = f"SELECT * FROM ({kept}) WHERE {sql.SPLIT} = {sql.quoted(promised)}"
    return Cut(
        kept=kept,
        promised=promised,
        deployments={
            "absent": _changed(table, rows, dict.fromkeys(names, "NULL")),
            "permuted": _other_holes(table, rows, names, seed),
        },
        story=f"the rows of {promised} with holes in {', '.join(names)} that do not depend on the label: "
        "once everywhere, once in rows drawn by lot",
        repaired_too=True,
    )


def _latest(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Hold the latest rows out of both arms."""
    time = finding.at.columns[0]
    name = sql.name(time)
    bound = f"(SELECT quantile_disc({name}, {1 - LATEST_SHARE}) FROM {_rows(table)} WHERE {name} IS NOT NULL)"
    return Cut(
        kept=f"SELECT * FROM {_rows(table)} WHERE {name} IS NULL OR {name} <= {bound}",
        promised=_later(table, finding),
        deployments={"latest": _bare(table, f"SELECT * FROM {_rows(table)} WHERE {name} > {bound}")},
        story=f"the latest {LATEST_SHARE:.0%} of the rows by {time}, held out of both arms",
        deployed_worse=float("inf"),
    )


def _new_groups(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Hold whole groups out of both arms."""
    repair = finding.repair
    column = finding.at.columns[0]
    pattern = repair.pattern if isinstance(repair, Resplit) else ""
    key = f"CAST({sql.name(column)} AS VARCHAR)"
    if pattern:
        key = f"coalesce(nullif(regexp_extract({key}, {sql.quoted(pattern)}, 1), ''), {key})"
    held = f"coalesce(hash({key}, {seed}) % {HELD_OUT_PARTS} = 0, false)"
    counted = f"SELECT count(DISTINCT {key}) FROM {_rows(table)} WHERE {held}"
    groups = int(table.ask(counted)[0][0])
    if groups < MIN_HELD_OUT_GROUPS:
        raise Untestable(f"{column}: only {groups} groups could be held out (needed: {MIN_HELD_OUT_GROUPS})")
    return Cut(
        kept=f"SELECT * FROM {_rows(table)} WHERE NOT {held}",
        promised=_later(table, finding),
        deployments={"new": _bare(table, f"SELECT * FROM {_rows(table)} WHERE {held}")},
        story=f"{groups} whole groups of {column}, held out of both arms",
        deployed_worse=float("inf"),
    )


def _clean_rows(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Take the rows of the later split that have no copy in the earlier one."""
    repair = finding.repair
    if not isinstance(repair, DropRows) or repair.split is None or repair.also_in is None:
        raise Untestable("the finding names no pair of splits")
    features = [table.column(name) for name in repair.duplicates_of or _features(table, target)]
    folded = ", ".join(_folded(column) for column in features)
    earlier = f"SELECT hash({folded}) FROM {_rows(table)} WHERE {sql.SPLIT} = {sql.quoted(repair.split)}"
    later = f"SELECT * FROM {_rows(table)} WHERE {sql.SPLIT} = {sql.quoted(repair.also_in)}"
    return Cut(
        kept=f"SELECT * FROM {_rows(table)}",
        promised=repair.also_in,
        deployments={"clean": _bare(table, f"SELECT * FROM ({later}) WHERE hash({folded}) NOT IN ({earlier})")},
        story=f"the rows of {repair.also_in} that have no copy in {repair.split}",
    )


def _distinct_rows(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Hold distinct rows out of both arms, all copies with them."""
    whole = f"hash({', '.join(sql.name(column.name) for column in table.columns)}, {seed})"
    held = f"({whole} % {HELD_OUT_PARTS} = 0)"
    listed = ", ".join(sql.name(column.name) for column in table.columns)
    return Cut(
        kept=f"SELECT * FROM {_rows(table)} WHERE NOT {held}",
        promised=_later(table, finding) if len(table.splits) > 1 else WHOLE,
        deployments={"distinct": f"SELECT DISTINCT {listed} FROM {_rows(table)} WHERE {held} ORDER BY ALL"},
        story="rows of which neither they nor a copy were in either arm, each once",
    )


def _every_class(table: Table, finding: Finding, target: str, seed: int) -> Cut:
    """Hold one part of each class out of both arms, in the proportions of the data."""
    name = sql.name(target)
    order = f"row_number() OVER (PARTITION BY {name} ORDER BY hash({sql.ROW}, {seed}), {sql.ROW})"
    # Every class is held out from its second row on, so that the rarest is judged too.
    place = f"SELECT *, ({order} - 1) % {HELD_OUT_PARTS} = 1 AS held FROM {_rows(table)} WHERE {name} IS NOT NULL"
    return Cut(
        kept=f"SELECT * EXCLUDE (held) FROM ({place}) WHERE NOT held",
        promised=_later(table, finding) if len(table.splits) > 1 else WHOLE,
        deployments={"every class": _bare(table, f"SELECT * EXCLUDE (held) FROM ({place}) WHERE held")},
        story="one row in five of each class, held out of both arms",
        measure="rarest",
        details={"rarest": finding.evidence.get("rarest")},
    )


def _divided(table: Table, seed: int, but: tuple[str, ...]) -> tuple[str, str]:
    """Return the rows in train and another split: those of the user, else divided by lot."""
    if len(table.splits) > 1:
        return f"SELECT * FROM {_rows(table)}", _judged(table)
    return divided(f"SELECT * FROM {_rows(table)}", seed), "validation"


def divided(rows: str, seed: int) -> str:
    """Divide rows by lot into train and validation, the same rows alike whatever their columns are."""
    lot = f"hash({sql.ROW}, {seed}, 'validation') % {HELD_OUT_PARTS} = 0"
    return f"SELECT * REPLACE (CASE WHEN {lot} THEN 'validation' ELSE 'train' END AS {sql.SPLIT}) FROM ({rows})"


def _judged(table: Table) -> str:
    """Return the split by which a user judges: the last that is not for training."""
    rest = [name for name in table.splits if name != "train"]
    return "test" if "test" in rest else rest[0]


def _later(table: Table, finding: Finding) -> str:
    split = finding.at.split
    if split in table.splits and split != "train":
        return str(split)
    if len(table.splits) < 2:
        raise Untestable("there is only one split, so there is no promise to hold against reality")
    return _judged(table)


def _rows(table: Table) -> str:
    """Return the rows of the splits in view, a share of them where there are too many."""
    splits = ", ".join(map(sql.quoted, table.splits))
    where = f"{sql.SPLIT} IN ({splits})"
    if table.rows > MAX_ROWS:
        whole = ", ".join(sql.name(column.name) for column in table.columns)
        where += f" AND hash({whole}) % {table.rows} < {MAX_ROWS}"
    return f"(SELECT * FROM {sql.name(table.relation)} WHERE {where})"


def _bare(table: Table, rows: str) -> str:
    listed = ", ".join(sql.name(column.name) for column in table.columns)
    return f"SELECT {listed} FROM ({rows}) ORDER BY {sql.ROW}"


def _changed(table: Table, rows: str, values: Mapping[str, str]) -> str:
    listed = ", ".join(
        f"CAST({values[column.name]} AS {ENGINE_TYPES[column.kind]}) AS {sql.name(column.name)}"
        if column.name in values
        else sql.name(column.name)
        for column in table.columns
    )
    return f"SELECT {listed} FROM ({rows}) ORDER BY {sql.ROW}"


def _permuted(table: Table, rows: str, names: list[str], seed: int) -> str:
    """Give each row the values that another row has in the named columns, all from the same one."""
    drawn = ", ".join(f"{sql.name(name)} AS drawn_{place}" for place, name in enumerate(names))
    shuffled = f"SELECT {drawn}, row_number() OVER (ORDER BY hash({sql.ROW}, {seed}), {sql.ROW}) AS place FROM ({rows})"
    numbered = f"SELECT *, row_number() OVER (ORDER BY {sql.ROW}) AS place FROM ({rows})"
    joined = f"SELECT * FROM ({numbered}) JOIN ({shuffled}) USING (place)"
    return _changed(table, joined, {name: f"drawn_{place}" for place, name in enumerate(names)})


def _other_holes(table: Table, rows: str, names: list[str], seed: int) -> str:
    """Deal the holes of each column to rows drawn by lot; where there was one, a value of another row stands in."""
    statement, values = rows, {}
    for place, name in enumerate(names):
        column = sql.name(name)
        order = f"ORDER BY hash({sql.ROW}, {seed}, {place}), {sql.ROW}"
        dealt = f"row_number() OVER ({order}) <= count(*) OVER () - count({column}) OVER ()"
        present = f"SELECT {column} AS value, row_number() OVER ({order}) - 1 AS turn FROM ({rows}) "
        present += f"WHERE {column} IS NOT NULL"
        turn = f"(row_number() OVER (ORDER BY {sql.ROW}) - 1) % (SELECT greatest(count({column}), 1) FROM ({rows}))"
        statement = (
            f"SELECT base.*, present.value AS stand_in_{place} FROM "
            f"(SELECT *, {dealt} AS hole_{place}, {turn} AS turn_{place} FROM ({statement})) AS base "
            f"LEFT JOIN ({present}) AS present ON base.turn_{place} = present.turn"
        )
        values[name] = f"CASE WHEN hole_{place} THEN NULL ELSE coalesce({column}, stand_in_{place}) END"
    return _changed(table, statement, values)


def _features(table: Table, target: str) -> list[str]:
    return [column.name for column in table.columns if column.name != target]


def _folded(column: Column) -> str:
    name = sql.column(column.name)
    return sql.text(fold(name)) if column.kind is Kind.TEXT else sql.name(column.name)


def _enough(table: Table, made: Cut) -> None:
    counts = dict(table.ask(f"SELECT {sql.SPLIT}, count(*) FROM ({made.kept}) GROUP BY 1"))
    if made.promised != WHOLE:
        train = sum(rows for split, rows in counts.items() if split != made.promised)
        judged = counts.get(made.promised, 0)
    else:
        train, judged = sum(counts.values()), sum(counts.values()) // HELD_OUT_PARTS
    deployed = min(int(table.ask(f"SELECT count(*) FROM ({rows})")[0][0]) for rows in made.deployments.values())
    for rows, least, what in (
        (train, MIN_TRAIN_ROWS, "to train on"),
        (judged, MIN_JUDGED_ROWS, "to validate on"),
        (deployed, MIN_JUDGED_ROWS, "for deployment"),
    ):
        if rows < least:
            raise Untestable(f"only {rows} rows {what} (needed: {least})")
