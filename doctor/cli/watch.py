"""`doctor watch`: run a training command, watch it, and say what is wrong with it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from doctor.cli import EXIT_FOUND, EXIT_INCOMPLETE
from doctor.cli.writing import OutputFile, write_report
from doctor.errors import UsageError
from doctor.settings import FAIL_ON, Settings, settings_for

if TYPE_CHECKING:
    from doctor.model import Report

ON_CRITICAL = ("warn", "pause", "stop")
DEFAULT_MAX_GRAD_NORM = 10.0


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "allow_interspersed_args": False}
)
@click.argument("command_", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
@click.option("--pid", type=click.IntRange(min=1), metavar="N", help="Watch this running process instead.")
@click.option("--inject", is_flag=True, help="With --pid: bring the probe into the process (gdb, or Python 3.14).")
@click.option("--logs", type=click.Path(path_type=Path), help="Follow the logs of a run that goes on elsewhere.")
@click.option("--run-dir", type=click.Path(path_type=Path), help="Keep the run here. [default: .doctor/runs/TIME]")
@click.option(
    "--on-critical",
    type=click.Choice(ON_CRITICAL),
    help="What to do at a loss that is not finite or a gradient norm above the bound. [default: warn]",
)
@click.option(
    "--max-grad-norm",
    type=click.FloatRange(min=0, min_open=True),
    metavar="NORM",
    help="The bound on the gradient norm before clipping. [default: 10 with --on-critical, else none]",
)
@click.option("--live/--no-live", default=True, help="Draw the newest numbers at the bottom of a terminal.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), metavar="PORT", help="Serve Prometheus on 127.0.0.1:PORT."
)
@click.option("--output", type=OutputFile(), help="Write the report here as well.")
@click.option("--format", "format_", metavar="FORMAT", help="The format of --output. [default: by its suffix]")
@click.option("--select", multiple=True, metavar="CHECK", help="Run only these checks (id, family or name).")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Do not run these checks.")
@click.option("--set", "set_", multiple=True, metavar="CHECK.THRESHOLD=VALUE", help="Change a threshold.")
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 on findings; else the command's own status is passed on."
)
def command(
    command_: tuple[str, ...],
    pid: int | None,
    inject: bool,
    logs: Path | None,
    run_dir: Path | None,
    on_critical: str | None,
    max_grad_norm: float | None,
    live: bool,
    metrics_port: int | None,
    output: Path | None,
    format_: str | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    set_: tuple[str, ...],
    fail_on: str | None,
) -> int:
    """Run a training command, attach to a running one (--pid) or follow its logs (--logs); say what is wrong with it.

    The command's own exit status is passed on unless --fail-on is given.
    """
    if bool(command_) + (pid is not None) + (logs is not None) != 1:
        raise UsageError(
            "watch: name a command, as in: doctor watch -- python train.py, or a process by --pid N, or --logs PATH"
        )
    if inject and pid is None:
        raise UsageError("watch: --inject goes with --pid N; a command is started with the probe in it")
    settings = settings_for(Path(), {"select": select, "ignore": ignore, "set": set_, "fail_on": fail_on})
    keep = _writer(output, format_)
    from doctor.watching.launch import exit_status
    from doctor.watching.watch import Wishes, run

    _refuse_wrong_settings(settings)
    wishes = Wishes(
        run_dir=run_dir,
        probe=_for_the_probe(on_critical, max_grad_norm),
        live=live,
        metrics_port=metrics_port,
    )
    if logs is not None:
        return _follow(logs, settings, run_dir, keep)
    if pid is not None:
        from doctor.watching.attach import attach

        watched = attach(pid, wishes, settings, wants_probe=inject)
    else:
        watched = run(command_, wishes, settings)
    if watched.report is not None and watched.folder is not None:
        from doctor.watching.closing import tell_report

        tell_report(watched.report, watched.folder)
        keep(watched.report)
    if fail_on is None:
        return exit_status(watched.returncode)
    if watched.report is None:
        return exit_status(watched.returncode) or EXIT_INCOMPLETE
    from doctor.cli.scan import fails

    return EXIT_FOUND if fails(watched.report, settings) else exit_status(watched.returncode)


def _writer(output: Path | None, format_: str | None) -> "Callable[[Report], None]":
    """Return what writes the report to `--output`; an unknown format is refused before the command starts."""
    if output is None:
        if format_ is not None:
            raise UsageError("watch: --format goes with --output; standard output belongs to the command")
        return lambda report: None
    from doctor.registry import load_renderer
    from doctor.rendering import format_of

    render = load_renderer(format_ or format_of(output) or "text")
    return lambda report: write_report(render(report, color=False), output)


def _follow(logs: Path, settings: Settings, run_dir: Path | None, keep: "Callable[[Report], None]") -> int:
    import sys

    from doctor.cli.scan import fails
    from doctor.registry import load_renderer
    from doctor.watching.follow import follow

    report = follow(logs, settings, run_dir)
    sys.stderr.write(load_renderer("text")(report, color=sys.stderr.isatty()))
    keep(report)
    return EXIT_FOUND if fails(report, settings) else 0


def _for_the_probe(on_critical: str | None, max_grad_norm: float | None) -> dict[str, str]:
    """Return the variables by which the probe learns what to do; a bound is only set where one was asked for."""
    variables = {}
    if on_critical is not None:
        variables["DOCTOR_ON_CRITICAL"] = on_critical
        max_grad_norm = max_grad_norm or DEFAULT_MAX_GRAD_NORM
    if max_grad_norm is not None:
        variables["DOCTOR_MAX_GRAD_NORM"] = repr(max_grad_norm)
    return variables


def _refuse_wrong_settings(settings: Settings) -> None:
    """Refuse unknown checks and thresholds before the command starts; loading the checks takes a second."""
    if settings.select or settings.ignore or settings.thresholds or settings.suppressions:
        from doctor.registry import check_settings, choose, load_checks

        check_settings(load_checks(), settings)
        choose(load_checks(), settings)
