"""The report for a terminal: findings gravest first, then what was and was not examined."""

import io

from rich.console import Console
from rich.markup import escape

from doctor.model import Finding, Outcome, Report, Severity, printable

COLORS = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as text, with colours where asked."""
    stream = io.StringIO()
    console = Console(
        file=stream,
        force_terminal=color,
        no_color=not color,
        highlight=False,
        width=None if color else 120,
        soft_wrap=True,
    )
    _case(console, report)
    for severity in Severity:
        for finding in report.findings:
            if finding.severity is severity and not finding.suppressed:
                _finding(console, finding)
    _closing(console, report)
    return stream.getvalue()


def _case(console: Console, report: Report) -> None:
    for subject in report.case.subjects:
        if subject.kind != "table":
            files = f" ({subject.files:,} {'file' if subject.files == 1 else 'files'})" if subject.files else ""
            console.print(f"{escape(printable(subject.path))}: {subject.kind}{files}")
            continue
        splits = ", ".join(f"{name} {rows:,}" for name, rows in subject.splits.items() if name != "all")
        console.print(
            f"{escape(printable(subject.path))}: {subject.rows:,} rows × {subject.columns:,} columns"
            + (f" ({splits})" if splits else "")
        )
    for guess in report.case.guesses:
        console.print(
            escape(f"  {guess.what}: {printable(guess.value)}, by {guess.because} (else: {guess.override})"),
            style="dim",
        )
    for problem in report.case.problems:
        console.print(f"  cannot read {escape(str(problem))}", style="bold red")
    console.print()


def _finding(console: Console, finding: Finding) -> None:
    console.print(
        f"[{COLORS[finding.severity]}]{finding.severity.value:7}[/] {escape(finding.message)}  [dim]{finding.check}[/]"
    )
    if finding.repair and finding.repair.summary:
        console.print(f"        → {escape(printable(finding.repair.summary))}")


def _closing(console: Console, report: Report) -> None:
    counts = ", ".join(f"{report.count(severity)} {severity.value}" for severity in Severity)
    outcomes = ", ".join(f"{count} {name}" for name, count in report.coverage.outcomes.items() if count)
    console.print(f"\n{counts}. Examinations: {outcomes}. {report.coverage.seconds:.1f} s")
    for examination in report.examinations:
        if examination.outcome in (Outcome.CRASHED, Outcome.UNAVAILABLE):
            console.print(
                f"  {examination.check}: {examination.outcome.value}: {escape(examination.reason)}", style="dim"
            )
