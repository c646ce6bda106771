"""The report as Markdown for a comment on a pull request or the summary of a job.

Text from data is written so that it neither formats, nor links, nor calls anybody by name. Comments may have 65,536
characters at most; what does not fit is counted.
"""

import html
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from doctor.model import (
    BaselineEntry,
    Diagnosis,
    Examination,
    Finding,
    Outcome,
    Problem,
    Report,
    Severity,
    SubjectSummary,
    Verification,
)
from doctor.wording import printable
from doctor_reports import exhibits, proofs, verdict
from doctor_reports.comparison import HEADINGS, Change, Comparison, Kind, compare
from doctor_reports.masking import masked
from doctor_reports.places import details, place_of, repair_of
from doctor_reports.quantities import facts

MAX_BYTES = 65_000
"""GitHub takes 65,536 characters; counted in bytes it holds for every way of counting."""
SPARE_BYTES = 600
"""Room for the line that counts what was left out."""
MAX_ROWS = 100
MAX_ASIDE_BYTES = 12_000
"""Room for each list that is not of findings."""
_SIGN = re.compile(r"""[]!"#$&*<>@[\\^_`{|}~]|:(?=\S)|^[-+=]""")
_NUMBER = re.compile(r"^(\d{1,9})([.)])(?=\s|$)")
"""What Markdown or GitHub could take for a sign: all ASCII punctuation but what is harmless inside a line."""
MAX_CELL = 300
MAX_CONSEQUENCES = 5
WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "remark"}


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Columns, and rows that are written when it is known that there is room."""

    columns: Sequence[str]
    rows: Sequence[Callable[[], str]]


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as Markdown."""
    shown = verdict.plainer(masked(report))
    found = verdict.opened(shown)
    head = [f"### {escaped(verdict.verdict(shown))}", escaped(verdict.aside(shown)), _subjects(shown), _troubles(shown)]
    head.append(_baseline(shown))
    return _bounded(
        [*head, _causes(shown)],
        _Table(columns=("", "finding", "where", "check"), rows=[partial(_row, finding, shown) for finding in found]),
        [partial(_detail, finding, shown) for finding in found],
        [_verifications(shown), _counts(shown)],
    )


def render_changes(named: Sequence[tuple[str, Report]], *, color: bool = False) -> str:
    """Write what changed between reports, the oldest first."""
    seen = compare(named)
    last = seen.reports[-1]
    head = [
        f"### {escaped(seen.sentence)}",
        escaped(f"From {seen.names[0]} to {seen.names[-1]}. {verdict.verdict(last)} {seen.aside}".strip()),
        _troubles(last),
    ]
    rows = [partial(_change_row, change, seen) for kind in HEADINGS for change in seen.of(kind)]
    columns = ("", "", "finding", *(seen.names if len(seen.names) > 2 else ()), "check")
    shown = [change.finding for change in seen.changes if change.kind in (Kind.NEW, Kind.FIRST_LOOK, Kind.RELAPSED)]
    parts = [partial(_detail, finding, last) for finding in shown]
    return _bounded(head, _Table(columns=columns, rows=rows), parts, [_counts(last)])


def escaped(text: str, *, limit: int = MAX_CELL * 4) -> str:
    """Write text so that Markdown and GitHub take it for text alone."""
    plain = _SIGN.sub(lambda match: f"&#{ord(match.group())};", printable(text, limit=limit).strip())
    plain = _NUMBER.sub(lambda match: f"{match[1]}&#{ord(match[2])};", plain)
    # An empty comment breaks what GitHub would link: names after @, numbers after #, addresses.
    for mark in ("&#64;", "&#35;", "&#58;"):
        plain = plain.replace(mark, f"{mark}<!-- -->")
    return re.sub(r"(?i)\b(www|gh)(?=[.-])", r"\1<!-- -->", plain)


def _bounded(head: Iterable[str], table: _Table, parts: Sequence[Callable[[], str]], tail: Iterable[str]) -> str:
    """Put a page together, leaving out rows and details that do not fit."""
    begin = "\n\n".join(filter(None, head))
    end = "\n\n".join(filter(None, tail))
    room = MAX_BYTES - SPARE_BYTES - _size(begin) - _size(end)
    lines = [] if not table.rows else [_line(escaped(name, limit=80) for name in table.columns)]
    lines += [] if not table.rows else ["|---" * len(table.columns) + "|"]
    room -= sum(map(_size, lines))
    rows, room = _fitting(table.rows[:MAX_ROWS], room)
    left = len(table.rows) - len(rows)
    more = [f"… and {verdict.counted(left, 'more finding')}."] if left else []
    kept, room = _fitting(parts, room)
    if len(kept) < len(parts):
        more.append(f"Details of {verdict.counted(len(parts) - len(kept), 'finding')} do not fit here.")
    pieces = [begin, "\n".join([*lines, *rows]), *more, *kept, end]
    return "\n\n".join(filter(None, pieces)) + "\n"


def _fitting(parts: Iterable[Callable[[], str]], room: int) -> tuple[list[str], int]:
    """Make parts as long as there is room, and return what room is left."""
    kept: list[str] = []
    for make in parts:
        part = make()
        room -= _size(part) + 2
        if room < 0:
            return kept, 0
        kept.append(part)
    return kept, room


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _where(finding: Finding, report: Report) -> str:
    return ", ".join([str(place_of(finding.at, report.case.path)), *details(finding.at)])


def _row(finding: Finding, report: Report) -> str:
    text = escaped(finding.message, limit=MAX_CELL)
    if repair_of(finding):
        text += f"<br>→ {escaped(repair_of(finding), limit=MAX_CELL)}"
    where = escaped(_where(finding, report), limit=MAX_CELL)
    return _line((WORDS[finding.severity], text, where, escaped(finding.check, limit=80)))


