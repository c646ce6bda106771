"""`doctor watch`: run a training command, watch it, and say what is wrong with it."""

import contextlib
import subprocess
from pathlib import Path

import click

from doctor.cli import EXIT_FOUND
from doctor.errors import UsageError
from doctor.settings import FAIL_ON, Settings, settings_for


@click.command(
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "allow_interspersed_args": False}
)
@click.argument("command_", metavar="-- COMMAND...", nargs=-1, type=click.UNPROCESSED)
@click.option("--run-dir", type=click.Path(path_type=Path), help="Keep the run here. [default: .doctor/runs/TIME]")
@click.option("--select", multiple=True, metavar="CHECK", help="Run only these checks (id, family or name).")
@click.option("--ignore", multiple=True, metavar="CHECK", help="Do not run these checks.")
@click.option("--set", "set_", multiple=True, metavar="CHECK.THRESHOLD=VALUE", help="Change a threshold.")
@click.option(
    "--fail-on", type=click.Choice(FAIL_ON), help="Exit with 1 on findings; else the command's own status is passed on."
)
def command(
    command_: tuple[str, ...],
    run_dir: Path | None,
    select: tuple[str, ...],
    ignore: tuple[str, ...],
    set_: tuple[str, ...],
    fail_on: str | None,
) -> int:
    """Run a training command, watch it, and say what is wrong with it."""
    if not command_:
        raise UsageError("watch: name a command, as in: doctor watch -- python train.py")
    settings = settings_for(Path(), {"select": select, "ignore": ignore, "set": set_, "fail_on": fail_on})
    from doctor.watching import launch, triage

    folder = launch.new_run_folder(run_dir)
    process = launch.launch(command_, folder)
    noted = triage.before(folder, process.pid)
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            returncode = process.wait(0.5)
            break
        noted.look()
    launch.record_end(folder, triage.facts(noted, returncode))
    failed = _diagnose(folder, settings)
    return EXIT_FOUND if fail_on and failed else launch.exit_status(returncode)


def _diagnose(folder: Path, settings: Settings) -> bool:
    from doctor.case import case_of_run
    from doctor.cli.scan import _fails, _renderer
    from doctor.engine import examine
    from doctor.subjects.run import open_run

    report = examine(case_of_run(open_run(folder)), settings)
    for name, file in (("json", "diagnosis.json"), ("html", "report.html")):
        (folder / file).write_text(_renderer(name)(report, color=False), "utf-8")
    click.echo(_renderer("text")(report, color=False), err=True)
    return _fails(report, settings)
