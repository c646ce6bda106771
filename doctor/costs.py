"""States what the root causes of a table cost, by a small model with and without them."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from doctor.evidence.surrogate import Surrogate
from doctor.model import Cost, Diagnosis, DropColumns, DropRows, FillMissing, Finding, Resplit

FAMILY = "leakage/"
MAX_COSTS = 3
"""Each is two fits; the first causes are the ones that are read."""


def with_costs(
    diagnoses: Sequence[Diagnosis], findings: Iterable[Finding], ask: Callable[[Finding], Surrogate | None]
) -> list[Diagnosis]:
    """Add to the first causes that are leaks what they make of a score.

    Parameters
    ----------
    diagnoses : sequence of Diagnosis
        The gravest first.
    findings : iterable of Finding
        All of the visit.
    ask : callable
        Gives the model of the table that a finding is about, or None.
    """
    by_mark = {finding.fingerprint: finding for finding in findings}
    leaks = {mark: _columns(finding) for mark, finding in by_mark.items() if _leaks(finding)}
    told, costs = [], 0
    for diagnosis in diagnoses:
        stated = [by_mark[mark] for mark in diagnosis.because if mark in by_mark]
        cost = _cost(stated, leaks, by_mark, ask) if costs < MAX_COSTS else None
        costs += cost is not None
        told.append(msgspec.structs.replace(diagnosis, cost=cost))
    return sorted(told, key=lambda diagnosis: _weight(diagnosis, by_mark))


def _weight(diagnosis: Diagnosis, by_mark: Mapping[str, Finding]) -> tuple[int, float]:
    """Order by severity, then by what the cause makes of the score."""
    rank = min(by_mark[mark].severity.rank for mark in (*diagnosis.because, *diagnosis.consequences))
    return rank, diagnosis.cost.after - diagnosis.cost.before if diagnosis.cost else 0.0


def _leaks(finding: Finding) -> bool:
    return finding.check.startswith(FAMILY) and isinstance(finding.repair, DropColumns | FillMissing)


def _columns(finding: Finding) -> tuple[str, ...]:
    return finding.repair.columns if isinstance(finding.repair, DropColumns | FillMissing) else ()


def _cost(
    stated: Sequence[Finding],
    leaks: Mapping[str, tuple[str, ...]],
    by_mark: Mapping[str, Finding],
    ask: Callable[[Finding], Surrogate | None],
) -> Cost | None:
    first = stated[0] if stated else None
    if first is None or not first.check.startswith(FAMILY):
        return None
    own = tuple(dict.fromkeys(column for finding in stated for column in _columns(finding)))
    beside = [
        column
        for mark, columns in leaks.items()
        for column in columns
        if column not in own and by_mark[mark].at.path == first.at.path
    ]
    model = ask(first)
    if model is None:
        return None
    match first.repair:
        case DropColumns():
            return model.of_columns(own, beside)
        case FillMissing():
            return model.of_columns(own, beside, filled=True)
        case Resplit(by="group", column=str(column), pattern=pattern):
            return model.of_groups(column, pattern, beside)
        case Resplit(by="time", column=str(column)):
            return model.of_time(column, beside)
        case DropRows(split=str(earlier), also_in=str(later), duplicates_of=same, folded=folded):
            return model.of_copies(earlier, later, same, folded, beside)
    return None
