"""`doctor baseline`: accept what is found today, so that later scans show what is new."""

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doctor.cli import EXIT_HEALTHY, EXIT_INCOMPLETE, options
from doctor.cli.writing import OutputFile, refuse_unwritable
from doctor.settings import settings_for

if TYPE_CHECKING:
    from doctor.accepting import Update

MAX_NAMED = 20


def _day(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime.date | None:
    """Read a day as `2027-01-31`, or as a number of days from today: `90`, `90d`."""
    if value is None:
        return None
    today = datetime.date.today()
    try:
        days = re.fullmatch(r"(\d+)\s*d?(?:ays)?", value.strip())
        day = today + datetime.timedelta(int(days[1])) if days else datetime.date.fromisoformat(value.strip())
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{value!r} is neither a day, such as 2027-01-31, nor a number of days", context, parameter
        ) from None
    if day < today:
        raise click.BadParameter(f"{value} is over", context, parameter)
    return day


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="The baseline. [default: the nearest doctor-baseline.toml, else one beside the settings file or here]",
)
@click.option("--reason", default="", help="Why what is accepted now is accepted.")
@click.option("--expires", callback=_day, metavar="DAY|DAYS", help="Accept it until this day, or for so many days.")
@options.asking
@options.reading
@click.option("--pipeline", metavar="MODULE:FUNCTION", help="Builds the data set; built twice and compared.")
@options.choosing
@options.measuring
def command(
    paths: tuple[Path, ...], output: Path | None, reason: str, expires: datetime.date | None, **given: Any
) -> int:
    """Accept what is found today, so that doctor scan shows what is new.

    The findings are written to doctor-baseline.toml, to be kept under version control. Findings that are accepted
    there already keep their date and their reason, and those that are gone are taken out.

    Exit status: 0 when the file is written, 2 wrong use, 3 a check crashed or something could not be read: what was
    found is accepted all the same.
    """
    if not paths and not given["pipeline"] and not given["uri"]:
        raise click.UsageError("Missing argument 'PATHS...'; only --pipeline and --uri do without.")
    settings = settings_for(paths[0] if paths else Path(), options.as_settings(given))
    from doctor import baseline
    from doctor.accepting import file_for, updated
    from doctor.case import open_case
    from doctor.cli.progress import progress
    from doctor.engine import examine

    file = output or file_for(paths, settings)
    refuse_unwritable(file)
    known = baseline.read(file) if file.exists() else []
    with open_case(paths, settings) as case, progress() as observer:
        report = examine(case, settings, observer)
        update = updated(known, file, report, case, reason=reason.strip(), expires=expires)
    if update.entries or file.exists():
        baseline.write(update.entries, file)
    for line in _told(update, file):
        click.echo(line)
    if not report.incomplete:
        return EXIT_HEALTHY
    for problem in report.masked().case.problems:
        click.echo(f"doctor: cannot read {problem}", err=True)
    for examination in report.examinations:
        if examination.outcome.value == "crashed":
            click.echo(f"doctor: {examination.check} crashed: {examination.reason}", err=True)
    return EXIT_INCOMPLETE


def _told(update: "Update", file: Path) -> Iterator[str]:
    accepted = len(update.added) + len(update.renewed) + len(update.kept)
    if not update.entries and not update.gone:
        yield f"{file}: nothing was found, so there is nothing to accept"
        return
    counts = ((update.added, "new"), (update.renewed, "again"), (update.kept, "known"))
    said = ", ".join(f"{len(some)} {word}" for some, word in counts if some)
    findings = f"{accepted} finding{'' if accepted == 1 else 's'} accepted"
    yield f"{file}: {findings}{f' ({said})' if said else ''}"
    for word, some in (("new", update.added), ("again", update.renewed), ("gone", update.gone)):
        for entry in some[:MAX_NAMED]:
            yield f"{word:9}{entry.message}  {entry.check}"
        if len(some) > MAX_NAMED:
            yield f"{'':9}and {len(some) - MAX_NAMED} more"
    if update.gone:
        yield f"{len(update.gone)} taken out, for the finding is not there any more"
    if update.unseen:
        yield f"{update.unseen} left as they are: of other paths, or of checks that did not look"
