"""The command `doctor`, one module per verb; a verb is imported when it is called."""

import atexit
import gc
import importlib
import os
import sys
import threading
from contextlib import suppress

import click

from doctor.cli.signals import exit_status, listen
from doctor.errors import DoctorError, UsageError
from doctor.version import VERSION

VERBS = {
    "scan": "Examine data sets and the code that trains on them.",
    "watch": "Run a training command, watch it, and say what is wrong with it.",
    "autopsy": "Find out why a run died, from what it left behind.",
    "fix": "Write a repaired copy of a data set, with a plan of every edit.",
    "train": "Train the reference DeepSpeed model on a data set.",
    "verify": "Prove repairs: train with and without them.",
    "estimate": "Foretell the memory of a training, and what makes it fit.",
    "clinic": "Run every disease: symptom, finding, repair, symptom gone.",
    "report": "Show stored reports in another format, and what changed between them.",
    "baseline": "Accept what is found today, so that later scans show what is new.",
    "list": "List all checks with their severity.",
    "explain": "Print the manual page of a check.",
}
EXIT_HEALTHY, EXIT_FOUND, EXIT_USAGE, EXIT_INCOMPLETE = 0, 1, 2, 3
COLLECTED_OBJECTS = 200_000
"""Python looks for unreachable objects after so many new ones; loading modules makes none of them."""


class LazyGroup(click.Group):
    """A command group whose members are imported only when called, so that `--help` answers at once."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the verbs in the order of use."""
        return list(VERBS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Import a verb."""
        if name not in VERBS:
            return None
        if name not in self.commands:
            module = importlib.import_module(f"doctor.cli.{name}")
            self.add_command(module.command, name)
        return self.commands[name]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Describe the verbs without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="doctor")
def command() -> None:
    """Find out why a training run failed or will fail, with evidence."""


def run() -> None:
    """Run the command line as a process of its own, which ends at once.

    To take down all modules and arrays one by one takes longer than many a command.
    """
    gc.set_threshold(COLLECTED_OBJECTS)
    try:
        main()
    except SystemExit as end:
        if threading.active_count() > 1 or not isinstance(end.code, int):
            raise
        for stream in filter(None, (sys.stdout, sys.stderr)):  # None where it was closed before
            with suppress(OSError, ValueError):  # nobody reads any more
                stream.flush()
        atexit._run_exitfuncs()
        os._exit(end.code)


def main() -> None:
    """Run the command line and leave with its exit status."""
    listen()
    try:
        status = command.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        status = EXIT_USAGE
    except click.Abort:
        click.echo("doctor: interrupted", err=True)
        status = exit_status()
    except UsageError as error:
        click.echo(f"doctor: {error}", err=True)
        status = EXIT_USAGE
    except DoctorError as error:
        click.echo(f"doctor: {error}", err=True)
        status = EXIT_INCOMPLETE
    except BrokenPipeError:
        sys.stderr.close()
        status = EXIT_HEALTHY
    except Exception as error:
        if os.environ.get("DOCTOR_DEBUG"):
            raise
        click.echo(f"doctor: {_fault(error)}; DOCTOR_DEBUG=1 shows more", err=True)
        status = EXIT_INCOMPLETE
    sys.exit(status)


def _fault(error: Exception) -> str:
    import traceback

    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return (
        f"a fault of doctor itself: {type(error).__name__}: {text} (at {frame.name}, {frame.filename}:{frame.lineno})"
    )
