"""Compares measured agreement between annotators with the figures published for the same data."""

import csv
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from doctor.case import open_case
from doctor.evidence.annotations import Annotations
from doctor.measurements import Measurements, Scope, Silent
from doctor.settings import settings_for
from doctor.subjects.table import Table

CHECK = "labels/low-agreement"
COEFFICIENTS = {
    "fleiss_kappa": "fleiss",
    "fleiss_kappa_exact_digits": "fleiss",
    "fleiss_kappa_generalised": "fleiss_generalised",
    "conger_kappa": "conger",
    "conger_kappa_exact": "conger",
    "light_kappa": "light",
    "brennan_prediger": "brennan_prediger",
    "gwet_ac1": "gwet_ac1",
    "percent_agreement": "percent_agreement",
    **{f"krippendorff_alpha_{level}": f"alpha_{level}" for level in ("nominal", "ordinal", "interval", "ratio")},
}
PAIR_COEFFICIENTS = {
    "cohen_kappa": "cohen",
    "cohen_kappa_linear_R_reduced_levels": "linear_reduced",
    "cohen_kappa_quadratic_R_reduced_levels": "quadratic_reduced",
    "cohen_kappa_linear_numeric_distance": "linear",
    "cohen_kappa_quadratic_numeric_distance": "quadratic",
}
DISPUTED = Path(__file__).resolve().parent / "disputed.toml"
NAMED_PAIR = re.compile(r"cohen_kappa_(?P<first>rater\d+)_(?P<second>rater\d+)")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A published number and what was measured; None where the evidence has no such number.

    Attributes
    ----------
    disputed : (float, str) or None
        What an independent program computes instead, and why it differs.
    """

    file: str
    name: str
    published: float
    measured: float | None
    disputed: tuple[float, str] | None = None

    @property
    def digits(self) -> int:
        """Decimal places as published."""
        return len(repr(self.published).partition(".")[2])

    @property
    def equal(self) -> bool:
        """Whether they agree to the published digits; a disputed figure, with its correction."""
        wanted = self.disputed[0] if self.disputed else self.published
        return self.measured is not None and round(self.measured, self.digits) == wanted

    def __str__(self) -> str:
        word = "MISSED" if not self.equal else "disputed" if self.disputed else "equal"
        measured = "none" if self.measured is None else f"{self.measured:.{self.digits + 2}f}"
        reason = f" [{self.disputed[0]}: {self.disputed[1]}]" if self.disputed else ""
        return f"{word:8}  {self.file}: {self.name}: {self.published} ↔ {measured}{reason}"


def figures(folder: Path) -> list[Figure]:
    """Measure every label set of the folder and set the published figures beside."""
    listed = tomllib.loads(DISPUTED.read_text("utf-8"))["figure"]
    disputes = {(each["file"], each["name"]): (each["value"], each["why"]) for each in listed}
    found = []
    for item in yaml.safe_load((folder / "EXPECT.yaml").read_text("utf-8")):
        published = {name: value for name, value in item["expect"].items() if isinstance(value, float)}
        evidence = measure(folder / item["file"], item)
        named = next((match for name in published if (match := NAMED_PAIR.fullmatch(name))), None)
        pair = (named["first"], named["second"]) if named else None
        found += [
            Figure(
                file=item["file"],
                name=name,
                published=value,
                measured=look_up(evidence, name, pair),
                disputed=disputes.get((item["file"], name)),
            )
            for name, value in published.items()
        ]
    return found


def measure(path: Path, item: dict[str, Any]) -> Annotations:
    """Measure one label set, with its columns declared as a user would."""
    with path.open(encoding="utf-8", newline="") as lines:
        header = next(csv.reader(lines))
    options: dict[str, Any] = {"annotators": tuple(item.get("label_columns") or header[1:])}
    if item["layout"].startswith("long"):
        options = {"item": header[0], "annotators": (header[1],), "target": header[2]}
    settings = settings_for(path, options)
    with open_case([path], settings) as case:
        (table,) = case.tables
        scope = Scope({**case.singles(settings), Table: table}, table.label, table.shown)
        evidence: Annotations = Measurements(Silent(), None).get(Annotations, scope)
    return evidence


def look_up(evidence: Annotations, name: str, pair: tuple[str, str] | None) -> float | None:
    """Find a figure in the evidence; `pair` is meant where a figure of two annotators does not name them."""
    if name in COEFFICIENTS:
        return evidence.coefficients.get(COEFFICIENTS[name])
    two = [p for p in evidence.pairs if pair is None or {p.first, p.second} == set(pair)]
    attribute = "cohen" if NAMED_PAIR.fullmatch(name) else PAIR_COEFFICIENTS.get(name)
    if attribute is None or len(two) != 1:
        return None
    value: float | None = getattr(two[0], attribute)
    return value
