"""Lines to the user. Standard output belongs to the command that is watched."""

import contextlib
import os
import sys
from pathlib import Path

from doctor.model import Finding
from doctor.wording import printable

COLORS = {"error": "1;31", "warning": "33", "info": "36"}


def tell(text: str) -> None:
    """Write a line to standard error; where that is closed or full, nobody is told."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"doctor: {printable(text)}\n")
        sys.stderr.flush()


def shorter(path: Path) -> str:
    """Return a path as it is written from the working folder, where it lies below that."""
    with contextlib.suppress(ValueError, OSError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def tell_finding(finding: Finding) -> None:
    """Write a finding as one line."""
    place = [f"step {finding.at.step:,}"] if finding.at.step is not None else []
    place += [f"rank {finding.at.rank}"] if finding.at.rank else []
    where = f" ({', '.join(place)})" if place else ""
    word = finding.severity.value
    with contextlib.suppress(OSError, ValueError, AttributeError):
        colored = sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        shown = f"\x1b[{COLORS[word]}m{word}\x1b[0m" if colored else word
        sys.stderr.write(f"doctor: {shown}{where}: {printable(finding.message)} [{finding.check}]\n")
        sys.stderr.flush()
