"""`doctor verify`: try repairs by training with and without them."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY, EXIT_INCOMPLETE, options
from doctor.cli.writing import OutputFile, write_report
from doctor.errors import UsageError
from doctor.settings import FAIL_ON, Settings, settings_for

if TYPE_CHECKING:
    from doctor.measurements import Observer
    from doctor.model import Report
    from doctor.verify.cache import Cache

MIN_SEEDS = 3
OF_THE_VISIT = (
    *("target", "time", "group", "annotators", "item", "scale", "split", "split_column", "header", "delimiter"),
    *("predictions", "encoding", "range", "pattern", "pipeline", "set_", "fail_on"),
)
"""Options that are settings, by the names of `doctor.settings.Settings`."""


class _Divided(click.Command):
    """A command that knows what stood before `--` and what after it."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Keep the user's own command apart."""
        here = args.index("--") if "--" in args else len(args)
        context.meta["command"] = tuple(args[here + 1 :])
        context.meta["divided"] = here < len(args)
        return super().parse_args(context, args[:here])


@click.command(
    cls=_Divided,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
    options_metavar="[OPTIONS]",
    epilog="After -- stands a command of yours: doctor verify RUN -- python train.py",
)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", "checks", multiple=True, metavar="CHECK", help="Only these checks (id, family or name).")
@click.option(
    "--config", type=click.Path(path_type=Path), metavar="FILE", help="Try repairs of this DeepSpeed configuration."
)
@click.option("--dataset", type=click.Path(path_type=Path), help="With --config: what to train on.")
@click.option("--device-memory", metavar="SIZE", help="With --config: memory a training may use, such as 500MB.")
@click.option("--stress", is_flag=True, help="Raise the learning rate until the loss breaks; name the usable range.")
@click.option("--seeds", type=click.IntRange(min=MIN_SEEDS), default=MIN_SEEDS, metavar="N", help="Pairs of runs.")
@click.option("--steps", type=click.IntRange(min=1), metavar="N", help="Updates of each run. [default: 300]")
@click.option("--cache", type=click.Path(path_type=Path), help="[default: the user's cache folder, doctor/verify]")
@click.option("--no-cache", is_flag=True, help="Run everything anew and keep nothing.")
@options.reading
@click.option("--pipeline", metavar="MODULE:FUNCTION", help="Builds the data set, again and again. Runs your code.")
@click.option("--set", "set_", multiple=True, metavar="CHECK.THRESHOLD=VALUE", help="Change a threshold.")
@click.option("--budget", type=click.FloatRange(min=0), metavar="SECONDS", help="Begin no run after this; go on later.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Runs at a time. [default: one per core]")
@click.option(
    "--format",
    "format_",
    metavar="FORMAT",
    help="text, json, html, markdown, sarif, junit, github or gitlab. [default: text]",
)
@click.option("--output", type=OutputFile(), help="Write the report here.")
@click.option(
    "--fail-on",
    type=click.Choice(FAIL_ON),
    help="A refuted repair of a finding at least this severe ends in exit status 1. [default: error]",
)
@click.pass_context
def command(context: click.Context, /, paths: tuple[Path, ...], output: Path | None, **given: Any) -> int:
    """Try repairs by training with and without them, and say which hold.

    PATHS are a data set: the repair of each finding is tried with the reference trainer. With --config the symptom of a
    DeepSpeed configuration is brought about and cured; with a run folder and a command after -- your own training is
    run again, for a bounded number of steps.

    Exit status: 0 no repair refuted, 1 one was, for a finding at or above --fail-on, 2 wrong use, 3 a check crashed or
    something could not be read. Findings alone do not fail: here the repairs are examined.
    """
    own, divided = context.meta["command"], context.meta["divided"]
    if divided and not own:
        raise UsageError("verify: no command after --")
    from doctor.registry import load_renderer
    from doctor.rendering import format_of

    begin = time.monotonic()
    settings = _settings(paths, given, given.pop("format_") or format_of(output))
    render = load_renderer(settings.format)
    work = _form(paths, own, given, settings, begin)
    cache = _cache(given)
    from doctor.cli.progress import progress

    with progress(unit="run") as observer:
        report = work(observer, cache)
    if cache.trouble:
        click.echo(f"doctor: {cache.trouble}", err=True)
    write_report(render(report, color=output is None and sys.stdout.isatty()), output)
    if report.incomplete:
        return EXIT_INCOMPLETE
    return EXIT_FOUND if refuted(report, settings) else EXIT_HEALTHY


