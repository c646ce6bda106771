"""Columns that say what other columns say.

What it finds
    Columns that are equal in every row, levels that are recodings of each other (a code and its name), numbers that are
    multiples of each other plus a constant, sums of multiples of other columns (a total beside its parts), and, as a
    remark, numbers whose correlation is nearly one.

Why it matters
    What is said twice weighs twice: in distances, in penalties on weights, and in the importances that are read off a
    model. Linear models with exact combinations have no unique solution. A column that is equal to another by mistake
    hides that a true measurement is missing.

What to do
    Keep one of each; of a total and its parts keep the parts or the total with all parts but one. Where two columns
    should differ, look for the copying error.

Thresholds
    min_correlation: correlation from which two columns of numbers are mentioned (0.97).
    max_pairs: pairs of nearly equal columns that are told one by one; more are told as one (5).

Calibration
    Equal, recoded and exact columns are verified on every drawn row; independent columns are never equal in 30 rows
    or more, nor one to one with ten rows per level. `python bench/calibrate_quality.py` prints: of 600 healthy tables
    none was accused; a column in other units and a total beside its parts were found in all of 80 tables.

Limits
    Found on the drawn rows. Columns that others settle in one direction alone (city and country) are not mentioned, nor
    are numbers bound by a curve whose correlation stays below the bound. The target is left out: its copies are leaks.

Source
    –
"""

from collections.abc import Iterator

from doctor.evidence.redundancy import Combination, Pair, Redundancy
from doctor.model import Check, DropColumns, Finding, Location, Safety, Severity

CHECK = Check(
    "quality/redundant-columns",
    Severity.INFO,
    {
        "copy": "{first} and {second} are equal in all {rows:,} rows looked at",
        "recoding": "{first} and {second} are one to one: each of the {levels} levels of one is a level of the other",
        "affine": "{first} and {second} are multiples of each other plus a constant, but for rounding",
        "combination": "{formula} in all {rows:,} rows looked at",
        "correlated": "{first} and {second} nearly say the same (correlation {correlation:.3f})",
        "many": "{column}: {pair_count:,} pairs of them nearly say the same (correlation {min_correlation:.2f} or "
        "more)",
    },
)


def examine(redundancy: Redundancy, *, min_correlation: float = 0.97, max_pairs: int = 5) -> Iterator[Finding]:
    """Report exact relations one by one, near ones together where they are many."""
    near = []
    for pair in redundancy.pairs:
        if pair.kind != "correlated":
            yield _of_pair(pair)
        elif abs(pair.correlation) >= min_correlation:
            near.append(pair)
    for combination in redundancy.combinations:
        yield _of_combination(combination)
    if len(near) <= max_pairs:
        yield from map(_of_pair, near)
    else:
        columns = tuple(dict.fromkeys(name for pair in near for name in (pair.first, pair.second)))
        pairs = [{"first": pair.first, "second": pair.second, "correlation": pair.correlation} for pair in near]
        yield CHECK.finding(
            "many",
            at=Location(columns=columns),
            pair_count=len(near),
            min_correlation=min(abs(pair.correlation) for pair in near),
            pairs=pairs[:100],
        )


def _of_pair(pair: Pair) -> Finding:
    exact = pair.kind != "correlated"
    drop = DropColumns(columns=(pair.second,), safety=Safety.UNSAFE, summary=f"keep {pair.first}, drop {pair.second}")
    return CHECK.finding(
        pair.kind,
        at=Location(columns=(pair.first, pair.second)),
        severity=Severity.WARNING if pair.kind == "copy" else Severity.INFO,
        first=pair.first,
        second=pair.second,
        rows=pair.rows,
        levels=pair.levels,
        correlation=pair.correlation,
        repair=drop if exact else None,
    )


def _of_combination(found: Combination) -> Finding:
    return CHECK.finding(
        "combination",
        at=Location(columns=(found.column, *found.terms)),
        formula=_formula(found),
        terms=found.terms,
        constant=found.constant,
        rows=found.rows,
        repair=DropColumns(columns=(found.column,), summary=f"drop {found.column}, which the others settle"),
    )


def _formula(found: Combination) -> str:
    text = ""
    for name, weight in found.terms.items():
        size = "" if abs(weight) == 1 else f"{abs(weight):.6g}·"
        text += (" − " if weight < 0 else " + " if text else "") + size + name
    if found.constant:
        text += f" {'−' if found.constant < 0 else '+'} {abs(found.constant):.6g}"
    return f"{found.column} = {text.strip()}"
