"""`doctor autopsy`: find out why a run died, from what it left behind."""

import sys
from pathlib import Path
from typing import Any

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY, EXIT_INCOMPLETE, options
from doctor.cli.writing import OutputFile, write_report
from doctor.errors import CannotOpen, UsageError
from doctor.settings import FAIL_ON, settings_for


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("path", metavar="RUN|LOG|TBDIR", type=click.Path(path_type=Path))
@click.option("--select", multiple=True, metavar="CHECK", help="Run only these checks (id, family or name).")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Do not run these checks.")
@click.option("--set", "set_", multiple=True, metavar="CHECK.THRESHOLD=VALUE", help="Change a threshold.")
@options.accepting
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
def command(path: Path, output: Path | None, format_: str | None, **given: Any) -> int:
    """Find out why a run died, from what it left behind.

    PATH is a folder kept by `doctor watch`, a text log (DeepSpeed, Megatron, Hugging Face, tqdm, your own), a
    trainer_state.json, a folder of TensorBoard event files, a CSV of metrics, or a folder with any of these.
    """
    from doctor.baseline import with_baseline
    from doctor.case import case_of_run
    from doctor.cli.scan import fails
    from doctor.engine import examine
    from doctor.registry import load_renderer
    from doctor.rendering import format_of
    from doctor.subjects.logs.opening import open_anything

    wishes = options.as_settings({**given, "format": format_ or format_of(output)})
    settings = with_baseline(settings_for(path, wishes), [path])
    render = load_renderer(settings.format)
    try:
        run = open_anything(path)
    except CannotOpen as error:
        raise UsageError(str(error)) from error
    report = examine(case_of_run(run), settings)
    write_report(render(report, color=output is None and sys.stdout.isatty()), output)
    if report.incomplete:
        return EXIT_INCOMPLETE
    return EXIT_FOUND if fails(report, settings) else EXIT_HEALTHY
