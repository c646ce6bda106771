"""What a report amounts to: the sentence on top, the counts, where things are and what to do next."""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from msgspec.structs import replace

from doctor.model import (
    BaselineEntry,
    Diagnosis,
    Examination,
    Finding,
    Location,
    Outcome,
    Report,
    Safety,
    Severity,
    SubjectSummary,
)
from doctor.rounds import Round
from doctor.wording import printable

NOUNS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}
OUTCOME_WORDS = {
    Outcome.HEALTHY: "healthy",
    Outcome.FOUND: "found something",
    Outcome.NOT_APPLICABLE: "did not apply",
    Outcome.UNAVAILABLE: "could not tell",
    Outcome.IGNORED: "ignored",
    Outcome.CRASHED: "crashed",
}
SAFETY_WORDS = {
    Safety.SAFE: "safe: can be applied as it stands",
    Safety.UNSAFE: "unsafe: may cost information, look first",
    Safety.MANUAL: "manual: only a person can do this",
}
MAX_ROWS_NAMED = 12


@dataclass(frozen=True, kw_only=True)
class Group:
    """Findings of one check and one severity."""

    check: str
    severity: Severity
    findings: Sequence[Finding]


@dataclass(frozen=True, kw_only=True)
class Story:
    """Findings that state one thing, with what follows from it; the diagnosis that joins them where there is one."""

    stated: Sequence[Finding]
    consequences: Sequence[Finding] = ()
    diagnosis: Diagnosis | None = None


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun: `1 error`, `3 errors`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def size(subject: SubjectSummary) -> str:
    """Say what a subject is and how large: `1,309 rows × 14 columns (train 981, test 328)`, `source, 3 files`."""
    if subject.kind == "run":
        return _run_size(subject.facts)
    sides = ((subject.rows, "row"), (subject.columns, "column"))
    facts = " × ".join(counted(count, noun) for count, noun in sides if count is not None) or subject.kind
    files = f", {counted(subject.files, 'file')}" if subject.files else ""
    splits = ", ".join(f"{name} {rows:,}" for name, rows in subject.splits.items() if name != "all")
    return f"{facts}{files}{f' ({splits})' if splits else ''}"


def _run_size(facts: Mapping[str, Any]) -> str:
    steps, processes = facts.get("steps", 0), facts.get("processes", 0)
    parts = [counted(steps, "step") + (f" in {counted(processes, 'process', 'processes')}" if processes > 1 else "")]
    if "seconds" in facts:
        parts.append(duration(facts["seconds"]))
    if facts.get("running"):
        parts.append("no end recorded")
    elif facts.get("signal"):
        parts.append(f"ended by signal {facts['signal']}")
    elif facts.get("status") is not None:
        parts.append(f"exit status {facts['status']}")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Return a time as people say it: `8.1 s`, `12 min`, `3 h 20 min`."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60:,} h {minutes % 60} min"


def run_of(report: Report) -> SubjectSummary | None:
    """Return the run that the report is about, or None where it is about something else."""
    return next((subject for subject in report.case.subjects if subject.kind == "run"), None)


def plainer(report: Report) -> Report:
    """Leave the rank out where there was one process: it says nothing."""
    run = run_of(report)
    if run is None or run.facts.get("processes", 0) > 1:
        return report
    findings = [replace(finding, at=replace(finding.at, rank=None)) for finding in report.findings]
    return replace(report, findings=findings)


def opened(report: Report) -> list[Finding]:
    """Return the findings that the user does not live with, gravest first, those of a check side by side."""
    rest = [finding for finding in report.findings if not finding.suppressed]
    return sorted(rest, key=lambda finding: (finding.severity.rank, finding.check))


def grouped(findings: Iterable[Finding]) -> list[Group]:
    """Put neighbours of the same check and severity together."""
    return [
        Group(check=check, severity=severity, findings=list(group))
        for (severity, check), group in groupby(findings, key=lambda finding: (finding.severity, finding.check))
    ]


def outcomes(report: Report) -> dict[Outcome, int]:
    """Count all six outcomes."""
    seen = Counter(examination.outcome for examination in report.examinations)
    return {outcome: seen.get(outcome, 0) for outcome in Outcome}


def examinations_noun(report: Report) -> str:
    """Return "check" where each was run once, else "examination"."""
    once = len({examination.check for examination in report.examinations}) == len(report.examinations)
    return "check" if once else "examination"


def round_sentence(made: Round) -> str:
    """Say in one sentence what a round through the clinic comes to."""
    cured = sum(1 for visit in made.diseases if visit.passed)
    held = sum(1 for visit in made.controls if visit.passed)
    parts = [f"{cured} of {counted(len(made.diseases), 'disease')} cured"]
    if made.controls:
        parts.append(f"{held} of {counted(len(made.controls), 'control')} as they must be")
    lead = "All as expected" if not made.failed else f"{counted(len(made.failed), 'patient')} failed"
    return f"{lead}: {', '.join(parts)}, in {duration(made.seconds)}."


