"""Joins findings into root causes: what leads to what is declared by the checks."""

from collections.abc import Iterable, Mapping, Sequence

from doctor.model import Diagnosis, Finding, Severity
from doctor.registry import LoadedCheck


def join(findings: Sequence[Finding], checks: Iterable[LoadedCheck]) -> list[Diagnosis]:
    """Tell causes from consequences.

    A finding is a consequence where another check's finding leads to it, directly or through others, and did not
    begin later. Findings of one check are one cause.

    Parameters
    ----------
    findings : sequence of Finding
        All of one visit.
    checks : iterable of LoadedCheck
        Those that declare `leads_to`, or are named there, take part.

    Returns
    -------
    list of Diagnosis
        The gravest first, then the one that explains most, then the earliest.
    """
    leads_to = {check.id: check.check.leads_to for check in checks}
    linked = {id for id, targets in leads_to.items() if targets} | {id for ids in leads_to.values() for id in ids}
    open_ = [
        finding
        for finding in findings
        if finding.check in linked and finding.severity is not Severity.INFO and not finding.suppressed
    ]
    by_check: dict[str, list[Finding]] = {}
    for finding in open_:
        by_check.setdefault(finding.check, []).append(finding)
    explained = {check: _explained(check, by_check, leads_to) for check in by_check}
    roots = [
        check for check in by_check if not any(check in rest for other, rest in explained.items() if other != check)
    ]
    ranked = sorted(roots, key=lambda check: _rank(check, by_check, explained[check]))
    return [_diagnosis(by_check[check], [f for other in explained[check] for f in by_check[other]]) for check in ranked]


def _explained(
    cause: str, present: Mapping[str, list[Finding]], leads_to: Mapping[str, tuple[str, ...]]
) -> dict[str, None]:
    """Return the checks whose findings follow from `cause`, nearest first; not `cause` itself."""
    reached: dict[str, None] = {}
    queue = [cause]
    while queue:
        for target in leads_to.get(queue.pop(0), ()):
            if target not in reached and target != cause and _may_follow(present, cause, target):
                reached[target] = None
                queue.append(target)
    return {check: None for check in reached if check in present}


def _may_follow(present: Mapping[str, list[Finding]], cause: str, target: str) -> bool:
    """Whether the target did not begin before its cause; an absent link in the chain is no hindrance."""
    first = _first_step(present.get(cause, ()))
    then = _first_step(present.get(target, ()))
    return first is None or then is None or first <= then


def _first_step(findings: Iterable[Finding]) -> int | None:
    return min((finding.at.step for finding in findings if finding.at.step is not None), default=None)


def _rank(check: str, present: Mapping[str, list[Finding]], explained: Iterable[str]) -> tuple[int, int, int, int, str]:
    tree = [check, *explained]
    gravest = min(finding.severity.rank for one in tree for finding in present[one])
    own = min(finding.severity.rank for finding in present[check])
    step = _first_step(present[check])
    return gravest, own, -len(tree), step if step is not None else 2**62, check


def _diagnosis(because: Sequence[Finding], consequences: Iterable[Finding]) -> Diagnosis:
    first = because[0]
    return Diagnosis(
        cause=first.message,
        because=[finding.fingerprint for finding in because],
        consequences=[finding.fingerprint for finding in consequences],
        prescription=first.repair.summary if first.repair else "",
    )
