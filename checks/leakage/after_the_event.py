"""A feature that is known only after the outcome.

What it finds
    Columns whose name says that they are filled in with the outcome or after it (paid, recovered, closed, status,
    outcome, duration of a call, the time until an event) and that do tell the target on rows they were not fitted on:
    a question, no verdict. Where the name hardly means anything else (paid), columns that share the word are named
    along, and so is a balance beside them. Columns of times that are later than the row's own time, by how sure it is:
    an error where the time column was declared with --time and either the name or the target speaks against the column
    too. And columns that were declared to be known afterwards (`--available-at COLUMN=after`) and are still there: an
    error.

Why it matters
    A call's length is known when it is over, and then so is its success. When the model is used, the column is empty,
    or holds what it held at the start.

What to do
    Ask when the value is written. After the outcome: drop the column. Before: say `--available-at COLUMN=before`, and
    it is not asked about again.

Thresholds
    min_strength: lower 95 % bound of how well a suspect tells the target: 2 AUC - 1 between classes, the correlation
        of ranks for a quantity (0.2). A feature of less than AUC 0.6 hardly changes a result.
    max_q: Benjamini-Hochberg q over the suspects (0.01).
    min_after_share: share of a column's times that are later than the row's own, from which it is reported (0.01).
    min_error_share: the same for an error (0.5). Single late times are more likely typing errors.
    min_rows: rows with a label below which names are not judged (50).

Calibration
    `python bench/calibrate_moments.py` prints the tables. Shuffled targets (212 tables of 50 to 100,000 rows
    with 20 features, ten of them with suspicious names): no finding in any of them. A call's duration planted beside
    four honest features, 20 seeds each: at 1,000 and 5,000 rows always named where its AUC is 0.71 or more, at 200 rows
    in 30 %, and always from 0.86 on; at an AUC of 0.64 in up to 15 %, at 0.56 never; no honest feature was named. Times
    beside a declared time column, 1,000 rows, 20 seeds: always an error where they are later and tell the label, or are
    later and say so by their name; always a warning where they are only later; silent where they are earlier, where
    one in 200 is later, and of a due date.

Limits
    Names are read in English and, for the commonest words, in six other languages; a leak with an innocent name is not
    seen here, but perhaps by leakage/label-leakage. A column that settles the label is left to that check. Names with
    a word of something standing (marital status), agreed (loan duration) or past (previous outcome) are not suspected,
    nor are dates that are foreseen by their name (due, expected, next).

Source
    Kaufman et al., Leakage in data mining, 2012; Hanley and McNeil, 1982, for the variance of the AUC.
"""

from collections.abc import Iterator

from doctor.evidence.associations import Associations
from doctor.evidence.hindsight import Hindsight, LaterColumn, LaterTimes, Moments, Suspect
from doctor.evidence.significance import false_discovery
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "leakage/after-the-event",
    Severity.INFO,
    {
        "declared": "{column} is declared to be known only after what is predicted, and is still a feature",
        "named": '{column}: "{word}" is known only after the outcome as a rule, and it tells {target} (strength '
        "{strength:.2f}, at least {lower:.2f}); is it known when {target} is to be predicted?",
        "later": "{column}: {after_rows:,} of {known_rows:,} times are later than the row's own ({event}){telling}",
    },
)
SETTLED = 0.95
"""Lower bound from which leakage/label-leakage speaks of a column."""


