"""`doctor clinic`: take every patient from the symptom to the verdict."""

import sys
import time
from pathlib import Path

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY
from doctor.cli.writing import OutputFile, write_report


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--only", multiple=True, metavar="CHECK", help="Only these patients: a check (id, family or name).")
@click.option(
    "--patients",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Where the patients are. [default: fixtures of the checkout]",
)
@click.option("--workers", type=click.IntRange(min=1), default=2, metavar="N", help="Patients at a time.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="SECONDS", help="See nobody after this.")
@click.option("--cache", type=click.Path(path_type=Path), help="Keep results here. [default: all is run anew]")
@click.option("--format", "format_", metavar="FORMAT", help="text, json or html. [default: text]")
@click.option("--output", type=OutputFile(), help="Write the table here.")
@click.option("--page", type=OutputFile(), metavar="FILE", help="Write the HTML page here as well.")
def command(
    only: tuple[str, ...],
    patients: Path | None,
    workers: int,
    budget: float | None,
    cache: Path | None,
    format_: str | None,
    output: Path | None,
    page: Path | None,
) -> int:
    """Take every patient from the symptom to the verdict: symptom, finding, repair, symptom gone.

    A patient is a clinic.toml beside sick data or a sick program. Controls are among them: a repair of healthy data
    must come out as not testable, and a wrong one as refuted.

    Exit status: 0 all as expected, 1 a symptom did not show, a finding was missing or a verdict was another one, 2
    wrong use.
    """
    begin = time.monotonic()
    from doctor.cli.progress import progress
    from doctor.registry import load_renderer
    from doctor.rendering import format_of
    from doctor.verify.cache import Cache
    from doctor.verify.clinic import find_patients, make_round

    render = load_renderer(format_ or format_of(output) or "text", "render_round")
    cases = find_patients(patients or _fixtures(), only)
    with progress(unit="patient") as observer:
        made = make_round(
            cases,
            workers=workers,
            deadline=begin + budget if budget is not None else None,
            cache=Cache(cache),
            observer=observer,
        )
    if page is not None:
        write_report(load_renderer("html", "render_round")(made), page)
    write_report(render(made, color=output is None and sys.stdout.isatty()), output)
    return EXIT_FOUND if made.failed else EXIT_HEALTHY


def _fixtures() -> Path:
    """Return the patients of the checkout that this is installed from, else those of the working directory."""
    import doctor

    beside = Path(doctor.__file__).resolve().parent.parent / "fixtures"
    return beside if beside.is_dir() else Path("fixtures")
