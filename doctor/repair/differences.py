"""What a plan changes in programs and configurations, as a unified diff."""

import difflib
from collections.abc import Iterator
from pathlib import Path

from doctor.case import Case
from doctor.repair.code_files import edited_files
from doctor.repair.config_edits import new_texts
from doctor.repair.plan import Plan


def differences(plan: Plan, case: Case) -> Iterator[str]:
    """Yield the lines of a unified diff of all programs, notebooks and configurations that a plan changes.

    Raises
    ------
    DoctorError
        Where a configuration is no longer what was read.
    """
    after = edited_files(plan, case)
    after |= {path: text.decode("utf-8") for path, text in new_texts(plan, case).items()}
    for path, text in sorted(after.items()):
        with path.open(encoding="utf-8", newline="") as file:
            before = file.read()
        name = _name(path, case)
        yield from (
            line.rstrip("\r\n")
            for line in difflib.unified_diff(
                before.splitlines(keepends=True), text.splitlines(keepends=True), f"a/{name}", f"b/{name}"
            )
        )


def _name(path: Path, case: Case) -> str:
    """Return a path below what was scanned."""
    for root in case.paths:
        if path.absolute().is_relative_to(root.absolute()) and path.absolute() != root.absolute():
            return path.absolute().relative_to(root.absolute()).as_posix()
    return path.name
