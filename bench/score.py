"""Scores the findings against a data folder whose EXPECT.yaml files say what is there and what is not.

Exit status 1 when a must in reach is missed, a must_not is violated, a published agreement figure is not met, a
case is not read or a check crashes.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import expectations
import image_expectations
import published
from expectations import Case, Entry, Level
from scanning import Scan, ScanFailed, by_command, in_process

from doctor.model import Finding, Outcome, Severity
from doctor.registry import choose, load_checks
from doctor.settings import Settings

OUT_OF_REACH = Path(__file__).resolve().parent / "out_of_reach.toml"


@dataclass(kw_only=True)
class Score:
    """What became of every entry, and what else came up."""

    counts: defaultdict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    missed: list[Entry] = field(default_factory=list)
    unreachable: list[tuple[Entry, str]] = field(default_factory=list)
    violations: list[tuple[Entry, Finding]] = field(default_factory=list)
    tolerated: list[tuple[Entry, Finding]] = field(default_factory=list)
    unlisted: list[tuple[Case, Finding]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    @property
    def missed_musts(self) -> list[Entry]:
        """Misses that count."""
        return [entry for entry in self.missed if entry.level is Level.MUST]

    @property
    def failed(self) -> bool:
        """Whether the exit status is 1."""
        return bool(self.missed_musts or self.violations or self.troubles)


def score_case(score: Score, case: Case, scan: Scan, select: Sequence[str], installed: Collection[str]) -> None:
    """Scan one case and enter what came of it."""
    needs = expectations.read_needs(OUT_OF_REACH)
    try:
        report = scan(case.paths, target=case.target, select=select)
    except ScanFailed as failure:
        score.troubles.append(f"{case.name}: not scanned: {failure}")
        report = None
    if report is not None:
        crashed = [e for e in report.examinations if e.outcome is Outcome.CRASHED]
        score.troubles += [f"{case.name}: {e.check} crashed: {e.reason}" for e in crashed]
        score.troubles += [f"{case.name}: {problem}" for problem in report.case.problems]
    for entry in case.expect:
        why_not = expectations.out_of_reach(entry, case, needs, installed)
        if why_not is not None:
            score.unreachable.append((entry, why_not))
            score.counts[entry.kind][f"{entry.level} out of reach"] += 1
        elif report is not None and expectations.met(report, entry):
            score.counts[entry.kind][f"{entry.level} found"] += 1
        else:
            score.missed.append(entry)
            score.counts[entry.kind][f"{entry.level} missed"] += 1
    for entry in case.must_not if report is not None else ():
        for finding in expectations.false_alarms(report, entry):
            counted = expectations.is_violation(finding, entry, case)
            (score.violations if counted else score.tolerated).append((entry, finding))
            score.counts[entry.kind]["false" if counted else finding.severity.value] += 1
    if report is not None:
        score.unlisted += [(case, finding) for finding in expectations.unlisted(report, case)]


def score_images(score: Score, folder: Path, scan: Scan, select: Sequence[str]) -> list[str]:
    """Scan collections of images, and say line by line what was expected of them and what came."""
    lines = ["", "images"]
    if not (folder / "EXPECT.yaml").is_file():
        return []
    for name, (path, pictures) in image_expectations.read_collections(folder).items():
        try:
            report = scan((path,), target=None, select=select)
        except ScanFailed as failure:
            score.troubles.append(f"images/{name}: not scanned: {failure}")
            continue
        crashed = [e for e in report.examinations if e.outcome is Outcome.CRASHED]
        score.troubles += [f"images/{name}: {e.check} crashed: {e.reason}" for e in crashed]
        for picture in pictures:
            if picture.level is None:
                false = image_expectations.violation(report, picture)
                lines.append(f"  must_not {'violated' if false else 'kept'}: {picture}")
                score.troubles += [f"{picture}: {false.check}: {false.message}"] if false else []
                continue
            found = image_expectations.met(report, picture)
            lines.append(f"  {picture.level} {'found' if found else 'missed'}: {picture}")
            if not found and picture.level is Level.MUST:
                score.troubles.append(f"missed: {picture}")
    return lines


def table(score: Score) -> list[str]:
    """Lay out the counts kind by kind."""
    head = ["kind", *(f"{level} {word}" for level in Level for word in ("found", "missed")), "out of reach", "false"]
    head += ["tolerated warning", "tolerated info"]
    rows = [head]
    for kind in [*sorted(score.counts), "all"]:
        counts = score.counts[kind] if kind != "all" else sum(score.counts.values(), Counter())
        away = sum(counts[f"{level} out of reach"] for level in Level)
        cells = [counts[name] for name in head[1:7]] + [away, counts["false"], counts["warning"], counts["info"]]
        rows.append([kind, *map(str, cells)])
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]


def listing(score: Score) -> list[str]:
    """List every miss, every false alarm and everything that was not scored."""
    lines: list[str] = []

    def section(title: str, items: Collection[str]) -> None:
        lines.extend(["", f"{title}: {len(items)}", *(f"  {item}" for item in items)])

    for level in Level:
        section(f"{level} missed", [str(entry) for entry in score.missed if entry.level is level])
    section("must_not violated", [_alarm(entry, finding) for entry, finding in score.violations])
    section("must_not spoken of below error level, which is allowed", [_alarm(*pair) for pair in score.tolerated])
    errors = [f"{case.name}: {finding.check}: {finding.message}" for case, finding in score.unlisted]
    section("errors of which the data folder says nothing, for a person to judge", errors)
    away = [f"{entry.level}: {entry} [{why}]" for entry, why in score.unreachable if entry.level is Level.MUST]
    section("must out of reach", away)
    section("troubles", score.troubles)
    return lines


def _alarm(entry: Entry, finding: Finding) -> str:
    return f"{finding.severity}: {entry} → {finding.check}: {finding.message}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Score the folder named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with tabular/EXPECT.yaml and annotators/EXPECT.yaml")
    parser.add_argument("--checks", nargs="*", default=(), metavar="CHECK", help="ids, families or names; default all")
    parser.add_argument("--file", action="append", help="score only this case, as EXPECT.yaml names it")
    parser.add_argument("--by-command", action="store_true", help="run the installed command for each case")
    given = parser.parse_args(arguments)
    installed = {check.id for check in choose(load_checks(), Settings(select=tuple(given.checks)))}
    scan: Scan = by_command if given.by_command else in_process
    score = Score()
    cases = expectations.read_cases(given.data / "tabular")
    unknown = set(given.file or ()) - {case.name for case in cases}
    if unknown:
        parser.error(f"EXPECT.yaml has no case {', '.join(sorted(unknown))}")
    for case in cases:
        if not given.file or case.name in given.file:
            score_case(score, case, scan, given.checks, installed)
    print("\n".join([*table(score), *listing(score)]))
    pictures = (
        score_images(score, given.data / "images", scan, given.checks) if not (given.file or given.checks) else []
    )
    print("\n".join(pictures))
    figures = []
    if not given.file and published.CHECK in installed and (given.data / "annotators").is_dir():
        figures = published.figures(given.data / "annotators")
        print("\n".join(["", "published agreement figures ↔ measured", *(f"  {figure}" for figure in figures)]))
    different = [figure for figure in figures if not figure.equal]
    disputed = [figure for figure in figures if figure.equal and figure.disputed]
    worst = sum(1 for _, finding in score.violations if finding.severity is Severity.ERROR)
    print(
        f"\n{len(score.missed_musts)} must missed in reach, {len(score.violations)} must_not violated "
        f"({worst} at error level), {len(different)} of {len(figures)} published figures missed, "
        f"{len(disputed)} disputed, {len(score.troubles)} troubles"
    )
    return int(score.failed or bool(different))


if __name__ == "__main__":
    sys.exit(main())