def severities(report: Report) -> str:
    """Return the counts of open findings, such as `3 errors, 1 warning`."""
    counts = [(severity, report.count(severity)) for severity in Severity]
    return ", ".join(counted(count, NOUNS[severity]) for severity, count in counts if count)


def verdict(report: Report) -> str:
    """Say in one sentence what the report amounts to; not looking is never called healthy."""
    run = run_of(report)
    if run is not None:
        return _run_verdict(report, run.facts)
    if report.count(Severity.ERROR):
        return f"Do not train on this yet: {severities(report)}."
    if report.incomplete:
        return f"Cannot tell: {_trouble(report)}."
    if report.count(Severity.WARNING):
        return f"Look before you train: {severities(report)}."
    return _quiet(report)


def _run_verdict(report: Report, facts: Mapping[str, Any]) -> str:
    if report.count(Severity.ERROR) or report.count(Severity.WARNING):
        grave = report.count(Severity.ERROR) > 0
        lead = "This run is ill" if grave else "Look at this run"
        return f"{lead}: {severities(report)}."
    if report.incomplete:
        return f"Cannot tell: {_trouble(report)}."
    if not facts.get("steps"):
        why = f" ({facts['unwatched']})" if facts.get("unwatched") else ""
        return f"Cannot tell: no training step was recorded{why}."
    parts = [f"in {counted(facts['steps'], 'step')}"]
    if "loss_first" in facts:
        parts.append(f"loss {facts['loss_first']:.4g} → {facts['loss_last']:.4g}")
    overhead = f"; probe overhead {facts['overhead_share']:.2%}" if "overhead_share" in facts else ""
    remarks = f"; {severities(report)}" if report.count(Severity.INFO) else ""
    so_far = " so far" if facts.get("running") else ""
    return f"No sign of trouble{so_far} {', '.join(parts)}{remarks}{overhead}."


def aside(report: Report) -> str:
    """Add what the verdict leaves out: what else is wrong, or was found all the same."""
    if run_of(report) is not None and report.count(Severity.WARNING):
        return f"Moreover {_trouble(report)}." if report.incomplete else ""
    if report.count(Severity.ERROR):
        return f"Moreover {_trouble(report)}." if report.incomplete else ""
    found = severities(report)
    return f"Found so far: {found}." if report.incomplete and found else ""


def _trouble(report: Report) -> str:
    problems, crashed = len(report.case.problems), outcomes(report)[Outcome.CRASHED]
    parts = []
    if problems:
        parts.append(f"{counted(problems, 'file')} could not be read in full")
    if crashed:
        parts.append(f"{counted(crashed, examinations_noun(report))} crashed")
    return " and ".join(parts)


def _quiet(report: Report) -> str:
    """Word a verdict without errors, warnings and trouble."""
    counts = outcomes(report)
    looked = counts[Outcome.HEALTHY] + counts[Outcome.FOUND] + counts[Outcome.IGNORED]
    noun = examinations_noun(report)
    if not looked:
        return "Cannot tell: no check could look at this."
    blind = counts[Outcome.UNAVAILABLE]
    suffix = f"; {blind:,} could not tell" if blind else ""
    remarks = report.count(Severity.INFO)
    if remarks:
        return f"Nothing found stands in the way of training: {counted(remarks, NOUNS[Severity.INFO])}{suffix}."
    if report.findings:
        return f"Nothing new: {_lived_with(report)}{suffix}."
    if blind:
        return f"Healthy as far as could be told: {counted(looked, noun)} ran and found nothing{suffix}."
    return f"Healthy: {counted(looked, noun)} ran and found nothing."


def _lived_with(report: Report) -> str:
    """Count what was found and does not count."""
    known, ignored = len(accepted(report)), len(ignored_for_a_reason(report))
    said = [f"{counted(known, 'finding')} accepted before"] if known else []
    said += [f"{counted(ignored, 'finding')}, ignored for the reasons given"] if ignored else []
    return "; ".join(said)


def accepted(report: Report) -> list[Finding]:
    """Return the findings that the baseline accepts."""
    marks = set(report.baseline.accepted) if report.baseline else set()
    return [finding for finding in report.findings if finding.suppressed and finding.fingerprint in marks]


def ignored_for_a_reason(report: Report) -> list[Finding]:
    """Return the findings that the settings or a call suppress."""
    marks = set(report.baseline.accepted) if report.baseline else set()
    return [finding for finding in report.findings if finding.suppressed and finding.fingerprint not in marks]


def baseline_sentence(report: Report) -> str:
    """Say how many findings the baseline accepts and what became of its other entries, or nothing without one."""
    known = report.baseline
    if known is None:
        return ""
    parts = [f"{counted(len(accepted(report)), 'finding')} accepted"]
    parts += [f"{len(known.expired):,} accepted until a day that is over"] if known.expired else []
    parts += [f"{len(known.graver):,} graver than when accepted"] if known.graver else []
    parts += [f"{len(known.gone):,} gone"] if known.gone else []
    parts += [f"{known.unseen:,} not looked for"] if known.unseen else []
    return f"{known.file}: {', '.join(parts)}."


