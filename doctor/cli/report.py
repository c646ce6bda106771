"""`doctor report`: show stored reports in another format, and what changed between them."""

import sys
from pathlib import Path

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY, EXIT_INCOMPLETE
from doctor.cli.writing import OutputFile, write_report
from doctor.settings import FAIL_ON


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="text, html, markdown, sarif, junit, github, gitlab or json. [default: text]",
)
@click.option(
    "--output",
    type=OutputFile(),
    help="Write here instead of standard output; the suffix picks the format.",
)
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="End in exit status 1 on findings of this severity; else 0 or 2."
)
def command(files: tuple[Path, ...], output: Path | None, format_: str | None, fail_on: str | None) -> int:
    """Show a stored report in another format; of several, what changed between them.

    FILE is a report in JSON, as --format json writes it, or the folder of a watched run. With several, the oldest
    first, findings are new, gone or stayed; they are told apart by their fingerprints. Formats for several are text,
    html and markdown.

    Exit status: 0, or 2 where a file is no report. With --fail-on, that of the last report as doctor scan gives it.
    """
    from msgspec.structs import replace

    from doctor.reading import read_report
    from doctor.registry import load_renderer
    from doctor.rendering import format_of

    name = format_ or format_of(output) or "text"
    render = load_renderer(name, "render_changes" if len(files) > 1 else "render")
    reports = [read_report(file) for file in files]
    if fail_on is not None:
        reports = [replace(report, doctor=replace(report.doctor, fail_on=fail_on)) for report in reports]
    told = list(zip(map(str, files), reports, strict=True)) if len(files) > 1 else reports[0]
    write_report(render(told, color=output is None and sys.stdout.isatty()), output)
    if fail_on is None:
        return EXIT_HEALTHY
    last = reports[-1]
    if last.incomplete:
        return EXIT_INCOMPLETE
    return EXIT_FOUND if any(map(last.fails, last.findings)) else EXIT_HEALTHY