def _settings(paths: tuple[Path, ...], given: dict[str, Any], format_: str | None) -> Settings:
    asked = options.as_settings({name: given[name] for name in OF_THE_VISIT})
    return settings_for(paths[0] if paths else Path(), {**asked, "format": format_})


Work = Callable[["Observer", "Cache"], "Report"]


def _form(
    paths: tuple[Path, ...], own: tuple[str, ...], given: dict[str, Any], settings: Settings, begin: float
) -> Work:
    """Return what is to be done, by which of its forms the command was called."""
    deadline = begin + given["budget"] if given["budget"] is not None else None
    limits: dict[str, Any] = {"seeds": tuple(range(given["seeds"])), "deadline": deadline}
    if given["steps"] is not None:
        limits["steps"] = given["steps"]
    if given["dataset"] is not None and given["config"] is None:
        raise UsageError("verify: --dataset goes with --config; a data set alone is named without it")
    if given["device_memory"] is not None and given["config"] is None:
        raise UsageError("verify: --device-memory goes with --config FILE")
    if given["stress"]:
        return _stress(paths, own, given, settings, limits)
    if given["config"] is not None:
        return _config(paths, own, given, settings, limits)
    if own:
        return _command(paths, own, given, settings, limits)
    if not paths and not given["pipeline"]:
        raise UsageError("verify: name a data set, --config FILE, or a run and a command: doctor verify RUN -- COMMAND")

    def work(observer: "Observer", cache: "Cache") -> "Report":
        from doctor.verify.data import verify_data

        return verify_data(
            paths,
            settings,
            checks=given["checks"],
            cache=cache,
            observer=observer,
            workers=given["workers"],
            **limits,
        )

    return work


def _config(
    paths: tuple[Path, ...], own: tuple[str, ...], given: dict[str, Any], settings: Settings, limits: dict[str, Any]
) -> Work:
    if own:
        raise UsageError("verify: --config is for the reference trainer; a command of yours has its own configuration")
    named = [*paths, *filter(None, [given["dataset"]])]
    if len(named) > 1:
        raise UsageError("verify: --config takes one data set")
    memory = given["device_memory"]

    def work(observer: "Observer", cache: "Cache") -> "Report":
        from doctor.sizes import bytes_of
        from doctor.verify.config import verify_config

        return verify_config(
            given["config"],
            named[0] if named else None,
            settings,
            checks=given["checks"],
            device_memory=bytes_of(memory) if memory is not None else None,
            cache=cache,
            observer=observer,
            **limits,
        )

    return work


def _command(
    paths: tuple[Path, ...], own: tuple[str, ...], given: dict[str, Any], settings: Settings, limits: dict[str, Any]
) -> Work:
    if len(paths) != 1:
        raise UsageError("verify: before -- stands the folder of one run: doctor verify RUN -- COMMAND")

    def work(observer: "Observer", cache: "Cache") -> "Report":
        from doctor.verify.command import verify_command

        return verify_command(
            paths[0],
            own,
            settings,
            checks=given["checks"],
            cache=cache,
            observer=observer,
            workers=given["workers"] or 1,
            **limits,
        )

    return work


def _stress(
    paths: tuple[Path, ...], own: tuple[str, ...], given: dict[str, Any], settings: Settings, limits: dict[str, Any]
) -> Work:
    named = [*paths, *filter(None, [given["dataset"]])]
    if bool(named) == bool(own) or len(named) > 1:
        raise UsageError("verify: --stress takes a data set, or a command after --")

    def work(observer: "Observer", cache: "Cache") -> "Report":
        from doctor.verify.stress import stress

        config = None
        if given["config"] is not None:
            from doctor.trainer.config import read_config

            config = read_config(given["config"])
        return stress(
            named[0] if named else None,
            settings,
            command=own,
            config=config,
            cache=cache,
            observer=observer,
            workers=given["workers"],
            **limits,
        )

    return work


def _cache(given: dict[str, Any]) -> "Cache":
    from doctor.verify.cache import Cache, default_folder

    if given["no_cache"]:
        return Cache(None)
    return Cache(given["cache"] or default_folder())


def refuted(report: "Report", settings: Settings) -> bool:
    """Whether a repair was refuted whose finding is at or above the severity of `--fail-on`."""
    from doctor.model import Severity, Verdict

    if settings.fail_on == "never":
        return False
    bound = Severity(settings.fail_on).rank
    ranks = {finding.fingerprint: finding.severity.rank for finding in report.findings}
    return any(
        item.verdict is Verdict.REFUTED and ranks.get(item.fingerprint, 0) <= bound for item in report.verifications
    )
