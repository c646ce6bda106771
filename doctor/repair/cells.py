"""Changes cells and columns: fills holes, forms one label out of several, drops columns."""

import numpy as np

from doctor.errors import NoVerdict
from doctor.evidence.annotators import AnnotatorRoles, label_text
from doctor.evidence.dawid_skene import dawid_skene
from doctor.evidence.votes import Stored, store_votes
from doctor.model import Consensus, DropColumns, FillMissing, Relabel
from doctor.repair.rows import require
from doctor.repair.state import Added, Array, Donors, Effect, Refused, State
from doctor.subjects import sql
from doctor.subjects.table import Kind

MAX_DONORS = 10_000


def drop_columns(state: State, repair: DropColumns) -> Effect:
    """Take columns out of every split.

    Raises
    ------
    Refused
        When one is not there, or none would remain.
    """
    require(state, repair.columns)
    if len(state.dropped) + len(repair.columns) >= len(state.table.columns) + len(state.added):
        raise Refused("no column would remain")
    state.dropped += repair.columns
    return Effect(dropped=repair.columns)


def fill_missing(state: State, repair: FillMissing) -> Effect:
    """Fill holes from the rows that are trained on.

    With a flag column the value is the median, or the commonest where values have no order; without one the values are
    drawn from the known ones, for one value for all holes would tell where they were.

    Raises
    ------
    Refused
        When a column is not there or no training row has a value.
    """
    require(state, repair.columns)
    cells: dict[str, int] = {}
    added: list[str] = []
    for name in repair.columns:
        missing = state.values(f"{sql.name(name)} IS NULL").astype(bool)
        sound = ~missing
        if written := state.written.get(name):
            missing[written.emptied] = True
            sound[written.rows] = False  # their cells are read as they were
        holders = {state.splits.index(split) for split in state.table.column(name).splits}
        holes = np.flatnonzero(missing & state.kept & np.isin(state.split, list(holders)))
        known = np.flatnonzero(sound & state.training)
        if not len(known):
            raise Refused(f"no training row has a value of {name}")
        if not len(holes):
            continue
        donors = np.full(len(holes), _usual(state, name, known)) if repair.keep_flag else _drawn(known, len(holes))
        state.filled[name] = Donors(rows=holes, donors=donors)
        cells[name] = len(holes)
        if repair.keep_flag:
            flag = free_name(state, f"{name}_missing")
            state.added[flag] = Added(name=flag, codes=missing.astype(np.int32), labels=("0", "1"), numeric=True)
            added.append(flag)
    how = "the median or commonest value of train" if repair.keep_flag else "values drawn from those of train"
    return Effect(cells=cells, added=tuple(added), note=f"filled with {how}")


def relabel(state: State, repair: Relabel) -> Effect:
    """Give rows the label that other rows have.

    Raises
    ------
    Refused
        When the column or a row is not there, or the labels are written anew or formed by other edits.
    """
    require(state, (repair.column,))
    rows, like = (np.array(numbers, dtype=np.int64) for numbers in (repair.numbers, repair.like))
    if len(rows) != len(like) or np.concatenate([rows, like]).max(initial=-1) >= len(state.kept):
        raise Refused("there are not so many rows")
    if repair.column in state.written or repair.column in state.filled:
        raise Refused(f"another edit writes {repair.column}; scan its copy first")
    rows, first = np.unique(rows, return_index=True)
    state.filled[repair.column] = Donors(rows=rows, donors=like[first])
    count = int(np.count_nonzero(state.kept[rows]))
    return Effect(cells={repair.column: count} if count else {})


def free_name(state: State, wanted: str) -> str:
    """Return a name that no column has."""
    taken = {column.name.lower() for column in state.table.columns} | {name.lower() for name in state.added}
    name, number = wanted, 1
    while name.lower() in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name


