"""The papers of a copy: the plan for programs, the changes for people, and lists of rows that want a look."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from doctor.case import Case
from doctor.model import DropFiles, Relabel, ReviewFiles, ReviewRows, Reweight
from doctor.repair import image_papers
from doctor.repair.folder import FIRST_LINE, PLAN
from doctor.repair.plan import Edit, Plan
from doctor.subjects import sql
from doctor.subjects.table import Table
from doctor.version import VERSION
from doctor.wording import plain, printable

CHANGES = "CHANGES.md"
LISTS = ".review"
"""Hidden, so that no loader takes the lists for data."""
FILES = (PLAN, CHANGES, LISTS)
FIRST_SHARE, NEXT_SHARE = 0.05, 0.10
MAX_NAME = 60


def write(
    work: Path, plan: Plan, case: Case, left_out: Mapping[Path, Sequence[str]], *, listed_in: str = LISTS
) -> tuple[str, ...]:
    """Write the papers into the folder of a copy.

    Parameters
    ----------
    work : Path
        The folder.
    plan : Plan
        What was done.
    case : Case
        What it was done to.
    left_out : mapping of Path to sequence of str
        Records that are no rows, by file.
    listed_in : str
        The folder in it for lists; empty for itself.

    Returns
    -------
    tuple of str
        Their paths below the folder.
    """
    lists = {}
    for number, edit in enumerate(plan.edits, start=1):
        if isinstance(edit.repair, ReviewRows | Relabel) and (table := _table(case, edit)):
            name = f"{LISTS}/{number:02d}-{edit.checks[0].replace('/', '-')}.csv"
            lists[number] = name
            _write_list(work / name, table, edit.repair)
    seen = image_papers.write(work / listed_in, plan, case)
    lists |= {number: str(Path(listed_in) / name) for number, name in seen.items()}
    unreadable = []
    for path, lines in left_out.items():
        unreadable.append(f"{LISTS}/left-out-of-{path.name}.txt")
        target = work / unreadable[-1]
        target.parent.mkdir(exist_ok=True)
        target.write_text("".join(lines), "utf-8", errors="surrogateescape", newline="")
    free = {name: _free(work, name) for name in (PLAN, CHANGES)}
    (work / free[PLAN]).write_text(f"{FIRST_LINE}\n{tomli_w.dumps(_as_toml(plan, lists))}", "utf-8")
    (work / free[CHANGES]).write_text("\n".join(_changes(plan, case, lists, left_out)) + "\n", "utf-8")
    return (*free.values(), *lists.values(), *unreadable)


def _free(work: Path, name: str) -> str:
    """Leave a file of that name that belongs to the data alone."""
    return f"doctor-{name}" if (work / name).exists() else name


def _table(case: Case, edit: Edit) -> Table | None:
    return next((table for table in case.tables if table.shown == edit.table), None)


def _as_toml(plan: Plan, lists: Mapping[int, str]) -> dict[str, Any]:
    return {
        "doctor": VERSION,
        "data": plan.path,
        "edit": [_edit_as_toml(number, edit, lists.get(number)) for number, edit in enumerate(plan.edits, start=1)],
    }


def _edit_as_toml(number: int, edit: Edit, listed: str | None) -> dict[str, Any]:
    import msgspec

    repair = msgspec.to_builtins(edit.repair)
    if isinstance(edit.repair, DropFiles | ReviewFiles):  # the list names them
        repair = {"kind": repair["kind"], "images": len(edit.repair.files)}
    told = {
        "number": number,
        "kind": repair.pop("kind"),
        "summary": edit.summary,
        "safety": edit.safety.value,
        "applied": edit.applied,
        "why_not": edit.why_not or None,
        "table": edit.table or None,
        "images": edit.images or None,
        "checks": list(edit.checks),
        "findings": list(edit.findings),
        "because": list(edit.because),
        "review_list": listed,
        "repair": {name: value for name, value in repair.items() if name not in ("safety", "summary")},
        "effect": msgspec.to_builtins(edit.effect),
    }
    found: dict[str, Any] = _without_none(plain(told))
    return found


def _without_none(value: Any) -> Any:
    """Leave out what TOML has no word for."""
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item not in (None, {}, [], "")}
    return [_without_none(item) for item in value] if isinstance(value, list) else value


def _write_list(path: Path, table: Table, repair: ReviewRows | Relabel) -> None:
    """Write the rows a person should look at, the most suspicious first, with all that the table says of them."""
    numbers = [number for number in repair.numbers if 0 <= number < table.rows]
    names = [column.name for column in table.columns]
    listed = ", ".join(map(str, numbers)) or "-1"
    wanted = ", ".join(f"CAST({sql.name(name)} AS VARCHAR)" for name in names)
    answer = table.engine.rows(
        f"SELECT {sql.ROW}, {wanted} FROM {sql.name(table.relation)} WHERE {sql.ROW} IN ({listed})"
    )
    found = {int(row): values for row, *values in answer}
    path.parent.mkdir(exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        proposed = dict(zip(repair.numbers, repair.suggested, strict=False))
        out.writerow(("rank", "look", "file", "row", *(("suggested",) if proposed else ()), *names))
        for rank, number in enumerate(numbers, start=1):
            share = rank / table.rows
            look = "first" if share <= FIRST_SHARE or rank == 1 else "next" if share <= NEXT_SHARE else "later"
            file_of, row = table.place(number)
            proposal = (proposed.get(number, ""),) if proposed else ()
            out.writerow((rank, look, file_of.name, row, *proposal, *found[number]))


def _changes(plan: Plan, case: Case, lists: Mapping[int, str], left_out: Mapping[Path, Sequence[str]]) -> Iterator[str]:
    made = [(number, edit) for number, edit in enumerate(plan.edits, start=1) if edit.applied]
    open_ = [(number, edit) for number, edit in enumerate(plan.edits, start=1) if not edit.applied]
    yield f"# What doctor fix changed in {printable(plan.path)}"
    yield ""
    yield f"{len(made)} of {len(plan.edits)} repairs made. The same stands in `{PLAN}`, for programs."
    for number, edit in made:
        yield from _section(number, edit, case)
        if number in lists:
            yield f"- all of them in `{lists[number]}`"
    for path, lines in left_out.items():
        yield ""
        yield f"## Left out of {printable(path.name)}"
        yield ""
        yield f"{len(lines):,} records that are no rows, for with other columns they might become some; they stand in "
        yield f"`{LISTS}/left-out-of-{path.name}.txt`."
    if open_:
        yield ""
        yield "## Not done"
        yield ""
    for number, edit in open_:
        what = "see" if edit.images else "the rows stand in"
        listed = f"; {what} `{lists[number]}`" if number in lists else ""
        yield f"- {number}. {printable(edit.summary)} ({edit.checks[0]}): {printable(edit.why_not)}{listed}"
        if isinstance(edit.repair, Reweight) and not edit.images:
            yield from _weights(edit.repair.weights)


def _section(number: int, edit: Edit, case: Case) -> Iterator[str]:
    yield ""
    yield f"## {number}. {printable(edit.summary)}"
    yield ""
    yield f"For {' and '.join(edit.checks)}; {edit.safety.value}."
    yield ""
    yield from (f"> {because}" for because in edit.because)
    yield ""
    yield from (f"- {line}" for line in effect_lines(edit))
    table = _table(case, edit)
    if table and (shown := list(_diff(table, edit))):
        yield ""
        yield "```diff"
        yield from shown
        yield "```"
    if edit.effect.weights:
        yield ""
        yield from _weights(edit.effect.weights)


def _weights(weights: Mapping[str, float]) -> Iterator[str]:
    named = ", ".join(f"{printable(name)} {weight:.4g}" for name, weight in weights.items() if weight != 1)
    yield f"  Class weights that keep all rows: {named or 'none'}; all others 1."


def effect_lines(edit: Edit) -> Iterator[str]:
    """Say in lines what an edit changes."""
    effect = edit.effect
    for split, count in effect.rows.items():
        where = "" if split == "all" else f" of {split}"
        yield f"{count:,} row{'s' if count > 1 else ''}{where} dropped"
    for split, count in effect.files.items():
        where = "" if split == "all" else f" of {split}"
        yield f"{count:,} image{'s' if count > 1 else ''}{where} left out"
    for way, count in effect.moved.items():
        yield f"{count:,} row{'s' if count > 1 else ''} moved: {way}"
    for column, count in effect.cells.items():
        yield f"{count:,} cell{'s' if count > 1 else ''} of {printable(column)} written"
    if effect.dropped:
        yield f"column{'s' if len(effect.dropped) > 1 else ''} dropped: {', '.join(map(printable, effect.dropped))}"
    if effect.added:
        yield f"column{'s' if len(effect.added) > 1 else ''} added: {', '.join(map(printable, effect.added))}"
    if effect.note:
        yield effect.note


def _diff(table: Table, edit: Edit) -> Iterator[str]:
    """Show the first rows that go, or the first values of the columns that go."""
    if edit.effect.dropped:
        yield from (f"-{printable(name)}" for name in edit.effect.dropped)
        yield from (f"+{printable(name)}" for name in edit.effect.added)
    sign = "-" if edit.effect.rows else " "
    more = sum(edit.effect.rows.values()) + sum(edit.effect.moved.values()) - len(edit.effect.examples)
    for place in edit.effect.examples:
        name, _, row = place.rpartition(":")
        part = next((part for part in table.parts if part.path.name == name and int(row) <= part.rows), None)
        if part is None:
            continue
        values = table.engine.rows(
            f"SELECT * EXCLUDE ({sql.ROW}, {sql.SPLIT}) FROM {sql.name(table.relation)} "
            f"WHERE {sql.ROW} = {part.first_row + int(row) - 1}"
        )[0]
        cells = ", ".join("" if value is None else printable(str(value), limit=MAX_NAME) for value in values)
        yield f"{sign}{place}: {printable(cells, limit=400)}"
    if edit.effect.examples and more > 0:
        yield f" … and {more:,} more"
