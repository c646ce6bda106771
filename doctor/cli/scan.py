"""`doctor scan`: examine what lies at a path and report."""

import sys
from pathlib import Path
from typing import Any

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY, EXIT_INCOMPLETE
from doctor.errors import UsageError
from doctor.settings import FAIL_ON, Settings, settings_for

FORMAT_OF_SUFFIX = {
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    "code-quality-report.json": "gitlab",
    ".json": "json",
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".xml": "junit",
}
"""Formats by the end of a file's name, the first that fits; GitLab's is the usual name of its reports."""


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--target", metavar="COLUMN", help="The column to be predicted.")
@click.option("--time", metavar="COLUMN", help="The column that says when a row happened.")
@click.option(
    "--group", multiple=True, metavar="COLUMN", help="A column whose groups must not be torn apart by a split."
)
@click.option(
    "--annotators",
    metavar="A,B,…",
    help="Columns with one annotator's labels each, or the one that names the annotator.",
)
@click.option("--item", metavar="COLUMN", help="The annotated item, where each row is one annotation.")
@click.option("--scale", metavar="NAME", help="Scale of the annotations: nominal, ordinal, interval or ratio.")
@click.option("--split", multiple=True, metavar="NAME=GLOB", help="Files of a split, such as test=held_out/*.csv.")
@click.option("--split-column", metavar="COLUMN", help="The column that names each row's split.")
@click.option("--header", type=click.Choice(("yes", "no")), help="Whether text tables begin with column names.")
@click.option("--delimiter", metavar="CHARACTER", help="What separates the fields of text tables; tab is a word too.")
@click.option("--encoding", metavar="NAME", help="The encoding of text files, such as latin-1.")
@click.option(
    "--pipeline", metavar="MODULE:FUNCTION", help="Builds the data set; built twice and compared. Runs your code."
)
@click.option("--select", multiple=True, metavar="CHECK", help="Run only these checks (id, family or name).")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Do not run these checks.")
@click.option("--set", "set_", multiple=True, metavar="CHECK.THRESHOLD=VALUE", help="Change a threshold.")
@click.option(
    "--budget", type=click.FloatRange(min=0), metavar="SECONDS", help="Skip the dearest measures once this is spent."
)
@click.option("--memory-limit", metavar="SIZE", help="Memory for the table engine, such as 1GB.")
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads for the table engine.")
@click.option("--sample-seed", type=int, metavar="N", help="Seed of the rows drawn for fitted measures. [default: 0]")
@click.option("--sample-rows", type=int, metavar="N", help="Rows drawn for fitted measures. [default: 50000]")
@click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="text, json, html, markdown, sarif, junit, github or gitlab. [default: text]",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report here instead of standard output; the suffix picks the format.",
)
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="The least severity that ends in exit status 1. [default: error]"
)
def command(
    paths: tuple[Path, ...], output: Path | None, format_: str | None, set_: tuple[str, ...], **given: Any
) -> int:
    """Examine data sets and the code that trains on them.

    PATHS are files, or folders with CSV, TSV, Parquet, JSONL, Arrow or Feather files (plain, .gz, .zst), data sets
    saved by the Hugging Face library, or source code. With --pipeline there may be none.

    Exit status: 0 nothing at or above --fail-on, 1 findings, 2 wrong use, 3 a check crashed or
    something could not be read.
    """
    given["annotators"] = tuple(filter(None, (given["annotators"] or "").split(",")))
    if not paths and not given["pipeline"]:
        raise click.UsageError("Missing argument 'PATHS...'; only --pipeline does without.")
    settings = settings_for(
        paths[0] if paths else Path(), {**given, "format": format_ or _format_of(output), "set": set_}
    )
    from doctor.registry import load_renderer

    render = load_renderer(settings.format)
    from doctor.case import open_case
    from doctor.cli.progress import progress
    from doctor.engine import examine

    with open_case(paths, settings) as case, progress() as observer:
        report = examine(case, settings, observer)
    text = render(report, color=output is None and sys.stdout.isatty())
    _write(text, output)
    if report.incomplete:
        return EXIT_INCOMPLETE
    return EXIT_FOUND if fails(report, settings) else EXIT_HEALTHY


def _format_of(output: Path | None) -> str | None:
    if output is None:
        return None
    name = output.name.lower()
    return next((format_ for suffix, format_ in FORMAT_OF_SUFFIX.items() if name.endswith(suffix)), None)


def _write(text: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error
    click.echo(f"doctor: report written to {output}", err=True)


def fails(report: Any, settings: Settings) -> bool:
    """Whether there is a finding at or above the severity of `--fail-on`."""
    from doctor.model import Severity

    if settings.fail_on == "never":
        return False
    bound = Severity(settings.fail_on).rank
    return any(report.count(severity) for severity in Severity if severity.rank <= bound)
