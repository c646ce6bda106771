"""`doctor fix`: write a repaired copy of data and code, and show that it is one."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY, EXIT_INCOMPLETE, options
from doctor.errors import UsageError
from doctor.settings import Settings, settings_for

if TYPE_CHECKING:
    from doctor.model import Finding, Report
    from doctor.repair.comparing import Comparison
    from doctor.repair.copying import Written
    from doctor.repair.plan import Edit, Plan

INDENT = 11


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="Where the copy goes; a new folder.")
@click.option(
    "--from",
    "from_",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="REPORT",
    help="Repair the findings of this JSON report by doctor scan instead of scanning; refused if the data changed.",
)
@click.option("--only", multiple=True, metavar="CHECK", help="Repair only what these checks find (id, family or name).")
@click.option("--dry-run", is_flag=True, help="Show the plan and write nothing.")
@click.option("--diff", is_flag=True, help="Print what changes in programs and configurations as a unified diff.")
@click.option("--unsafe", is_flag=True, help="Also make the edits that want a look first.")
@click.option(
    "--list-only",
    is_flag=True,
    help="Of images, write which stay and which go, and copy nothing.",
)
@click.option("--force", is_flag=True, help="Replace an earlier copy by doctor fix.")
@options.reading
@options.choosing
@options.measuring
def command(
    paths: tuple[Path, ...],
    output: Path | None,
    from_: Path | None,
    only: tuple[str, ...],
    dry_run: bool,
    diff: bool,
    unsafe: bool,
    list_only: bool,
    force: bool,
    **given: Any,
) -> int:
    """Write a repaired copy of data and code, in the same layout and formats; the original is never changed.

    The copy holds plan.toml (every edit, the findings it cures, how safe it is), CHANGES.md (the same for people) and
    .review/ (rows and images that a person should look at, the most suspicious first; images that were left out). Then
    it is scanned. With --list-only nothing is copied: the output holds kept.csv and left-out.csv, which name images.

    Exit status: 0 what was to be repaired is, 1 something was not or a new warning or error came, 2 wrong use, 3
    something could not be read or written.
    """
    if output is None and not (dry_run or diff):
        raise UsageError("fix: say where the copy goes with --output DIR, or look at the plan with --dry-run or --diff")
    from doctor.case import open_case
    from doctor.cli.progress import progress
    from doctor.repair.copying import places_of, refuse_databases, write_lists
    from doctor.repair.differences import differences
    from doctor.repair.folder import refuse_output
    from doctor.repair.plan import make_plan
    from doctor.repair.proving import repair

    refuse_databases(paths)
    if output is not None:
        refuse_output(output, paths, force=force)
        places_of(paths)
    earlier = _report_of(from_) if from_ else None
    settings = _settings(paths, given, earlier)
    with open_case(paths, settings) as case:
        if not case.paths:
            raise UsageError(f"{paths[0]}: it is the folder of a run; fix repairs data sets")
        with progress() as observer:
            report = _examined(case, settings, observer, earlier, from_)
        if list_only and not case.images:
            raise UsageError(f"--list-only {paths[0]}: there are no images here")
        if dry_run or list_only or output is None:
            plan = make_plan(report, case, only=only, unsafe=unsafe, list_only=list_only)
            if output is not None and not dry_run:
                names = write_lists(plan, case, output, force=force)
                _say(_planned(plan, dry_run=False))
                _say(_paragraph("written", f"{output}: {', '.join(names)}"))
            elif dry_run or not diff:
                _say(_planned(plan, dry_run=True))
            if diff:
                _say(differences(plan, case))
            _say(_troubles(report))
            return EXIT_INCOMPLETE if report.incomplete else EXIT_HEALTHY
        with progress() as observer:
            proof = repair(report, case, settings, output, only=only, unsafe=unsafe, force=force, observer=observer)
        if diff:
            _say(differences(proof.plan, case))
    _say(_planned(proof.plan, dry_run=False))
    _say(_written(proof.written))
    _say(_compared(proof.comparison))
    _say(_troubles(proof.after))
    if report.incomplete or proof.after.incomplete:
        return EXIT_INCOMPLETE
    return EXIT_HEALTHY if proof.comparison.sound else EXIT_FOUND


def _report_of(path: Path) -> "Report":
    """Read a report.

    Raises
    ------
    UsageError
        When it is none.
    """
    from doctor.baseline import lifted
    from doctor.reading import read_report

    try:
        return lifted(read_report(path))
    except UsageError as error:
        raise UsageError(f"no report by doctor scan --format json: {error}") from error


def _settings(paths: Sequence[Path], given: dict[str, Any], earlier: "Report | None") -> Settings:
    """Read the data as it was read for the report, unless the command line says otherwise."""
    if earlier is not None:
        import shlex

        from doctor.cli.scan import command as scan

        told = [shlex.split(word)[0] if word else word for word in earlier.doctor.repeat]
        before = scan.make_context("scan", [str(paths[0]), *told]).params
        given = {name: value if value not in (None, ()) else before.get(name) for name, value in given.items()}
    return settings_for(paths[0], {**options.as_settings(given), "format": "text"})


def _examined(case: Any, settings: Settings, observer: Any, earlier: "Report | None", origin: Path | None) -> "Report":
    from doctor.engine import examine
    from doctor.repair.sameness import refuse_changed

    if earlier is None:
        found: Report = examine(case, settings, observer)
        return found
    refuse_changed(earlier, case, origin)
    return earlier


def _say(lines: Iterator[str]) -> None:
    for line in lines:
        click.echo(line)
    sys.stdout.flush()


def _paragraph(word: str, text: str) -> Iterator[str]:
    import textwrap

    from doctor.masking import without_secrets
    from doctor.wording import printable

    lead = f"{word:{INDENT}}"
    yield from textwrap.wrap(
        printable(without_secrets(text)),
        100,
        initial_indent=lead,
        subsequent_indent=" " * INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _planned(plan: "Plan", *, dry_run: bool) -> Iterator[str]:
    from doctor.wording import printable

    if not plan.edits:
        yield f"{printable(plan.path)}: no finding carries a repair"
        yield ""
        return
    made = sum(edit.applied for edit in plan.edits)
    would = "would be made" if dry_run else "made"
    yield f"{printable(plan.path)}: {made} of {len(plan.edits)} repairs {would}"
    for edit in plan.edits:
        yield from _edit(edit)
    yield ""


def _edit(edit: "Edit") -> Iterator[str]:
    from doctor.repair.papers import effect_lines

    word = "do" if edit.applied else "by hand" if edit.why_not == "by hand" else "leave"
    checks = ", ".join(edit.checks)
    tail = f" ({edit.safety.value})" if edit.applied else "" if word == "by hand" else f": {edit.why_not}"
    yield from _paragraph(word, f"{edit.summary}{tail}  {checks}")
    if edit.applied:
        yield from _paragraph("", "; ".join(effect_lines(edit)))


def _troubles(report: "Report") -> Iterator[str]:
    """Say what could not be examined, for then something may be ill that nobody saw."""
    from doctor.model import Outcome
    from doctor.wording import printable

    for problem in report.case.problems:
        yield printable(f"cannot read {problem}")
    for examination in report.examinations:
        if examination.outcome is Outcome.CRASHED:
            yield from _paragraph("crashed", f"{examination.check}: {examination.reason}")


def _written(written: "Written") -> Iterator[str]:
    rewritten, copied = len(written.rewritten), len(written.copied)
    files = f"{rewritten} file{'s' if rewritten != 1 else ''} rewritten, {copied} copied byte for byte"
    yield from _paragraph("written", f"{written.output}: {files}; {', '.join(written.papers)}")
    if written.left_out:
        lines = f"{written.left_out:,} record{'s' if written.left_out > 1 else ''}"
        yield from _paragraph("", f"{lines} that cannot be read as rows left out of it, kept in .review")
    yield ""


def _compared(comparison: "Comparison") -> Iterator[str]:
    counts = (
        (len(comparison.gone), "gone"),
        (len(comparison.stayed), "left"),
        (len(comparison.unknown), "not decided"),
        (len(comparison.came), "new"),
    )
    said = ", ".join(f"{count} {word}" for count, word in counts if count or word in ("gone", "new"))
    yield f"The copy scanned: findings {said}"
    unsolved = {finding.fingerprint for finding in comparison.unsolved}
    for finding in comparison.gone:
        yield from _paragraph("gone", _line(finding))
    for finding in comparison.stayed:
        yield from _paragraph("left", _line(finding))
    for finding in comparison.unsolved:
        if finding.fingerprint in comparison.unknown:
            reason = comparison.unknown[finding.fingerprint]
            yield from _paragraph("undecided", f"{_line(finding)}: {reason}")
    for finding in comparison.came:
        yield from _paragraph("new", f"{finding.severity.value}: {_line(finding)}")
    if unsolved:
        are = "is" if len(unsolved) == 1 else "are"
        yield f"{len(unsolved)} of the findings that were to be repaired {are} not shown to be"


def _line(finding: "Finding") -> str:
    return f"{finding.message}  {finding.check}"
