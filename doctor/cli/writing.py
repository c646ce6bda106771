"""Writes what a verb has to say to standard output or into a file."""

import sys
from pathlib import Path

import click

from doctor.errors import UsageError


def write_report(text: str, output: Path | None) -> None:
    """Write a report; where it went is told on standard error.

    Raises
    ------
    UsageError
        When the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{output}: {error.strerror}") from error
    click.echo(f"doctor: report written to {output}", err=True)
