"""Tells whether data is still what a report is about."""

from typing import Any

from doctor.case import Case
from doctor.errors import UsageError
from doctor.model import Report, SubjectSummary
from doctor.subjects.contents import contents_of, names_and_sizes
from doctor.subjects.table import Table


def refuse_changed(report: Report, case: Case, origin: object) -> None:
    """See that a case holds the data of a report.

    Parameters
    ----------
    report : Report
        Of an earlier scan.
    case : Case
        Opened now.
    origin : object
        The report's file, for the message.

    Raises
    ------
    UsageError
        In one line, naming what changed.
    """
    then = [subject for subject in report.case.subjects if subject.kind == "table"]
    if len(then) != len(case.tables):
        raise UsageError(f"{origin}: it is about {len(then)} tables, and there are {len(case.tables)} at {case.shown}")
    pictured = [subject for subject in report.case.subjects if subject.kind == "images"]
    if len(pictured) != len(case.images):
        said = f"it is about {len(pictured)} collections of images, and there are {len(case.images)} at {case.shown}"
        raise UsageError(f"{origin}: {said}")
    for subject, images in zip(pictured, case.images, strict=True):
        if subject.facts.get("names_and_sizes") != names_and_sizes(images):
            raise UsageError(f"{origin}: the images at {images.shown} changed since that scan; scan them again")
    for subject, table in zip(then, case.tables, strict=True):
        if not subject.facts.get("files"):
            raise UsageError(
                f"{origin}: it does not say which bytes it is about; make it with doctor scan … --format json"
            )
        if changed := _changed(subject, table, contents_of(table, case.paths)):
            raise UsageError(f"{origin}: the data changed since that scan: {changed}; scan it again")


def _changed(subject: SubjectSummary, table: Table, now: dict[str, Any]) -> str:
    facts, files = subject.facts, subject.facts["files"]
    for name in facts.get("columns", []):
        if name not in now["columns"]:
            return f"{table.shown} no longer has the column {name}"
    for name in now["columns"]:
        if name not in facts.get("columns", []):
            return f"{table.shown} has a new column, {name}"
    for name, there in files.items():
        here = now["files"].get(name)
        if here is None:
            return f"the file {name} is gone"
        if here["rows"] != there["rows"]:
            return f"{name} had {there['rows']:,} rows and has {here['rows']:,}"
        if here["hash"] != there["hash"]:
            return f"{name} holds other bytes"
    return next((f"the file {name} is new" for name in now["files"] if name not in files), "")
