"""Labels of several annotators, judged by labels that somebody has checked.

Without the repair each row is learnt with the label of one of its annotators, drawn by lot, as where each item is
labelled once; with it with what the repair leaves: their consensus, or a label of those who remain.
"""

from collections.abc import Sequence

from doctor.model import Consensus, DropAnnotators, DropColumns, Finding
from doctor.subjects import sql
from doctor.subjects.table import Table
from doctor.verify.deployment import HELD_OUT_PARTS, WHOLE, Cut, Labels, Untestable

MIN_CHECKED_ROWS = 40
ALL_CHECKED_SHARE = 0.9
"""Where more of the rows have a checked label, a part of them is held out instead of all."""


def concerns_labels(finding: Finding) -> bool:
    """Whether the prescribed repair is one of labels."""
    repair = finding.repair
    about = finding.check.startswith("labels/")
    return isinstance(repair, (Consensus, DropAnnotators)) or (about and isinstance(repair, DropColumns))


def checked_labels(table: Table, finding: Finding, target: str, annotators: tuple[str, ...], seed: int) -> Cut:
    """Hold rows with a checked label out of both arms.

    Parameters
    ----------
    target : str
        The column of checked labels; it may have a value in a few rows only.
    annotators : tuple of str
        A column for each annotator.

    Raises
    ------
    Untestable
        Where no labels were checked, or each annotation has a row of its own.
    """
    columns = {column.name for column in table.columns}
    if len(annotators) < 2 or not set(annotators) <= columns:
        raise Untestable("only annotators with a column each can be compared in training")
    if target in annotators:
        raise Untestable("no labels were checked by hand: name their column with --target COLUMN")
    if not columns - {target, *annotators}:
        raise Untestable("there is nothing but labels, so no model can learn them")
    gold, rows = sql.name(target), f"(SELECT * FROM {sql.name(table.relation)})"
    checked = int(table.ask(f"SELECT count({gold}) FROM {rows}")[0][0])
    if checked < MIN_CHECKED_ROWS:
        raise Untestable(f"{checked} labels of {target} are too few to judge by (needed: {MIN_CHECKED_ROWS})")
    few = checked <= ALL_CHECKED_SHARE * table.rows
    lot = "" if few else f" AND hash({sql.ROW}, {seed}, 'checked') % {HELD_OUT_PARTS} = 0"
    held = f"({gold} IS NOT NULL{lot})"
    listed = ", ".join(sql.name(name) for name in (column.name for column in table.columns) if name not in annotators)
    single = drawn(annotators, sql.ROW, seed)
    wrong = table.ask(
        f"SELECT avg(CASE WHEN CAST({single} AS VARCHAR) = CAST({gold} AS VARCHAR) THEN 0 ELSE 1 END) FROM {rows} "
        f"WHERE {held} AND {single} IS NOT NULL"
    )[0][0]
    what = "all rows whose label was checked" if few else f"one in {HELD_OUT_PARTS} of the rows whose label was checked"
    return Cut(
        # To the repair they are a table without division: a consensus needs all answers of an annotator.
        kept=f"SELECT * REPLACE ('{WHOLE}' AS {sql.SPLIT}) FROM {rows} WHERE NOT {held}",
        promised=WHOLE,
        deployments={"checked": f"SELECT {listed} FROM {rows} WHERE {held} ORDER BY {sql.ROW}"},
        story=f"{what} ({target}), held out of both arms",
        measure="labels",
        labels=Labels(target=target, annotators=annotators, known=tuple(column.name for column in table.columns)),
        details={"wrong_share": float(wrong or 0.0)},
    )


def drawn(annotators: Sequence[str], row: str, seed: int) -> str:
    """Return the SQL of the label of one annotator, drawn by lot among those who gave one."""
    given = ", ".join(sql.name(name) for name in annotators)
    known = f"list_filter([{given}], lambda x: x IS NOT NULL)"
    return f"({known})[1 + CAST(hash({row}, {seed}, 'annotator') % greatest(len({known}), 1) AS BIGINT)]"


def with_one_label(columns: Sequence[str], labels: Labels, row: str, seed: int) -> str:
    """Return the SQL of an arm's columns with the label that it learns: what the repair added, else one of those left.

    Parameters
    ----------
    columns : sequence of str
        What the arm has.
    row : str
        The SQL of a row's number.

    Raises
    ------
    Untestable
        When the repair leaves no label.
    """
    added = [name for name in columns if name not in labels.known]
    left = [name for name in labels.annotators if name in columns]
    if not added and not left:
        raise Untestable("the repair leaves no annotator")
    label = sql.name(added[0]) if added else drawn(left, row, seed)
    features = [name for name in columns if name not in (*added, *labels.annotators, labels.target)]
    return ", ".join([*map(sql.name, features), f"{label} AS {sql.name(labels.target)}"])