def baseline_notes(report: Report) -> list[tuple[BaselineEntry, str]]:
    """Return the entries of the baseline that want a look, each with what is wrong with it."""
    known = report.baseline
    if known is None:
        return []
    notes = [(entry, f"accepted until {entry.expires}, so it counts again") for entry in known.expired]
    notes += [(entry, f"graver than when it was accepted, {entry.accepted}, so it counts") for entry in known.graver]
    return notes + [(entry, f"accepted {entry.accepted} and gone; its entry can go too") for entry in known.gone]


def accept_again(report: Report) -> str:
    """Return the command that brings the baseline up to date, or nothing where it is."""
    if not baseline_notes(report) or report.case.in_memory:
        return ""
    words = [{"--baseline": "--output"}.get(word, word) for word in report.doctor.repeat]
    return " ".join(["doctor baseline", *_path(report), *words])


def undecided(report: Report) -> list[Examination]:
    """Return the examinations that gave no full verdict although the question arises."""
    partly = [e for e in report.examinations if e.outcome is Outcome.FOUND and e.reason]
    rank = {Outcome.CRASHED: 0, Outcome.UNAVAILABLE: 1}
    whole = [e for e in report.examinations if e.outcome in rank]
    return sorted(whole, key=lambda examination: rank[examination.outcome]) + partly


def unasked(report: Report) -> list[tuple[str, int]]:
    """Return what the user can name so that more checks apply, with how many wait for it, most first."""
    waiting = Counter(e.reason for e in report.examinations if e.outcome is Outcome.NOT_APPLICABLE and "--" in e.reason)
    return [(reason, count) for reason, count in waiting.most_common() if count > 1]


def where(at: Location, *, path: bool = True) -> list[str]:
    """Say where a finding is, in parts: `train.py:14`, `split test`, `rows 3, 17 and 2 more`."""
    parts = []
    if at.path is not None and (path or at.line is not None):
        parts.append(printable(at.path, limit=200) + (f":{at.line}" if at.line is not None else ""))
    elif at.line is not None:
        parts.append(f"line {at.line}")
    if at.cell is not None:
        parts.append(f"cell {at.cell}")
    if at.split is not None:
        parts.append(f"split {printable(at.split, limit=80)}")
    if at.step is not None:
        parts.append(f"step {at.step:,}")
    if at.rank is not None:
        parts.append(f"rank {at.rank}")
    if at.module is not None:
        parts.append(f"module {printable(at.module, limit=200)}")
    if at.operation is not None:
        parts.append(printable(at.operation, limit=80))
    if at.rows:
        parts.append(listed("row", [f"{row:,}" for row in at.rows], MAX_ROWS_NAMED))
    return parts


def listed(noun: str, names: Sequence[str], most: int) -> str:
    """Name the first few: `rows 3, 17 and 2 more`."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{noun}{'s' if len(names) > 1 else ''} {', '.join(names[:most])}{more}"


def repeat(report: Report, *options: str) -> str:
    """Return the command line that repeats the visit; of data in memory, the call."""
    if report.case.in_memory:
        names = (name.removeprefix("--").replace("-", "_") for name in options[::2])
        given = [f"{name}={value!r}" for name, value in zip(names, options[1::2], strict=True)]
        return f"doctor.scan({', '.join(['data', *given])})"
    if run_of(report) is not None:
        return shlex.join(["doctor", "scan", report.case.path, *options])
    return " ".join(["doctor scan", *_path(report), *report.doctor.repeat, *map(shlex.quote, options)])


def _path(report: Report) -> list[str]:
    """Return the path as one types it, or nothing where what was looked at has an address instead."""
    return [] if "--uri" in report.doctor.repeat and "://" in report.case.path else [report.case.path]


def unexplained(report: Report) -> list[Finding]:
    """Return the open findings that belong to no diagnosis, gravest first."""
    told = {mark for diagnosis in report.diagnoses for mark in (*diagnosis.because, *diagnosis.consequences)}
    return [finding for finding in opened(report) if finding.fingerprint not in told]


def stories(report: Report) -> list[Story]:
    """Return what the open findings come to, the gravest first: the diagnoses, and what stands alone by check."""
    by_mark = {finding.fingerprint: finding for finding in report.findings}

    def known(marks: Iterable[str]) -> list[Finding]:
        return [by_mark[mark] for mark in marks if mark in by_mark]

    told = [
        Story(stated=known(diagnosis.because), consequences=known(diagnosis.consequences), diagnosis=diagnosis)
        for diagnosis in report.diagnoses
    ]
    told = [story for story in told if story.stated]
    told += [Story(stated=group.findings) for group in grouped(unexplained(report))]
    return sorted(
        told, key=lambda story: min(finding.severity.rank for finding in (*story.stated, *story.consequences))
    )
