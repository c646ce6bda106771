"""Reads what a data folder's EXPECT.yaml says should be found, and judges a report by it."""

import re
import tomllib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from doctor.model import Finding, Report, Severity

TARGET_LEAKS = (
    "leakage/label-leakage",
    "leakage/missingness-leakage",
    "leakage/derived-target",
    "leakage/combination-leakage",
    "leakage/target-encoding",
    "leakage/after-the-event",
)
GROUPS = ("leakage/group-overlap", "leakage/grouped-rows")
TIMES = ("leakage/temporal-overlap", "leakage/time-ordered")
SPELLINGS = ("quality/inconsistent-format", "quality/category-variants")

KINDS: dict[str, tuple[str, ...]] = {
    "label_leakage": TARGET_LEAKS,
    "id_like": ("leakage/id-like",),
    "index_column": ("quality/index-column", "leakage/id-like"),
    "group_key": GROUPS,
    "group_leakage": GROUPS,
    "temporal_order": TIMES,
    "temporal_overlap": TIMES,
    "duplicate_timestamps": TIMES,
    "exact_duplicate_rows": ("duplicates/duplicate-rows",),
    "near_duplicate_rows": ("duplicates/near-duplicate-rows", "duplicates/near-duplicate-texts"),
    "cross_split_duplicates": ("leakage/split-duplicates",),
    "cross_split_near_duplicates": ("leakage/split-duplicates", "leakage/benchmark-contamination"),
    "conflicting_labels": ("labels/conflicting-labels",),
    "label_noise": ("labels/label-noise",),
    "uncertain_samples": ("labels/uncertain-samples",),
    "missing_values": ("quality/missing-values",),
    "empty_column": ("quality/missing-values",),
    "sentinel_missing": ("quality/disguised-missing",),
    "constant_column": ("quality/constant",),
    "near_constant": ("quality/constant",),
    "redundant_columns": ("quality/redundant-columns",),
    "no_header": ("quality/missing-header",),
    "format_inconsistency": (*SPELLINGS, "quality/number-as-text", "quality/mixed-types"),
    "typo_categories": SPELLINGS,
    "whitespace": SPELLINGS,
    "encoding": ("quality/encoding",),
    "mojibake": ("text/garbled",),
    "html_entities": ("text/garbled",),
    "invalid_value": ("quality/out-of-range",),
    "label_format_mismatch": ("quality/schema-mismatch", "labels/unseen-labels"),
    "class_imbalance": ("labels/class-imbalance",),
    "drift": ("drift/feature-drift", "drift/label-drift", "drift/new-categories", "drift/domain-shift"),
    "pii": ("text/secrets-and-pii",),
    "split_column": (),
}
"""The checks that can answer for each of the data folder's kinds. A split column is a guess, not a finding."""

ROW_KINDS = ("exact_duplicate_rows", "near_duplicate_rows", "cross_split_duplicates", "cross_split_near_duplicates")
"""Kinds of whole rows: columns named with them say where the copies show, not what a finding must name."""

CLEAN = re.compile(r"^none\b|^no exact|clean control|no drift|held out")
"""How the data folder says that there is nothing of a kind at all, not merely nothing grave."""


class Level(StrEnum):
    """How much is lost when an expectation is not met."""

    MUST = "must"
    SHOULD = "should"
    MAY = "may"


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of `expect` or `must_not`; a column given by number has no name in its file."""

    file: str
    kind: str
    columns: tuple[str | int, ...]
    why: str
    level: Level | None = None

    def __str__(self) -> str:
        columns = ", ".join(map(str, self.columns)) or "(whole table)"
        return f"{self.file}: {self.kind}: {columns}: {self.why}"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One data set: a file, or the files of its splits."""

    name: str
    paths: tuple[Path, ...]
    target: str | None
    expect: tuple[Entry, ...]
    must_not: tuple[Entry, ...]


@dataclass(frozen=True, kw_only=True)
class Need:
    """Which checks alone can answer certain entries, and the reason."""

    kind: str
    needs: tuple[str, ...]
    why: str
    file: str | None = None
    columns: tuple[str | int, ...] = ()
    paired: bool | None = None

    def covers(self, entry: Entry, case: Case) -> bool:
        """Whether it speaks of this entry."""
        return (
            self.kind == entry.kind
            and self.file in (None, entry.file)
            and (not self.columns or set(self.columns) == set(entry.columns))
            and self.paired in (None, len(case.paths) > 1)
        )


def read_cases(folder: Path) -> list[Case]:
    """Read `EXPECT.yaml` of a folder of tables."""
    return [_case(folder, item) for item in yaml.safe_load((folder / "EXPECT.yaml").read_text("utf-8"))]


