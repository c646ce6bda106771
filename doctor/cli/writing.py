"""Writes what a verb has to say to standard output or into a file."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from doctor.errors import UsageError


class OutputFile(click.Path):
    """A file to be written; one that cannot be is refused before the work, not after it."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path, looked at by `refuse_unwritable`."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        refuse_unwritable(path)
        return path


def refuse_unwritable(path: Path) -> None:
    """Do nothing where a file can be written.

    Raises
    ------
    UsageError
        When its folder is missing, or it may not be written.
    """
    if not path.parent.is_dir():
        raise UsageError(f"{path}: there is no such folder to write it to")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"{path}: it may not be written")


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