def _usual(state: State, name: str, known: Array) -> int:
    """Return a training row that has the median of its column, or the commonest value."""
    column, value = state.table.column(name), sql.name(name)
    with state.table.engine.lent("known", {"number": known}) as rows:
        every = f"SELECT {value} AS v, {sql.ROW} AS number FROM {sql.name(state.table.relation)}"
        source = f"(SELECT * FROM ({every}) SEMI JOIN {sql.name(rows)} USING (number))"
        if column.numeric or column.kind is Kind.TIME:
            best = f"(SELECT quantile_disc(v, 0.5) FROM {source})"
        else:
            best = f"(SELECT v FROM {source} GROUP BY v ORDER BY count(*) DESC, v LIMIT 1)"
        return int(state.table.ask(f"SELECT min(number) FROM {source} WHERE v = {best}")[0][0])


def _drawn(known: Array, count: int) -> Array:
    draw = np.random.default_rng(0)
    pool = known if len(known) <= MAX_DONORS else np.sort(draw.choice(known, MAX_DONORS, replace=False))
    return np.asarray(draw.choice(pool, count))


def form_consensus(state: State, repair: Consensus, roles: AnnotatorRoles) -> Effect:
    """Form one label per item out of the annotators' labels, and leave theirs out.

    Annotators with a column each give way to a column `consensus`. Where each annotation has a row of its own, the
    first of an item stays, with the common label.

    Raises
    ------
    Refused
        When there are no annotators whose labels are known one by one.
    """
    if roles.layout not in ("wide", "long"):
        raise Refused("it is not known who gave which label")
    try:
        stored = store_votes(state.table, roles, state.table.declared.scale)
    except NoVerdict as error:
        raise Refused(str(error)) from error
    if stored.stride > 1:
        raise Refused("there are too many labels to form a consensus of")
    codes = _labels_of_rows(state, stored, repair.method)
    labels = stored.scale.labels
    if roles.layout == "wide":
        require(state, roles.annotators)
        name = free_name(state, "consensus")
        numeric = all(state.table.column(each).numeric for each in roles.annotators)
        state.added[name] = Added(name=name, codes=codes, labels=labels, numeric=numeric)
        state.dropped += roles.annotators
        return Effect(dropped=roles.annotators, added=(name,))
    return _one_row_per_item(state, roles, codes, labels)


def _labels_of_rows(state: State, stored: Stored, method: str) -> Array:
    votes = stored.votes
    counts = votes.profiles.matrix.toarray()
    best = (dawid_skene(votes).posterior if method == "dawid-skene" else counts).argmax(axis=1)
    found = state.table.engine.arrays(
        f'SELECT place."row" AS number, id FROM ({stored.rows_of_items}) AS place '
        f'JOIN "{stored.item_relation}" USING (item) JOIN "{stored.pattern_relation}" USING (pattern)'
    )
    codes = np.full(len(state.kept), -1, dtype=np.int32)
    codes[np.asarray(found["number"]).astype(np.int64)] = best[np.asarray(found["id"]).astype(np.int64)]
    return codes


def _one_row_per_item(state: State, roles: AnnotatorRoles, codes: Array, labels: tuple[str, ...]) -> Effect:
    (who,), item, label = roles.annotators, roles.item or "", roles.label or ""
    require(state, (who, item, label))
    judged = f"{sql.name(item)} IS NOT NULL AND {sql.name(who)} IS NOT NULL AND {sql.name(label)} IS NOT NULL"
    given = state.values(judged).astype(bool)
    effect = state.drop(np.flatnonzero(given & (codes < 0)))
    value = sql.text(label_text(state.table.column(label)))
    examples = dict(state.table.ask(f"SELECT {value}, min({sql.ROW}) FROM {sql.name(state.table.relation)} GROUP BY 1"))
    rows = np.flatnonzero(state.kept & (codes >= 0))
    donors = np.array([examples[labels[code]] for code in codes[rows]], dtype=np.int64)
    state.filled[label] = Donors(rows=rows, donors=donors)
    state.dropped.append(who)
    return Effect(rows=effect.rows, examples=effect.examples, cells={label: len(rows)}, dropped=(who,))
