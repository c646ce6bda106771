"""`doctor scan`: examine what lies at a path and report."""

import sys
from pathlib import Path
from typing import Any

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY, EXIT_INCOMPLETE, options
from doctor.cli.writing import OutputFile, write_report
from doctor.rendering import format_of
from doctor.settings import FAIL_ON, Settings, settings_for


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@options.asking
@options.reading
@click.option(
    "--pipeline", metavar="MODULE:FUNCTION", help="Builds the data set; built twice and compared. Runs your code."
)
@options.choosing
@options.accepting
@options.measuring
@click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="text, json, html, markdown, sarif, junit, github or gitlab. [default: text]",
)
@click.option(
    "--output",
    type=OutputFile(),
    help="Write the report here instead of standard output; the suffix picks the format.",
)
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="The least severity that ends in exit status 1. [default: error]"
)
def command(paths: tuple[Path, ...], output: Path | None, format_: str | None, **given: Any) -> int:
    """Examine data sets and the code that trains on them.

    PATHS are files, or folders with CSV, TSV, Parquet, JSONL, Arrow or Feather files (plain, .gz, .zst), data sets
    saved by the Hugging Face library, documents (folders of .txt files, one text each, also in folders of classes or
    splits), images (in folders of classes or splits, named by a table, with annotations of COCO or YOLO, in tar
    shards), or source code. With --pipeline there may be none.

    Exit status: 0 nothing at or above --fail-on, 1 findings, 2 wrong use, 3 a check crashed or
    something could not be read.
    """
    if not paths and not given["pipeline"] and not given["uri"]:
        raise click.UsageError("Missing argument 'PATHS...'; only --pipeline and --uri do without.")
    wishes = options.as_settings({**given, "format": format_ or format_of(output)})
    settings = settings_for(paths[0] if paths else Path(), wishes)
    from doctor.registry import load_renderer

    render = load_renderer(settings.format)
    from doctor.baseline import with_baseline
    from doctor.case import open_case, with_contents
    from doctor.cli.progress import progress
    from doctor.engine import examine

    settings = with_baseline(settings, paths)
    with open_case(paths, settings) as case, progress() as observer:
        report = examine(case, settings, observer)
        if settings.format == "json":
            report = with_contents(report, case)
    text = render(report, color=output is None and sys.stdout.isatty())
    write_report(text, output)
    if report.incomplete:
        return EXIT_INCOMPLETE
    return EXIT_FOUND if fails(report, settings) else EXIT_HEALTHY


def fails(report: Any, settings: Settings) -> bool:
    """Whether there is a finding at or above the severity of `--fail-on`."""
    from doctor.model import Severity

    if settings.fail_on == "never":
        return False
    bound = Severity(settings.fail_on).rank
    return any(report.count(severity) for severity in Severity if severity.rank <= bound)
