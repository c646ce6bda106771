"""Reads what the data folder says of its collections of images, and judges reports by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from expectations import Level

from doctor.model import Finding, Report, Severity

COPIES = ("duplicates/duplicate-images", "duplicates/near-duplicate-images", "leakage/split-duplicates")


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One thing to be found, or not to be found, in a collection.

    Attributes
    ----------
    files : tuple of str
        A broken file, or images that are one picture.
    """

    collection: str
    kind: str
    files: tuple[str, ...]
    level: Level | None

    def __str__(self) -> str:
        return f"{self.collection}: {self.kind}: {', '.join(self.files)}"


def read_collections(folder: Path) -> dict[str, tuple[Path, list[Picture]]]:
    """Read `EXPECT.yaml` of a folder of collections of images; by the name of each, its path and what is expected."""
    found = {}
    for item in yaml.safe_load((folder / "EXPECT.yaml").read_text("utf-8"))["scans"]:
        name = item["path"]
        wanted = [picture for level in Level for picture in _pictures(name, item.get(level.value), level)]
        found[name] = (folder / name, [*wanted, *_pictures(name, item.get("must_not"), None)])
    return found


def _pictures(name: str, told: Any, level: Level | None) -> Iterator[Picture]:
    if not isinstance(told, dict):
        # Of a collection without a fault there is one sentence.
        if told:
            yield Picture(collection=name, kind="any", files=(), level=level)
        return
    for kind, files in told.items():
        if isinstance(files, str):  # why nothing of the kind must be said
            yield Picture(collection=name, kind=kind, files=(), level=level)
            continue
        for each in files:
            yield Picture(
                collection=name, kind=kind, files=tuple(each) if isinstance(each, list) else (each,), level=level
            )


def met(report: Report, picture: Picture) -> bool:
    """Whether a report says it."""
    if picture.kind in ("unreadable", "extension_mismatch"):
        named = {file for finding in _of(report, "images/unreadable") for file in _files(finding)}
        return set(picture.files) <= named or any(file.endswith(".svg") for file in picture.files)
    # A file that is no image by its name is none of the collection.
    wanted = {file for file in picture.files if not file.endswith(".svg")}
    return any(wanted <= family for finding in _of(report, *COPIES) for family in _families(finding))


def violation(report: Report, picture: Picture) -> Finding | None:
    """Return a finding that must not be there."""
    match picture.kind:
        case "any":
            return next((one for one in report.findings if one.severity is not Severity.INFO), None)
        case "duplicates":
            pair = set(picture.files)
            copies = _of(report, *COPIES)
            return next((one for one in copies if any(pair <= family for family in _families(one))), None)
        case "near_duplicates":
            return next(iter(_of(report, *COPIES)), None)
        case "low_resolution":
            small = _of(report, "images/low-resolution")
            return next((one for one in small if len(small) > 1 or one.severity is not Severity.INFO), None)
        case "grayscale":
            return next(iter(_of(report, "images/colour-mode-mix")), None)
    raise ValueError(f"{picture}: of no known kind")


def _of(report: Report, *checks: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.check in checks]


def _files(finding: Finding) -> list[str]:
    files: list[str] = finding.evidence.get("files", [])
    return files


def _families(finding: Finding) -> list[set[str]]:
    """Return the images that a finding takes for one picture, family by family."""
    families: dict[str, set[str]] = {}
    for one in finding.evidence.get("examples", ()):
        families.setdefault(one["original"], {one["original"]}).add(one["file"])
    return list(families.values())
