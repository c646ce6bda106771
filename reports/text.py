"""The report for a terminal: what was taken for granted, findings gravest first, then the verdict and what is open."""

import os
import shutil
import unicodedata
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from doctor.model import Finding, Outcome, Report, Safety, Severity, Verdict, Verification
from doctor.rounds import Round, Visit
from doctor.wording import printable
from doctor_reports import exhibits, proofs, verdict
from doctor_reports.comparison import Change, Comparison, Kind, compare
from doctor_reports.masking import masked

PAPER_WIDTH = 100
MIN_WIDTH, MAX_WIDTH = 40, 120
INDENT = 9
MAX_EXCERPTS = 3
"""Pieces of text that are shown of a finding; the page shows all."""
RED, GREEN, YELLOW, CYAN, BOLD, DIM = "1;31", "32", "33", "36", "1", "2"
COLORS = {Severity.ERROR: RED, Severity.WARNING: YELLOW, Severity.INFO: CYAN}
INKS = {Verdict.VERIFIED: GREEN, Verdict.REFUTED: RED, Verdict.NOT_TESTABLE: YELLOW, Verdict.NOT_RUN: DIM}
ROUND_INDENT = 14
SAFETY = {Safety.SAFE: "safe", Safety.UNSAFE: "unsafe, look first", Safety.MANUAL: "by hand"}


def render(report: Report, *, color: bool = False) -> str:
    """Write the report as text.

    Parameters
    ----------
    report : Report
        What was found.
    color : bool
        Whether this goes to a terminal: fits its width and, unless NO_COLOR is set or it is a dumb one, is coloured.

    Returns
    -------
    str
        Lines of at most 100 characters where it does not go to a terminal; only a longer word makes a longer line.
        There is no escape sequence but our own colours.
    """
    page = _page(color)
    shown = verdict.plainer(masked(report))
    page.know(shown.verifications)
    if verdict.run_of(shown) is not None:
        return "\n".join(page.run(shown)) + "\n"
    return "\n".join((*page.subjects(shown), *page.findings(shown), *page.closing(shown))) + "\n"


def render_round(made: Round, *, color: bool = False) -> str:
    """Write a round through the clinic as text, two lines or more for each patient; see `render`."""
    return "\n".join(_page(color).round(made)) + "\n"


def render_changes(named: Sequence[tuple[str, Report]], *, color: bool = False) -> str:
    """Write what changed between reports, the oldest first."""
    return "\n".join(_page(color).changes(compare(named))) + "\n"


def _page(color: bool) -> "_Page":
    width = min(max(shutil.get_terminal_size((PAPER_WIDTH, 24)).columns, MIN_WIDTH), MAX_WIDTH)
    plain = not color or bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    return _Page(width if color else PAPER_WIDTH, plain, terminal=color)


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(unicodedata.combining(letter) != 0 for letter in text)


def wrapped(text: str, width: int, *, first: str | None = None, indent: int = 0) -> list[str]:
    """Break between words, never inside one, so that what is longer than a line can still be copied."""
    lines = [" " * indent if first is None else first]
    empty = True
    for word in printable(text).split():
        if not empty and cells(lines[-1]) + 1 + cells(word) > width:
            lines.append(" " * indent)
            empty = True
        lines[-1] += word if empty else f" {word}"
        empty = False
    return lines