def examine(
    moments: Moments,
    later: LaterTimes,
    hindsight: Hindsight | None,
    associations: Associations | None,
    *,
    min_strength: float = 0.2,
    max_q: float = 0.01,
    min_after_share: float = 0.01,
    min_error_share: float = 0.5,
    min_rows: int = 50,
) -> Iterator[Finding | Undecided]:
    """Judge what was declared, then dates, then names."""
    for name, moment in moments.declared.items():
        if moment == "after":
            yield CHECK.finding(
                "declared",
                at=Location(columns=(name,)),
                severity=Severity.ERROR,
                repair=DropColumns(columns=(name,), safety=Safety.SAFE, summary=f"drop {name}"),
            )
    telling = _telling(hindsight, min_strength, max_q, min_rows)
    said = set(moments.declared)
    for column in later.columns:
        if column.column in said or column.planned or column.share < min_after_share or not column.later_rows:
            continue
        said.add(column.column)
        yield _dated(later, column, hindsight, telling, min_error_share)
    if hindsight is None:
        if not later.columns and not moments.declared:
            yield CHECK.not_applicable("no target is known, and no time that others could be later than")
        return
    if hindsight.rows < min_rows and any(suspect.word for suspect in hindsight.suspects):
        yield CHECK.unavailable(f"{hindsight.rows} rows with a label are too few to tell (needed: {min_rows})")
    settled = _settled(associations, max_q)
    yield from _named(hindsight, [one for one in telling if one.column not in said], said, settled)


def _telling(hindsight: Hindsight | None, min_strength: float, max_q: float, min_rows: int) -> list[Suspect]:
    """Return the suspects that tell the target."""
    if hindsight is None or hindsight.rows < min_rows:
        return []
    q_values = false_discovery([suspect.told.p for suspect in hindsight.suspects]) if hindsight.suspects else []
    pairs = zip(hindsight.suspects, q_values, strict=True)
    return [suspect for suspect, q in pairs if q <= max_q and suspect.told.lower >= min_strength]


def _settled(associations: Associations | None, max_q: float) -> frozenset[str]:
    """Return the columns of which leakage/label-leakage speaks."""
    noted = associations.noted if associations else ()
    return frozenset(one.column for one in noted if (one.lower >= SETTLED or one.recoding) and one.q <= max_q)


def _dated(
    later: LaterTimes, column: LaterColumn, hindsight: Hindsight | None, telling: list[Suspect], min_error_share: float
) -> Finding:
    suspect = next((one for one in telling if one.column == column.column), None)
    certain = column.share >= min_error_share and (suspect is not None or column.word is not None)
    grave = Severity.ERROR if certain else Severity.WARNING
    told = f", and the delay tells {hindsight.target}" if suspect and hindsight else ""
    return CHECK.finding(
        "later",
        at=Location(columns=(column.column,)),
        severity=grave if later.event_declared else Severity.INFO,
        repair=_drop((column.column,)),
        after_rows=column.later_rows,
        known_rows=column.rows,
        event=later.event,
        telling=told,
        word=column.word.word if column.word else None,
        strength=suspect.told.strength if suspect else None,
    )


def _named(hindsight: Hindsight, telling: list[Suspect], said: set[str], settled: frozenset[str]) -> Iterator[Finding]:
    """Ask about each word once where it is certain, else about each column."""
    sure = {one.word.word for one in telling if one.word and one.word.certain}
    groups: dict[str, list[Suspect]] = {}
    for suspect in hindsight.suspects:
        word = suspect.word
        if word is None or suspect.column in said or suspect.column in settled:
            continue
        if word.certain and word.word in sure:
            groups.setdefault(word.word, []).append(suspect)
        elif suspect in telling and (sure or not word.company):
            groups[suspect.column] = [suspect]
    for group in groups.values():
        best = max(group, key=lambda one: (one.told.lower, one.column))
        if best.word is None or best not in telling:
            continue
        names = tuple(one.column for one in group)
        yield CHECK.finding(
            "named",
            at=Location(columns=names),
            repair=_drop(names),
            target=hindsight.target,
            word=best.word.word,
            label=best.told.view,
            strength=best.told.strength,
            lower=best.told.lower,
            p=best.told.p,
            rows=hindsight.rows,
            strengths={one.column: one.told.strength for one in group},
        )


def _drop(names: tuple[str, ...]) -> DropColumns:
    shown = ", ".join(names)
    return DropColumns(columns=names, safety=Safety.UNSAFE, summary=f"drop {shown}, unless known before")
