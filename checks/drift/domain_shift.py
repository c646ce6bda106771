"""Splits whose rows a classifier can tell apart.

What it finds
    A later split whose rows can be told from those of the first by all features together, out of fold: also where every
    column by itself looks alike and only their joint behaviour differs. The lower bound of the AUC decides; the columns
    that tell most, and pairs of columns by how they go together, are named.

Why it matters
    If a model can tell where a row comes from, so can the model that is being trained, and what it learns on one side
    need not hold on the other.

What to do
    Look at the columns that are named: a column that gives the split away is often an artefact (another unit, another
    export, a filled-in value). If both splits should stand for one population, draw them anew.

Thresholds
    min_auc: lower 99 % bound of the out-of-fold AUC from which it is reported, as a warning (0.6).
    min_error_auc: the same for an error, unless the splits are cut in time (0.75).
    min_rows: rows, entities or stretches of time of a split below which there is no verdict (30).

Calibration
    `python bench/drift.py` prints the tables. Both splits drawn alike, twelve columns of many shapes (no mean, counts,
    mostly zero, coarse, rare categories, holes) and a label, 200 data sets per row, 75 + 25 to 75,000 + 25,000 rows cut
    at random, to 7,500 + 2,500 along time and by entity: no alarm. Two columns whose correlation of 0.9 changed its
    sign: found in all of 20 data sets at 1,001 + 100 and at 7,500 + 2,500 rows.

Limits
    Up to 2,500 rows of each split and 200 columns are looked at; differences that show only in three columns at once
    are not seen. The target takes no part, nor do names of rows and entities, times, prose, and what only counts rows
    or time. Splits cut by entity or in time are judged by whole entities or stretches of time.

Source
    D. Lopez-Paz and M. Oquab, Revisiting classifier two-sample tests, ICLR 2017; S. Rabanser et al., Failing loudly,
    NeurIPS 2019. The deviation of the AUC is that of J. Hanley and B. McNeil (1982).
"""

from collections.abc import Iterator

from doctor.evidence.domains import Domain, Domains
from doctor.model import Advise, AnyRepair, Check, Finding, Location, Resplit, Safety, Severity, Undecided

CHECK = Check(
    "drift/domain-shift",
    Severity.WARNING,
    "rows of {later} can be told from those of {earlier} with an AUC of {auc:.2f} (at least {lower:.2f}), most of all "
    "by {column}",
)


def examine(
    domains: Domains, *, min_auc: float = 0.6, min_error_auc: float = 0.75, min_rows: int = 30
) -> Iterator[Finding | Undecided]:
    """Judge the classifier of each later split."""
    if not domains.domains:
        yield CHECK.unavailable("no two splits have rows and columns enough to tell")
    for domain in domains.domains:
        if min(domain.rows) < min_rows or (min(domain.independent) < min_rows and domain.cut_in_time is None):
            few = min(*domain.rows, *domain.independent)
            yield CHECK.unavailable(f"{domain.earlier} and {domain.later}: {few} rows or entities are too few to tell")
        elif domain.lower >= min_auc:
            sure = domain.lower >= min_error_auc and domain.cut_in_time is None
            yield _finding(domain, Severity.ERROR if sure else Severity.WARNING)


def _finding(domain: Domain, severity: Severity) -> Finding:
    named = tuple(dict.fromkeys(column for one in domain.telling for column in one.columns))
    repair: AnyRepair = Resplit(
        by="random",
        column=domain.cut_by_entity,
        pattern=domain.entity_pattern,
        safety=Safety.UNSAFE,
        summary="draw the splits anew at random, if both stand for one population",
    )
    if domain.cut_in_time is not None:
        repair = Advise(safety=Safety.MANUAL, summary=f"train on rows nearer to {domain.later}")
    return CHECK.finding(
        at=Location(split=domain.later, columns=named),
        severity=severity,
        repair=repair,
        earlier=domain.earlier,
        later=domain.later,
        auc=domain.auc,
        lower=domain.lower,
        telling={" with ".join(one.columns): one.auc for one in domain.telling},
        rows=domain.rows,
        independent=domain.independent,
        cut_in_time=domain.cut_in_time,
    )
