"""What to do next, most pressing first, as commands that exist and can be copied."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from doctor.model import Advise, ChangeTraining, EditCode, Finding, Report, ReviewRows, Safety, Severity
from doctor.wording import printable
from doctor_reports import verdict
from doctor_reports.verdict import Group, counted, grouped, opened, repeat, run_of, unexplained

MAX_BY_HAND = 3
MAX_CURES = 6
ROLE_OPTIONS = ("target", "time", "group", "annotators", "item", "scale", "predictions")
TABLE_OPTIONS = (*ROLE_OPTIONS, "range", "pattern", "split", "split-column")
FILE_OPTIONS = ("header", "delimiter", "encoding")
READ_BY_VERIFY = frozenset(f"--{name}" for name in (*TABLE_OPTIONS, *FILE_OPTIONS, "set"))
READ_BY_FIX = READ_BY_VERIFY | {
    f"--{name}" for name in ("against", "select", "ignore", "memory-limit", "threads", "sample-seed", "sample-rows")
}


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing to do next, and the command for it where there is one."""

    text: str
    command: str = ""


def next_steps(report: Report) -> list[Step]:
    """Say what to do next with the data or with the run; nothing where there is nothing to do."""
    steps = _after_a_run(report) if run_of(report) is not None else _after_a_scan(report)
    return [Step(text=printable(step.text, limit=400), command=printable(step.command)) for step in steps]


def _after_a_scan(report: Report) -> Iterator[Step]:
    for problem in report.case.problems[:3]:
        yield Step(text=f"Make {problem.path} readable: {problem.reason}.")
    found = opened(report)
    grave = [finding for finding in found if finding.severity is not Severity.INFO]
    edited = not report.case.in_memory and not any(item.facts.get("database") for item in report.case.subjects)
    yield from _repairs(report, [finding for finding in found if edited and _can_be_edited(finding)])
    groups = grouped(finding for finding in grave if not (edited and _can_be_edited(finding)))
    yield from map(_cure, groups[:MAX_BY_HAND])
    more = sum(len(group.findings) for group in groups[MAX_BY_HAND:])
    if more:
        yield Step(text=f"Then see to {counted(more, 'more finding')} below.")
    for reason, count in verdict.unasked(report):
        yield Step(text=f"{counted(count, verdict.examinations_noun(report))} did not apply: {reason}.")
    if report.case.guesses:
        wrong = [shlex.split(guess.override) for guess in report.case.guesses if guess.override.startswith("--")]
        taken = ", ".join(f"{guess.what} {guess.value}" for guess in report.case.guesses[:4])
        yield Step(
            text=f"Make sure of what was taken for granted: {taken}.",
            command=repeat(report, *wrong[0]) if wrong else "",
        )
    if again := verdict.accept_again(report):
        yield Step(text="Bring the baseline up to date.", command=again)
    if found:
        yield Step(text="Examine it again.", command=repeat(report))
    elif not report.case.problems and not report.case.guesses and not verdict.unasked(report):
        yield Step(text="Have it examined at every change.", command=repeat(report, "--fail-on", "warning"))


def _can_be_edited(finding: Finding) -> bool:
    """Whether `doctor fix` makes the repair in a copy."""
    repair = finding.repair
    by_hand = (Advise, ChangeTraining, EditCode, ReviewRows)
    return repair is not None and repair.safety is not Safety.MANUAL and not isinstance(repair, by_hand)


def _repairs(report: Report, mended: Sequence[Finding]) -> Iterator[Step]:
    """Offer the repairs as a plan first, then as a copy, then to be tried."""
    if not mended:
        return
    unsafe = any(finding.repair and finding.repair.safety is Safety.UNSAFE for finding in mended)
    options = [*_options(report, READ_BY_FIX), "--output repaired", *(["--unsafe"] if unsafe else [])]
    command = " ".join(["doctor fix", report.case.path, *options])
    yield Step(
        text=f"Repair a copy: {counted(len(mended), 'finding')} can be edited away. The data itself stays as it is.",
        command=command,
    )
    # The reference trainer learns a column of a table.
    trains = any(subject.kind == "table" and subject.roles.get("target") for subject in report.case.subjects)
    if trains and not report.verifications and any(one.severity is not Severity.INFO for one in mended):
        chosen = [option.replace("--select", "--check", 1) for option in _options(report, frozenset({"--select"}))]
        words = ["doctor verify", report.case.path, *_options(report, READ_BY_VERIFY), *chosen]
        yield Step(text="Have training say which of the repairs help.", command=" ".join(words))


def _options(report: Report, known: frozenset[str]) -> list[str]:
    """Return the options of the visit that another command reads too; they come in pairs, quoted for a shell."""
    words = report.doctor.repeat
    return [
        f"{name} {value}"
        for name, value in zip(words[::2], words[1::2], strict=False)
        if name in known and (name, value) != ("--sample-seed", "0")
    ]


def _after_a_run(report: Report) -> Iterator[Step]:
    """Name the cures of the causes first, then those of what stands alone; consequences go away by themselves."""
    by_mark = {finding.fingerprint: finding for finding in report.findings}
    causes = [by_mark[mark] for diagnosis in report.diagnoses for mark in diagnosis.because[:1] if mark in by_mark]
    wanted = [*causes, *(finding for finding in unexplained(report) if finding.severity is not Severity.INFO)]
    yield from map(_cure, grouped(wanted)[:MAX_CURES])
    run = run_of(report)
    recorded = run is not None and "running" in run.facts and not report.verifications
    if recorded and any(isinstance(finding.repair, ChangeTraining) for finding in wanted):
        yield Step(
            text="Have runs of your own command, with and without the repair, say whether it helps.",
            command=f"{shlex.join(['doctor', 'verify', report.case.path])} -- COMMAND",
        )


def _cure(group: Group) -> Step:
    summaries = [f.repair.summary for f in group.findings if f.repair and f.repair.summary]
    name = group.check.partition("/")[2].replace("-", " ").capitalize()
    if not summaries:
        text = f"{name}: {group.findings[0].message}."
    else:
        more = f", and {len(group.findings) - 1:,} more like it" if len(group.findings) > 1 else ""
        text = f"{name}: {summaries[0]}{more}."
    return Step(text=text.replace("..", "."), command=f"doctor explain {group.check}")