def _change_row(change: Change, seen: Comparison) -> str:
    text = escaped(change.finding.message, limit=MAX_CELL)
    if change.before:
        text += f"<br>before: {escaped(change.before, limit=MAX_CELL)}"
    if change.why:
        text += f"<br>{escaped(change.why, limit=MAX_CELL)}"
    marks = ["yes" if there else "–" for there in change.present] if len(seen.names) > 2 else []
    check = escaped(change.finding.check, limit=80)
    return _line((change.kind.value, WORDS[change.finding.severity], text, *marks, check))


def _detail(finding: Finding, report: Report) -> str:
    title = f"{escaped(finding.check, limit=80)}: {escaped(finding.message, limit=120)}"
    lines = [f"<details><summary>{title}</summary>\n", escaped(finding.message), ""]
    lines.append(f"- where: {escaped(_where(finding, report))}")
    if repair_of(finding) and finding.repair is not None:
        safety = verdict.SAFETY_WORDS[finding.repair.safety]
        lines.append(f"- repair: {escaped(repair_of(finding))} ({escaped(safety)})")
    lines += [
        f"- {escaped(name, limit=80)}: {escaped(value, limit=MAX_CELL)}"
        for name, value in facts(finding.evidence)
        if value
    ]
    lines += [
        f"- {escaped(one.place, limit=MAX_CELL)}: {escaped(exhibits.marked(one), limit=MAX_CELL)}"
        for one in finding.excerpts
    ]
    lines += [
        f"- picture in the report: {escaped(f'{one.file} {one.caption}'.strip(), limit=MAX_CELL)}"
        for one in finding.thumbnails
    ]
    lines.append(f"- meaning: `doctor explain {html.escape(printable(finding.check, limit=80)).replace('`', '')}`")
    return "\n".join([*lines, "\n</details>"])


def _subjects(report: Report) -> str:
    return _some([partial(_subject, item) for item in report.case.subjects], "subject")


def _subject(item: SubjectSummary) -> str:
    return f"- {escaped(item.path, limit=MAX_CELL)}: {escaped(verdict.size(item), limit=MAX_CELL)}"


def _causes(report: Report) -> str:
    """List the root causes, each with what follows from it."""
    titles = {finding.fingerprint: finding.message for finding in report.findings}
    parts = [partial(_cause, diagnosis, titles) for diagnosis in report.diagnoses]
    return _some(parts, "cause")


def _cause(diagnosis: Diagnosis, titles: Mapping[str, str]) -> str:
    lines = [f"- **cause:** {escaped(diagnosis.cause, limit=MAX_CELL)}"]
    if diagnosis.cost:
        lines.append(f"  - costs: {escaped(proofs.estimate(diagnosis.cost), limit=MAX_CELL)}")
    for mark in diagnosis.consequences[:MAX_CONSEQUENCES]:
        lines.append(f"  - hence: {escaped(titles.get(mark, mark), limit=MAX_CELL)}")
    return "\n".join(lines)


def _troubles(report: Report) -> str:
    crashed = [item for item in report.examinations if item.outcome is Outcome.CRASHED]
    unread = [partial(_unread, problem) for problem in report.case.problems]
    return _some([*unread, *(partial(_crashed, item) for item in crashed)], "trouble")


def _baseline(report: Report) -> str:
    """Count what was accepted before, and list the entries that want a look."""
    notes = [partial(_entry, entry, note) for entry, note in verdict.baseline_notes(report)]
    return "\n".join(
        filter(None, (escaped(verdict.baseline_sentence(report)), "" if not notes else "\n" + _some(notes, "entry")))
    )


def _entry(entry: BaselineEntry, note: str) -> str:
    return f"- {escaped(entry.check, limit=80)}: {escaped(entry.message, limit=MAX_CELL)}: {escaped(note)}"


def _unread(problem: Problem) -> str:
    return f"- cannot read {escaped(str(problem), limit=MAX_CELL)}"


def _crashed(item: Examination) -> str:
    return f"- {escaped(item.check, limit=80)} crashed: {escaped(item.reason, limit=MAX_CELL)}"


def _some(parts: Sequence[Callable[[], str]], noun: str) -> str:
    """Set lines of a list, as many as may stand beside the findings."""
    kept, _ = _fitting(parts, MAX_ASIDE_BYTES)
    more = [f"- … and {verdict.counted(len(parts) - len(kept), f'more {noun}')}"] if len(kept) < len(parts) else []
    return "\n".join([*kept, *more])


def _verifications(report: Report) -> str:
    rows, _ = _fitting([partial(_verification, item) for item in report.verifications], MAX_ASIDE_BYTES)
    head = [_line(("repair", "verdict", "effect", "check")), "|---|---|---|---|"]
    return "\n".join(head + rows) if rows else ""


def _verification(item: Verification) -> str:
    effect = f"{item.effect:.4g}" if item.effect is not None else "–"
    if item.interval is not None:
        effect += f" ({item.interval[0]:.4g} to {item.interval[1]:.4g})"
    words = [item.repair, f"{item.verdict.value}{': ' + item.reason if item.reason else ''}", effect, item.check]
    return _line(escaped(word, limit=MAX_CELL) for word in words)


def _counts(report: Report) -> str:
    counts = verdict.outcomes(report)
    each = ", ".join(f"{count:,} {verdict.OUTCOME_WORDS[outcome]}" for outcome, count in counts.items())
    total = verdict.counted(sum(counts.values()), verdict.examinations_noun(report))
    return escaped(f"{total} in {report.coverage.seconds:.1f} s: {each}. doctor {report.doctor.version}.")
