"""Makes a series of repairs on what is known of a table's rows; no file is touched."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from doctor.errors import NoVerdict
from doctor.evidence.annotators import infer_annotators
from doctor.evidence.profile import Profile
from doctor.measurements import Measurements, Scope, Silent
from doctor.model import (
    AnyRepair,
    Consensus,
    DropAnnotators,
    DropColumns,
    DropRows,
    FillMissing,
    Relabel,
    Resplit,
    Reweight,
    RewriteCells,
    Sampling,
)
from doctor.repair.cells import drop_columns, fill_missing, form_consensus, relabel
from doctor.repair.resplitting import resplit
from doctor.repair.rewriting import rewrite_cells
from doctor.repair.rows import draw_classes, drop_annotators, drop_rows
from doctor.repair.state import Effect, Refused, State
from doctor.subjects.table import Table


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """A table after its repairs; for each of these its effect, or the reason why it cannot be made."""

    state: State
    results: tuple[Effect | str, ...]


def treat(table: Table, repairs: Sequence[AnyRepair]) -> Treatment:
    """Make repairs one after the other, those along which splits are drawn together."""
    state = State.of(table)
    results: list[Effect | str] = []
    ways = [repair for repair in repairs if isinstance(repair, Resplit)]
    drawn: Effect | str | None = None
    going = {name for repair in repairs if isinstance(repair, DropColumns) for name in repair.columns}
    for repair in repairs:
        if isinstance(repair, Resplit):
            if drawn is None:
                drawn = _tried(state, lambda state, _: resplit(state, ways), repair)
                results.append(drawn)
            else:
                results.append(_joins(drawn, repair, state))
        elif isinstance(repair, (FillMissing, RewriteCells)) and going.issuperset(repair.columns):
            results.append(f"{', '.join(repair.columns)} is dropped instead")
        else:
            results.append(_tried(state, STEPS[type(repair)], repair))
    return Treatment(state=state, results=tuple(results))


def _joins(drawn: Effect | str, repair: Resplit, state: State) -> Effect | str:
    """Say what a further wish for the splits comes to, once they were drawn by all of them."""
    if isinstance(drawn, str):
        return drawn
    if repair.by == "group" or repair.column == state.resplit_by:
        return Effect(joint=True, note="done together with the edit before")
    if not state.resplit_by:
        return "the splits are drawn by groups"
    return f"the splits are cut by {state.resplit_by}"


def _tried(state: State, step: Callable[[State, Any], Effect], repair: AnyRepair) -> Effect | str:
    before = replace(state, dropped=[*state.dropped], filled={**state.filled}, added={**state.added})
    before = replace(before, written={**state.written}, retyped={**state.retyped})
    try:
        return step(state, repair)
    except (Refused, NoVerdict) as refusal:
        vars(state).update(vars(before))
        return str(refusal)


def _consensus(state: State, repair: Consensus) -> Effect:
    table = state.table
    scope = Scope({Table: table, Sampling: Sampling()}, "", "")
    return form_consensus(state, repair, infer_annotators(table, Measurements(Silent(), None).get(Profile, scope)))


STEPS: dict[type, Callable[[State, Any], Effect]] = {
    DropRows: drop_rows,
    DropAnnotators: drop_annotators,
    Reweight: draw_classes,
    Consensus: _consensus,
    RewriteCells: rewrite_cells,
    Relabel: relabel,
    FillMissing: fill_missing,
    DropColumns: drop_columns,
}
