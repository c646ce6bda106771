"""Joins findings into root causes: what leads to what is declared by the checks, where it is stated by the findings."""

from collections.abc import Iterable, Mapping, Sequence

from doctor.model import Diagnosis, Finding, Severity
from doctor.registry import LoadedCheck

Links = Mapping[str, Mapping[str, bool]]
"""By check, the checks that its findings lead to, also through others, and whether in whatever column."""


def join(findings: Sequence[Finding], checks: Iterable[LoadedCheck]) -> list[Diagnosis]:
    """Tell causes from consequences.

    A finding is a consequence of another's where the check of that one leads to its check, directly or through others,
    it did not begin later, and both are about the same columns of the same data, where they are about columns.
    Findings of one check are one cause, if they are not about columns with consequences of their own. A remark causes
    nothing.

    Parameters
    ----------
    findings : sequence of Finding
        All of one visit.
    checks : iterable of LoadedCheck
        Those that declare `leads_to` or `spreads_to`, or are named there, take part.

    Returns
    -------
    list of Diagnosis
        The gravest first, then the one that explains most, then the earliest.
    """
    links = _links(checks)
    linked = {id for id, targets in links.items() if targets} | {id for targets in links.values() for id in targets}
    open_ = [finding for finding in findings if finding.check in linked and not finding.suppressed]
    causes = [finding for finding in open_ if finding.severity is not Severity.INFO]
    first = _first_steps(open_)
    follow = {
        id(cause): [other for other in open_ if _follows(other, cause, links.get(cause.check, {}), first)]
        for cause in causes
    }
    explained = {id(other) for cause in causes for other in follow[id(cause)]}
    groups: dict[tuple[object, ...], list[Finding]] = {}
    for cause in causes:
        if id(cause) not in explained:
            own = tuple(sorted(other.fingerprint for other in follow[id(cause)])) if cause.at.columns else ()
            groups.setdefault((cause.check, cause.at.path if cause.at.columns else None, own), []).append(cause)
    joined = [(because, _consequences(because, follow, links)) for because in groups.values()]
    return [_diagnosis(*one) for one in sorted(joined, key=lambda one: _rank(*one))]


def _links(checks: Iterable[LoadedCheck]) -> Links:
    """Follow the declarations to their ends; a link that no finding fills is no hindrance."""
    near = {
        check.id: {**dict.fromkeys(check.check.leads_to, False), **dict.fromkeys(check.check.spreads_to, True)}
        for check in checks
    }
    return {id: _reached(id, near) for id in near}


def _reached(start: str, near: Links) -> dict[str, bool]:
    """Return what follows from a check, nearest first; what spreads once is in whatever column from there on."""
    reached: dict[str, bool] = {}
    queue = [(start, False)]
    while queue:
        here, spread = queue.pop(0)
        for target, spreads in near.get(here, {}).items():
            if target != start and not reached.get(target, target in reached):
                reached[target] = spread or spreads
                queue.append((target, spread or spreads))
    return reached


def _follows(other: Finding, cause: Finding, reached: Mapping[str, bool], first: Mapping[str, int]) -> bool:
    if other.check not in reached:
        return False
    begun, then = first.get(cause.check), first.get(other.check)
    if begun is not None and then is not None and begun > then:
        return False
    if (cause.at.columns or other.at.columns) and cause.at.path != other.at.path:
        return False
    apart = cause.at.columns and other.at.columns and not set(cause.at.columns) & set(other.at.columns)
    return reached[other.check] or not apart


def _first_steps(findings: Iterable[Finding]) -> dict[str, int]:
    """Return by check the step at which it first has something to say."""
    first: dict[str, int] = {}
    for finding in findings:
        if finding.at.step is not None:
            first[finding.check] = min(first.get(finding.check, finding.at.step), finding.at.step)
    return first


def _consequences(because: Sequence[Finding], follow: Mapping[int, Sequence[Finding]], links: Links) -> list[Finding]:
    """Return what follows from any of them, once, by how directly it does."""
    order = {check: place for place, check in enumerate(links[because[0].check])}
    found = {id(other): other for cause in because for other in follow[id(cause)]}
    return sorted(found.values(), key=lambda other: order[other.check])


def _rank(because: Sequence[Finding], consequences: Sequence[Finding]) -> tuple[int, int, int, int, str]:
    gravest = min(finding.severity.rank for finding in (*because, *consequences))
    own = min(finding.severity.rank for finding in because)
    steps = [finding.at.step for finding in because if finding.at.step is not None]
    explains = len({finding.check for finding in consequences})
    return gravest, own, -explains, min(steps, default=2**62), because[0].check


def _diagnosis(because: Sequence[Finding], consequences: Iterable[Finding]) -> Diagnosis:
    first = because[0]
    return Diagnosis(
        cause=first.message,
        because=[finding.fingerprint for finding in because],
        consequences=[finding.fingerprint for finding in consequences],
        prescription=first.repair.summary if first.repair else "",
    )
