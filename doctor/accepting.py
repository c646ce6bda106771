"""Accepts what a visit found: brings a baseline up to date with it."""

import datetime
import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct, structs

from doctor.baseline import FILE, Accepted, Stored, entry_for, find_file, is_gone
from doctor.case import Case
from doctor.model import Finding, Report
from doctor.settings import Settings
from doctor.subjects.database import is_uri
from doctor.wording import printable


class Update(Struct, frozen=True, kw_only=True):
    """A baseline as it is to be, and what is other than before.

    Attributes
    ----------
    entries : tuple of Stored
        All that the file is to hold.
    added, renewed, kept, gone : tuple of Stored
        Of findings not known so far; of those that had run out or grown graver, accepted again; of those that were
        accepted before; and those whose finding is not there any more, which are left out.
    unseen : int
        Entries that stay although this visit cannot tell of them.
    """

    entries: tuple[Stored, ...]
    added: tuple[Stored, ...] = ()
    renewed: tuple[Stored, ...] = ()
    kept: tuple[Stored, ...] = ()
    gone: tuple[Stored, ...] = ()
    unseen: int = 0


def file_for(paths: Sequence[Path], settings: Settings) -> Path:
    """Return the baseline that governs paths, or else where it is to be: beside the settings file, or here."""
    if isinstance(settings.baseline, str):
        return Path(settings.baseline)
    known = find_file(paths)
    if known is not None:
        return known
    folder = settings.origin.parent if settings.origin is not None else Path()
    here = Path.cwd()
    return (folder.relative_to(here) if folder.is_relative_to(here) else folder) / FILE


def updated(
    known: Sequence[Stored],
    file: Path,
    report: Report,
    case: Case,
    *,
    reason: str = "",
    expires: datetime.date | None = None,
) -> Update:
    """Accept the open findings of a report.

    Parameters
    ----------
    known : sequence of Stored
        What the file holds so far.
    file : Path
        Where they stand, for paths are seen from there.
    report : Report
        Of a visit without the baseline.
    case : Case
        The same visit.
    reason, expires : str, date or None
        Of entries that are added or renewed.
    """
    entries = [entry_for(stored, file) for stored in known]
    fresh: dict[tuple[str, str, str], Stored] = {}
    sorts: dict[str, list[Stored]] = {"added": [], "renewed": [], "kept": []}
    used: set[int] = set()
    for finding, shown in zip(report.findings, report.masked().findings, strict=True):
        number = next((place for place, entry in enumerate(entries) if entry.matches(finding)), None)
        old = None if number is None else entries[number]
        used |= {number} if number is not None else set()
        if finding.suppressed:  # by the settings; an entry that speaks of it too is left alone
            fresh |= {} if old is None else {old.stored.key: old.stored}
            continue
        stored = _stored(finding, shown, old, file, reason, expires)
        if stored.key in fresh:  # the gravest comes first
            continue
        fresh[stored.key] = stored
        sorts["added" if old is None else "kept" if old.covers(finding) else "renewed"].append(stored)
    rest = [entry for number, entry in enumerate(entries) if number not in used]
    gone = [entry.stored for entry in rest if is_gone(entry, case, report.examinations)]
    unseen = [entry.stored for entry in rest if entry.stored not in gone]
    return Update(
        entries=(*fresh.values(), *unseen),
        gone=tuple(gone),
        unseen=len(unseen),
        **{name: tuple(some) for name, some in sorts.items()},
    )


def _stored(
    finding: Finding, shown: Finding, old: Accepted | None, file: Path, reason: str, expires: datetime.date | None
) -> Stored:
    """Write a finding as an entry; one that was accepted before keeps its date and its reason."""
    today = datetime.date.today()
    fresh = Stored(
        check=finding.check,
        message=printable(shown.message),
        path=_seen_from(file, finding.at.path or ""),
        severity=finding.severity,
        fingerprint=finding.fingerprint,
        accepted=today,
        reason=reason,
        expires=expires,
    )
    if old is None:
        return fresh
    if old.ran_out or old.outgrown_by(finding):
        return structs.replace(fresh, reason=reason or old.stored.reason)
    known = old.stored
    return structs.replace(fresh, accepted=known.accepted, reason=known.reason, expires=known.expires)


def _seen_from(file: Path, path: str) -> str:
    """Return a path as it stands in the file: seen from its folder where it lies below it, else in full."""
    if is_uri(path):
        return path
    whole, folder = (os.path.abspath(name) for name in (path, file.parent))  # noqa: PTH100 - links are not followed
    inside = whole == folder or whole.startswith(folder.rstrip(os.sep) + os.sep)
    return Path(os.path.relpath(whole, folder) if inside else whole).as_posix()
