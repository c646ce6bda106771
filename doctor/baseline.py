"""The baseline: findings accepted as they stand, in a file under version control, and what became of them since.

An entry is a suppression that names one finding by its fingerprint and its place. It hides no finding that is graver
than the one that was accepted, and none after its last day.
"""

import datetime
import os
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import tomli_w

from doctor.case import Case
from doctor.errors import UsageError
from doctor.model import Baseline, BaselineEntry, Examination, Finding, Location, Outcome, Report, Severity, fingerprint
from doctor.settings import Settings, Suppression
from doctor.subjects.database import is_uri
from doctor.subjects.formats import is_table, stem_of
from doctor.wording import printable

FILE = "doctor-baseline.toml"
FORMAT = 1
HEADING = """\
# Findings that were accepted as they stand; `doctor scan` does not count them.
# Written by `doctor baseline`. The lines `reason` and `expires` are yours to edit.

"""
LOOKED = (Outcome.HEALTHY, Outcome.FOUND, Outcome.IGNORED)
_BEGINNING = re.compile(r"^\s*\[\[\s*accepted\s*\]\]", re.MULTILINE)


class Stored(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry as it stands in the file; `path` is seen from the file's folder."""

    check: str
    message: str = ""
    path: str
    severity: Severity
    fingerprint: str
    accepted: datetime.date
    reason: str = ""
    expires: datetime.date | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What no two entries share."""
        return self.check, self.path, self.fingerprint


class Accepted(Suppression, frozen=True, kw_only=True):
    """An entry in use.

    Attributes
    ----------
    stored : Stored
        As it stands in the file.
    place : str
        The path in full, without the suffix that names a table's format.
    anywhere : bool
        Whether it matches whatever path.
    file : str
        The baseline that holds it.
    """

    stored: Stored
    place: str
    anywhere: bool
    file: str

    @property
    def severity(self) -> Severity:
        """How grave the finding was when it was accepted."""
        return self.stored.severity

    def covers(self, finding: Finding) -> bool:
        """Whether it hides this finding."""
        return self.matches(finding) and not self.ran_out and not self.outgrown_by(finding)

    def matches(self, finding: Finding) -> bool:
        """Whether it speaks of this finding, hidden or not.

        Where several tables are examined together, what tells their names apart is part of the fingerprints; so one
        that was accepted on a table alone is known again beside others, and the other way round.
        """
        if self.check != finding.check or not (self.anywhere or self.place == place_of(finding.at.path or "")):
            return False
        mine, its = self.stored.fingerprint, finding.fingerprint
        parts = Path(self.place).parts
        labels = ("/".join(parts[start:]) for start in range(1, len(parts)))
        return mine == its or any(_labelled(mine, label) == its or mine == _labelled(its, label) for label in labels)

    def outgrown_by(self, finding: Finding) -> bool:
        """Whether a finding is graver than the one that was accepted."""
        return finding.severity.rank < self.severity.rank

    def told(self) -> BaselineEntry:
        """Say what it is for a report."""
        known = self.stored
        return BaselineEntry(
            check=known.check,
            message=known.message,
            path=known.path,
            fingerprint=known.fingerprint,
            accepted=known.accepted.isoformat(),
            reason=known.reason,
            expires=known.expires.isoformat() if known.expires else "",
        )


def _labelled(mark: str, label: str) -> str:
    return fingerprint(mark, label, Location())


def place_of(path: str) -> str:
    """Return a path in full; a table keeps its name when its format changes, and an address is one already."""
    if is_uri(path):
        return path
    whole = Path(os.path.abspath(path))  # noqa: PTH100 - a link is a name like any other and is not followed
    return str(whole.with_name(stem_of(whole)) if is_table(whole) else whole)


def entry_for(stored: Stored, file: Path, *, anywhere: bool = False) -> Accepted:
    """Make an entry ready for use; in memory there are no paths, so there it matches `anywhere`."""
    since = f"accepted {stored.accepted}"
    return Accepted(
        check=stored.check,
        reason=f"{stored.reason.strip()} ({since})" if stored.reason.strip() else f"{since} in {file.name}",
        until=stored.expires,
        stored=stored,
        place=place_of(seen_from(file, stored.path)),
        anywhere=anywhere,
        file=str(file),
    )


def seen_from(file: Path, path: str) -> str:
    """Return a path that stands in a file as it is seen from the working directory."""
    return path if is_uri(path) else os.path.join(file.parent, path)  # noqa: PTH118 - see place_of


def find_file(paths: Sequence[Path]) -> Path | None:
    """Return the nearest baseline at or above the first path, or else at or above the working directory."""
    here = Path.cwd()
    starts = [Path(os.path.abspath(path)) for path in paths[:1]]  # noqa: PTH100 - see place_of
    starts = [start if start.is_dir() else start.parent for start in starts]
    for start in (*starts, here):
        for folder in (start, *start.parents):
            if (folder / FILE).is_file():
                found = folder / FILE
                return found.relative_to(here) if found.is_relative_to(here) else found
    return None


def with_baseline(settings: Settings, paths: Sequence[Path], *, in_memory: bool = False) -> Settings:
    """Add what was accepted to what the user lives with.

    Parameters
    ----------
    settings : Settings
        `baseline` names the file, asks for none, or leaves it to be found.
    paths : sequence of Path
        What is examined.
    in_memory : bool
        Whether that is in memory: then a file must be named, since nothing tells which data it speaks of.

    Raises
    ------
    UsageError
        Naming the file and the place, when it is not what `doctor baseline` writes.
    """
    if settings.baseline is False or (in_memory and not isinstance(settings.baseline, str)):
        return settings
    named = Path(settings.baseline) if isinstance(settings.baseline, str) else None
    file = named or find_file(paths)
    if file is None:
        return settings
    entries = [entry_for(stored, file, anywhere=in_memory) for stored in read(file)]
    return replace(settings, suppressions=(*settings.suppressions, *entries))


def read(file: Path) -> list[Stored]:
    """Read a baseline.

    Raises
    ------
    UsageError
        Naming the file, and the line or the entry.
    """
    try:
        text = file.read_text("utf-8")
        found: dict[str, Any] = tomllib.loads(text)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file}: not a baseline: {printable(str(error), limit=300)}") from error
    if found.get("format") != FORMAT:
        what = f"has format {found['format']!r}" if "format" in found else "does not say its format"
        raise UsageError(f"{file}: it {printable(what, limit=80)}, and this doctor reads format {FORMAT}")
    unknown = sorted(found.keys() - {"format", "accepted"})
    if unknown:
        raise UsageError(f"{file}: unknown key {printable(unknown[0], limit=80)!r}; known: format, accepted")
    listed = found.get("accepted", [])
    if not isinstance(listed, list):
        raise UsageError(f"{file}: accepted: write each entry under [[accepted]]")
    lines = [text.count("\n", 0, match.end()) + 1 for match in _BEGINNING.finditer(text)]
    places = [f"{file}:{line}" for line in lines] if len(lines) == len(listed) else [str(file)] * len(listed)
    return _entries(listed, places)


def _entries(listed: Sequence[Any], places: Sequence[str]) -> list[Stored]:
    entries: dict[tuple[str, str, str], tuple[str, Stored]] = {}
    for number, (item, place) in enumerate(zip(listed, places, strict=True), start=1):
        try:
            stored = msgspec.convert(item, Stored)
        except msgspec.ValidationError as error:
            raise UsageError(f"{place}: entry {number}: {printable(str(error), limit=300)}") from error
        if stored.key in entries:
            where = f"entry {list(entries).index(stored.key) + 1}, {entries[stored.key][0]}"
            raise UsageError(f"{place}: entry {number} is there twice (see {where}); delete one of them")
        entries[stored.key] = (place, stored)
    return [stored for _, stored in entries.values()]


def text_of(entries: Iterable[Stored]) -> str:
    """Write a baseline, in an order and a form that leave little to conflict when branches are merged."""
    ordered = sorted(entries, key=lambda entry: (entry.path, entry.check, entry.fingerprint))
    blocks = []
    for entry in ordered:
        known = {
            name: value
            for name, value in msgspec.structs.asdict(entry).items()
            if value or name not in ("message", "reason", "expires")
        }
        blocks.append(f"[[accepted]]\n{tomli_w.dumps(known | {'severity': entry.severity.value})}")
    return "\n".join([f"{HEADING}format = {FORMAT}\n", *blocks])


def write(entries: Iterable[Stored], file: Path) -> None:
    """Write a baseline, whole or not at all.

    Raises
    ------
    UsageError
        When it cannot be written.
    """
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        beside.write_text(text_of(entries), "utf-8")
        beside.replace(file)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise UsageError(f"{file}: cannot be written: {error.strerror}") from error


def lifted(report: Report) -> Report:
    """Return a report as it would be without its baseline: what was accepted is no less in need of a repair."""
    if report.baseline is None:
        return report
    marks = set(report.baseline.accepted)
    findings = [
        msgspec.structs.replace(finding, suppressed=None) if finding.fingerprint in marks else finding
        for finding in report.findings
    ]
    return msgspec.structs.replace(report, findings=findings, baseline=None)


def told(
    settings: Settings, case: Case, findings: Sequence[Finding], examinations: Sequence[Examination]
) -> Baseline | None:
    """Say what the baseline had to do with the findings; None where there is none."""
    entries = [entry for entry in settings.suppressions if isinstance(entry, Accepted)]
    if not entries:
        return None
    hidden: list[str] = []
    told: dict[str, list[BaselineEntry]] = {"expired": [], "graver": [], "gone": []}
    unseen = 0
    for entry in entries:
        own = [finding for finding in findings if entry.matches(finding)]
        if not own:
            gone = is_gone(entry, case, examinations)
            told["gone"] += [entry.told()] * gone
            unseen += not gone
        hidden += [finding.fingerprint for finding in own if finding.suppressed == entry.reason]
        if any(not finding.suppressed for finding in own):
            told["expired" if entry.ran_out else "graver"].append(entry.told())
    return Baseline(file=entries[0].file, accepted=list(dict.fromkeys(hidden)), unseen=unseen, **told)


def is_gone(entry: Accepted, case: Case, examinations: Iterable[Examination]) -> bool:
    """Whether the finding of an entry is known not to be there any more: its check looked again, at the same thing."""
    unread = any(place_of(problem.path) == entry.place for problem in case.problems)
    if entry.anywhere or unread:
        return False
    own = [item for item in examinations if item.check == entry.check]
    here = [item for item in own if item.subject and place_of(item.subject) == entry.place]
    if not here and _within(entry.place, case.paths):
        # Of a file that is there no more, no check says anything; code is examined as one with what lies around it.
        here = own if not _exists(entry.place) else [item for item in own if item.subject == case.shown]
    return bool(here) and all(map(_looked, here))


def _looked(item: Examination) -> bool:
    partly = item.outcome is Outcome.FOUND and bool(item.reason)
    return item.outcome in LOOKED and not partly


def _within(place: str, paths: Iterable[Path]) -> bool:
    roots = (place_of(str(path)) for path in paths)
    return any(place == root or place.startswith(root.rstrip(os.sep) + os.sep) for root in roots)


def _exists(place: str) -> bool:
    """Whether there is something at a place, in whatever format."""
    path = Path(place)
    if path.exists():
        return True
    try:
        return any(place_of(str(other)) == place for other in path.parent.iterdir())
    except OSError:
        return False