def _case(folder: Path, item: dict[str, Any]) -> Case:
    def entries(key: str) -> tuple[Entry, ...]:
        return tuple(
            Entry(
                file=item["file"],
                kind=entry["kind"],
                columns=tuple(entry.get("columns") or ()),
                why=str(entry.get("why") or ""),
                level=Level(entry["level"]) if "level" in entry else None,
            )
            for entry in item.get(key) or ()
        )

    files = item["pair"].values() if "pair" in item else [item["file"]]
    target = item.get("target")
    return Case(
        name=item["file"],
        paths=tuple(folder / file for file in files),
        target=None if target is None else str(target),
        expect=entries("expect"),
        must_not=entries("must_not"),
    )


def read_needs(path: Path) -> list[Need]:
    """Read the table of entries that need a certain check."""
    items = tomllib.loads(path.read_text("utf-8"))["entry"]
    return [
        Need(**{**item, "needs": tuple(item["needs"]), "columns": tuple(item.get("columns", ()))}) for item in items
    ]


def out_of_reach(entry: Entry, case: Case, needs: Iterable[Need], installed: Collection[str]) -> str | None:
    """Return why no installed check can answer an entry, None if one can."""
    if entry.kind == "split_column":
        return None
    able = KINDS.get(entry.kind, ())
    if not set(able) & set(installed):
        return f"needs {' or '.join(able) or 'a check that has no name yet'}"
    for need in needs:
        if need.covers(entry, case) and not set(need.needs) & set(installed):
            return f"needs {' or '.join(need.needs)}: {need.why}"
    return None


def names(column: str | int, shown: str) -> bool:
    """Whether a finding's column is the expected one; a column without a name is called `column<N>`."""
    unnamed = re.fullmatch(r"Unnamed: (\d+)", str(column))  # as pandas calls a column whose header is empty
    if unnamed:
        column = int(unnamed[1])
    if isinstance(column, int):
        return re.fullmatch(rf"column0*{column}", shown) is not None
    return column.strip() == shown.strip()


def speaking_of(report: Report, kind: str) -> list[Finding]:
    """Return the findings of those checks that answer for a kind."""
    return [finding for finding in report.findings if finding.check in KINDS.get(kind, ())]


def _whole_rows(entry: Entry) -> bool:
    return not entry.columns or entry.kind in ROW_KINDS


def answers(report: Report, entry: Entry) -> list[Finding]:
    """Return the findings that together meet an expectation, empty if a column stays unnamed."""
    if entry.kind == "split_column":
        return []
    found = speaking_of(report, entry.kind)
    if _whole_rows(entry):
        return found
    used: list[Finding] = []
    for column in entry.columns:
        naming = [finding for finding in found if any(names(column, shown) for shown in finding.at.columns)]
        if not naming:
            return []
        used += naming
    return used


def met(report: Report, entry: Entry) -> bool:
    """Whether an expectation is met, by findings or by what the loader says that it took for granted.

    That is which column names the splits, and of a file with a text in each line that it has no header.
    """
    if entry.kind == "split_column":
        split = [guess for guess in report.case.guesses if "--split-column" in guess.override]
        return all(any(names(column, guess.value) for guess in split) for column in entry.columns)
    if entry.kind == "no_header" and any(one.what == "header" and one.value == "no" for one in report.case.guesses):
        return True
    return bool(answers(report, entry))


def false_alarms(report: Report, entry: Entry) -> list[Finding]:
    """Return the findings that name what must not be accused, whatever their severity."""
    found = speaking_of(report, entry.kind)
    if _whole_rows(entry):
        exact = entry.kind in ("exact_duplicate_rows", "cross_split_duplicates")
        return [f for f in found if not (exact and str(f.evidence.get("kind", "")).startswith("near"))]
    return [f for f in found if any(names(column, shown) for column in entry.columns for shown in f.at.columns)]


def is_violation(finding: Finding, entry: Entry, case: Case) -> bool:
    """Whether a false alarm counts: an error always, a warning where the kind is wholly absent."""
    if finding.severity is Severity.ERROR:
        return True
    clean = CLEAN.search(entry.why) is not None or not case.expect
    return clean and finding.severity is Severity.WARNING


def unlisted(report: Report, case: Case) -> Sequence[Finding]:
    """Return errors of which the expectations say nothing, good or bad; a person should look at them."""
    known = {id(f) for entry in case.expect for f in answers(report, entry)}
    known |= {id(f) for entry in case.must_not for f in false_alarms(report, entry)}
    return [f for f in report.findings if f.severity is Severity.ERROR and id(f) not in known]
