"""The report as workflow commands of GitHub Actions, which it shows beside the lines of a pull request.

GitHub shows ten errors, ten warnings and ten notices of a step; the gravest findings come first, and a last line says
how many are not among them. Ignored findings are left out.
"""

from collections.abc import Iterator

from doctor.model import Outcome, Report, Severity
from doctor.wording import printable
from doctor_reports import verdict
from doctor_reports.masking import masked
from doctor_reports.places import Place, details, place, place_of, repair_of

MAX_OF_A_KIND = 10
MAX_TITLE = 200
MAX_MESSAGE = 4000
COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "notice"}


def render(report: Report, *, color: bool = False) -> str:
    """Write one command per finding, and the verdict."""
    shown = verdict.plainer(masked(report))
    lines: list[str] = []
    counts = dict.fromkeys(COMMANDS.values(), 0)
    left = 0
    for kind, line in (*_troubles(shown), *_findings(shown), *_entries(shown)):
        counts[kind] += 1
        if counts[kind] <= MAX_OF_A_KIND:
            lines.append(line)
        else:
            left += 1
    if left:
        lines.append(f"{verdict.counted(left, 'more annotation')} left out: GitHub shows {MAX_OF_A_KIND} of a kind.")
    lines.append(f"doctor: {_plain(verdict.verdict(shown))}")
    if shown.baseline is not None:
        lines.append(f"doctor: {_plain(verdict.baseline_sentence(shown))}")
    return "\n".join(lines) + "\n"


def _troubles(report: Report) -> Iterator[tuple[str, str]]:
    for problem in report.case.problems:
        yield (
            "error",
            _command("error", f"cannot read it: {problem.reason}", place(problem.path, problem.line), "doctor"),
        )
    for item in report.examinations:
        if item.outcome is Outcome.CRASHED:
            yield "error", _command("error", f"the check crashed: {item.reason}", None, item.check)


def _entries(report: Report) -> Iterator[tuple[str, str]]:
    """Point at the baseline for each entry whose finding is gone; the others are there as findings."""
    if report.baseline is None:
        return
    for entry in report.baseline.gone:
        text = f"{entry.message} is gone; run doctor baseline again"
        yield "notice", _command("notice", text, place(report.baseline.file), entry.check)


def _findings(report: Report) -> Iterator[tuple[str, str]]:
    for finding in verdict.opened(report):
        kind = COMMANDS[finding.severity]
        rest = details(finding.at)
        text = finding.message + (f" (at {', '.join(rest)})" if rest else "")
        repair = repair_of(finding)
        where = place_of(finding.at, report.case.path)
        yield kind, _command(kind, f"{text} → {repair}" if repair else text, where, finding.check)


def _command(kind: str, text: str, where: Place | None, title: str) -> str:
    properties = {"title": printable(title, limit=MAX_TITLE)}
    if where is not None and where.inside:
        at = {"line": where.line, "col": where.character}
        known = {name: str(number) for name, number in at.items() if number}
        properties = {"file": printable(where.path)} | known | properties
    elif where is not None:
        text = f"{where}: {text}"
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{kind} {listed}::{_data(printable(text, limit=MAX_MESSAGE))}"


def _data(text: str) -> str:
    """Escape as the runner's own toolkit does."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _plain(text: str) -> str:
    """Keep a line of words from being read as a command: the runner looks for an older form anywhere in a line."""
    return printable(text).replace("##[", "## [").replace("::", ": :")