class _Page:
    def __init__(self, width: int, plain: bool, *, terminal: bool) -> None:
        self._width = width
        self._terminal = terminal
        self._plain = plain
        self._proofs: dict[str, list[Verification]] = {}

    def _ink(self, style: str, text: str) -> str:
        return text if self._plain or not text else f"\x1b[{style}m{text}\x1b[0m"

    def _paragraph(self, text: str, *, style: str = "", first: str | None = None, indent: int = 0) -> Iterator[str]:
        for line in wrapped(text, self._width, first=first, indent=indent):
            yield self._ink(style, line) if style else line

    def _table(self, rows: Sequence[tuple[str, str]], *, style: str = DIM) -> Iterator[str]:
        """Set pairs in two columns, the right one wrapped; one under the other where there is no room."""
        left = max((cells(printable(name)) for name, _ in rows), default=0)
        narrow = left > self._width // 3
        for name, text in rows:
            shown = printable(name)
            if narrow:
                yield self._ink(style, f"  {shown}")
            lead = " " * 4 if narrow else f"  {shown}{' ' * (left - cells(shown))}  "
            yield from self._paragraph(text, style=style, first=lead, indent=len(lead) if narrow else left + 4)

    def know(self, verifications: Sequence[Verification]) -> None:
        """Remember what was proven of the repairs, to be told beside them."""
        for item in verifications:
            self._proofs.setdefault(item.fingerprint, []).append(item)

    def subjects(self, report: Report) -> Iterator[str]:
        """Say what was opened, what was taken for what and what could not be read."""
        for subject in report.case.subjects:
            yield from self._paragraph(f"{subject.path}: {verdict.size(subject)}", style=BOLD, first="", indent=2)
        for problem in report.case.problems:
            # Off a terminal it is one line, however long: it is searched for.
            if self._terminal:
                yield from self._paragraph(f"cannot read {problem}", style=RED, first="", indent=2)
            else:
                yield printable(f"cannot read {problem}")
        if report.case.guesses:
            yield self._ink(DIM, "Taken for granted:")
            several = len(report.case.subjects) > 1
            yield from self._table(
                [
                    (
                        g.what,
                        f"{g.value}, by {g.because} (else {g.override})" + (f", in {g.subject}" if several else ""),
                    )
                    for g in report.case.guesses
                ]
            )
        yield ""

    def run(self, report: Report) -> Iterator[str]:
        """Lead with the causes, each with what follows from it; a run without trouble is one line."""
        bad = report.count(Severity.ERROR) > 0
        if report.count(Severity.WARNING) or bad or report.case.problems:
            yield from self.subjects(report)
        for story in verdict.stories(report):
            yield from self._story(story, several=False)
            if story.consequences or story.diagnosis:
                yield ""
        rest = verdict.unexplained(report)
        yield from self.loose(report)
        if rest or report.verifications:
            yield ""
        sentence = f"{verdict.verdict(report)} {verdict.aside(report)}".rstrip()
        yield from self._paragraph(sentence, style=RED if bad else BOLD)
        if report.verifications:
            yield from self._paragraph(f"Repairs tried: {proofs.tally(report.verifications)}.", style=BOLD)
        for examination in verdict.undecided(report):
            if examination.outcome is Outcome.CRASHED:
                yield from self._table([(examination.check, f"crashed: {examination.reason}")])
        yield from self._baseline(report)
        told = verdict.stories(report)
        if told:
            yield from self._paragraph(f"doctor explain {told[0].stated[0].check}", first="What it means:  ", indent=16)

    def round(self, made: Round) -> Iterator[str]:
        """Show the patients, then the controls, then what it comes to."""
        for title, visits in (("", made.diseases), ("Controls", made.controls)):
            if title and visits:
                yield self._ink(BOLD, title)
            for visit in visits:
                yield from self._visit(visit)
            if visits:
                yield ""
        yield from self._paragraph(verdict.round_sentence(made), style=RED if made.failed else BOLD)

    def _visit(self, visit: Visit) -> Iterator[str]:
        item = visit.verification
        word = "FAILED" if not visit.passed else item.verdict.value if item else ""
        ink = RED if not visit.passed else INKS[item.verdict] if item and not visit.control else CYAN
        begin = f"{word:{ROUND_INDENT}}"
        took = self._ink(DIM, f"  {visit.check}, {verdict.duration(visit.seconds)}")
        yield self._ink(ink, word) + begin[len(word) :] + self._ink(BOLD, printable(visit.disease)) + took
        told = [("symptom", visit.symptom), ("finding", visit.finding)]
        if item is not None:
            told += [("repair", item.repair), ("proof", proofs.change(item) or item.reason)]
        if not visit.passed:
            told.append(("why", visit.trouble))
        for name, text in told:
            if text:
                first = " " * ROUND_INDENT + self._ink(DIM, f"{name:9}")
                yield from self._labelled(first, text, ROUND_INDENT + 9)

    def _labelled(self, first: str, text: str, indent: int) -> Iterator[str]:
        lines = wrapped(text, self._width, first=" " * indent, indent=indent)
        yield first + lines[0][indent:]
        yield from lines[1:]

    def findings(self, report: Report) -> Iterator[str]:
        """List all that was found: causes with what follows from them, the findings of a check side by side."""
        several = len(report.case.subjects) > 1
        for story in verdict.stories(report):
            yield from self._story(story, several)
            yield ""
        loose = list(self.loose(report))
        yield from [*loose, ""] if loose else []

    def _story(self, story: verdict.Story, several: bool) -> Iterator[str]:
        for finding in story.stated:
            yield from self._finding(finding, several)
        cost = story.diagnosis.cost if story.diagnosis else None
        if cost:
            yield from self._paragraph(proofs.estimate(cost), first="  costs  ", indent=INDENT)
        for finding in story.consequences:
            text = f"{finding.message} · {finding.check}"
            yield from self._paragraph(text, first="  hence  ", indent=INDENT, style=DIM)

    def _finding(self, finding: Finding, several: bool) -> Iterator[str]:
        word = finding.severity.value
        lines = wrapped(finding.message, self._width, first=f"{word:{INDENT}}", indent=INDENT)
        fits = cells(lines[-1]) + 2 + len(finding.check) <= self._width
        lines[0] = self._ink(COLORS[finding.severity], word) + lines[0][len(word) :]
        check = self._ink(DIM, printable(finding.check))
        if fits:
            lines[-1] += f"  {check}"
        else:
            lines.append(" " * INDENT + check)
        yield from lines
        places = verdict.where(finding.at, path=several)
        if places:
            yield from self._paragraph(f"at {', '.join(places)}", style=DIM, indent=INDENT)
        for excerpt in finding.excerpts[:MAX_EXCERPTS]:
            place = self._ink(DIM, printable(excerpt.place))
            yield f"{' ' * INDENT}{place}"
            yield from self._paragraph(exhibits.marked(excerpt), indent=INDENT + 2)
        if finding.repair and finding.repair.summary:
            text = f"→ {finding.repair.summary} ({SAFETY[finding.repair.safety]})"
            yield from self._paragraph(text, first=" " * INDENT, indent=INDENT + 2)
        for item in self._proofs.get(finding.fingerprint, ()):
            yield from self._proof(item)

    def loose(self, report: Report) -> Iterator[str]:
        """Tell the proofs that stand by no finding that is shown."""
        shown = {finding.fingerprint for finding in verdict.opened(report)}
        for item in report.verifications:
            if item.fingerprint not in shown:
                first = f"{'repair':{INDENT}}"
                yield from self._paragraph(f"{item.repair}  {item.check}", first=first, indent=INDENT)
                yield from self._proof(item)

    def _proof(self, item: Verification) -> Iterator[str]:
        """Say what the pairs of runs said, why, and what they cost."""
        word = item.verdict.value
        lines = wrapped(
            f"{word}: {item.reason}" if item.reason else word,
            self._width,
            first=" " * INDENT,
            indent=INDENT + 2,
        )
        lines[0] = lines[0].replace(word, self._ink(INKS[item.verdict], word), 1)
        yield from lines
        told = "; ".join(filter(None, (proofs.change(item), proofs.cost(item))))
        if told:
            yield from self._paragraph(told, style=DIM, first=" " * (INDENT + 2), indent=INDENT + 2)

    def closing(self, report: Report) -> Iterator[str]:
        """Give the verdict, count the six outcomes, and say what stayed open and why."""
        bad = report.count(Severity.ERROR) > 0 or report.incomplete
        sentences = f"{verdict.verdict(report)} {verdict.aside(report)}"
        yield from self._paragraph(sentences, style=RED if bad else BOLD)
        if report.verifications:
            yield from self._paragraph(f"Repairs tried: {proofs.tally(report.verifications)}.", style=BOLD)
        yield from self._paragraph(self._counts(report))
        open_questions = [(e.check, f"{self._ending(e.outcome)}: {e.reason}") for e in verdict.undecided(report)]
        ignored = [
            (finding.check, f"ignored: {finding.message} (reason: {finding.suppressed})")
            for finding in verdict.ignored_for_a_reason(report)
        ]
        yield from self._table(open_questions + ignored)
        for reason, count in verdict.unasked(report):
            noun = verdict.counted(count, verdict.examinations_noun(report))
            yield from self._paragraph(f"{noun} did not apply: {reason}.")
        yield from self._baseline(report)
        found = verdict.stories(report)
        again = verdict.accept_again(report)
        if found or again:
            yield ""
            yield from self._hints(report, found[0].stated[0].check if found else "")

    def _baseline(self, report: Report) -> Iterator[str]:
        """Count what was accepted before, without naming it, and name the entries that want a look."""
        sentence = verdict.baseline_sentence(report)
        if sentence:
            yield from self._paragraph(sentence)
            yield from self._table(
                [(entry.check, f"{entry.message}: {note}") for entry, note in verdict.baseline_notes(report)]
            )

    def changes(self, seen: Comparison) -> Iterator[str]:
        """List what is new, what stayed and what is gone, then the verdict on the last visit."""
        yield from self._table([(name, verdict.verdict(report)) for name, report in seen.visits], style="")
        if seen.aside:
            yield from self._paragraph(seen.aside, style=YELLOW)
        for heading, found in seen.groups:
            yield ""
            yield self._ink(BOLD, heading)
            for change in found:
                yield from self._change(change, seen)
        yield ""
        yield from self._paragraph(seen.sentence[:1].upper() + seen.sentence[1:], style=BOLD)

    def _change(self, change: Change, seen: Comparison) -> Iterator[str]:
        cured = replace(change.finding, repair=None) if change.kind is Kind.GONE else change.finding
        yield from self._finding(cured, several=False)
        if change.before:
            yield from self._paragraph(f"before: {change.before}", style=DIM, indent=INDENT)
        if change.why:
            yield from self._paragraph(f"because {change.why}", style=DIM, indent=INDENT)
        if len(seen.names) > 2:
            there = [name for name, present in change.presence(seen.names) if present]
            yield from self._paragraph(f"found in {', '.join(there)}", style=DIM, indent=INDENT)

    @staticmethod
    def _ending(outcome: Outcome) -> str:
        return "crashed" if outcome is Outcome.CRASHED else "could not tell"

    @staticmethod
    def _counts(report: Report) -> str:
        counts = verdict.outcomes(report)
        total = verdict.counted(sum(counts.values()), verdict.examinations_noun(report))
        each = ", ".join(f"{count:,} {verdict.OUTCOME_WORDS[outcome]}" for outcome, count in counts.items())
        return f"{total} in {report.coverage.seconds:.1f} s (seed {report.doctor.sample_seed}): {each}."

    def _hints(self, report: Report, check: str) -> Iterator[str]:
        if again := verdict.accept_again(report):
            yield from self._paragraph(again, first="Accept anew:    ", indent=16)
        if not check:
            return
        yield from self._paragraph(f"doctor explain {check}", first="What it means:  ", indent=16)
        if not report.case.in_memory:
            again = verdict.repeat(report, "--output", "report.html")
            yield from self._paragraph(again, first="With pictures:  ", indent=16)
