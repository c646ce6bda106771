"""A report as a real visit to a passenger list makes one, with findings of several families and all six outcomes."""

from typing import Any

import msgspec

from doctor.model import (
    About,
    Advise,
    AnyRepair,
    CaseSummary,
    Coverage,
    DropColumns,
    DropRows,
    Examination,
    Finding,
    Guess,
    Location,
    Outcome,
    Problem,
    Report,
    Resplit,
    ReviewRows,
    Reweight,
    Safety,
    Severity,
    SubjectSummary,
    fingerprint,
)

MANUAL = """One feature predicts the label too well.

What it finds
    Columns whose out-of-fold score reaches what only the label itself can reach.

    Missing values are a value of their own.

Thresholds
    max_score: rescaled out-of-fold score, above which it is an error (0.995).
    min_gap: gap over a model of all other features (0.1).

Source
    Kaufman et al., Leakage in data mining, 2012.
"""


def finding(
    check: str, severity: Severity, message: str, at: Location, repair: AnyRepair | None = None, **evidence: Any
) -> Finding:
    return Finding(
        check=check,
        severity=severity,
        message=message,
        at=at,
        evidence=evidence,
        repair=repair,
        fingerprint=fingerprint(check, None, at),
    )


def missing(column: str, share: float) -> Finding:
    return finding(
        "quality/missing-values",
        Severity.WARNING,
        f"{column}: {share:.1%} missing (allowed: 30%)",
        Location(path="titanic3.csv", columns=(column,)),
        DropColumns(columns=(column,), summary=f"drop {column}"),
        kind="feature",
        missing=round(1309 * share),
        rows=1309,
        missing_share=share,
        max_share=0.3,
    )


def sick_findings() -> list[Finding]:
    return [
        finding(
            "leakage/label-leakage",
            Severity.ERROR,
            "boat predicts survived with a score of 0.999 (others together: 0.62)",
            Location(path="titanic3.csv", columns=("boat",)),
            DropColumns(columns=("boat",), safety=Safety.SAFE, summary="drop boat"),
            score=0.999,
            score_low=0.9961,
            score_high=1.0,
            max_score=0.995,
            other_features_score=0.62,
            min_gap=0.1,
            sample_rows=1309,
        ),
        finding(
            "leakage/group-overlap",
            Severity.ERROR,
            "ticket: 31.4% of the test rows belong to groups that were trained on",
            Location(path="titanic3.csv", split="test", columns=("ticket",)),
            Resplit(by="group", column="ticket", summary="split by ticket"),
            overlap_share=0.314,
            max_share=0.01,
            rows_by_split={"train": 981, "validation": 131, "test": 197},
        ),
        *(missing(column, share) for column, share in (("body", 0.908), ("cabin", 0.775), ("home.dest", 0.431))),
        finding(
            "labels/class-imbalance",
            Severity.WARNING,
            "outcome: 'stowaway' is 1.2% of the rows (wanted: 5%)",
            Location(path="titanic3.csv", columns=("outcome",)),
            Reweight(column="outcome", summary="weigh the classes, or draw the rare ones more often"),
            class_rows={"died": 809, "survived": 484, "stowaway": 16},
            rarest_share=0.0122,
            min_share=0.05,
        ),
        finding(
            "labels/low-agreement",
            Severity.WARNING,
            "annotators agree little: Krippendorff's α is 0.41 (wanted: 0.6)",
            Location(path="labels.csv", columns=("anna", "bo", "chen")),
            ReviewRows(rows=(3, 17), safety=Safety.MANUAL, summary="have the most disputed items reviewed"),
            alpha=0.41,
            alpha_interval=[0.33, 0.49],
            min_alpha=0.6,
            pairs={
                "anna": {"anna": 1.0, "bo": 0.71, "chen": 0.28},
                "bo": {"anna": 0.71, "bo": 1.0, "chen": 0.31},
                "chen": {"anna": 0.28, "bo": 0.31, "chen": 1.0},
            },
            kappa_by_pair={
                "anna – bo": [0.62, 0.71, 0.8],
                "anna – chen": [0.17, 0.28, 0.39],
                "bo – chen": [0.2, 0.31, 0.42],
            },
        ),
        finding(
            "reproducibility/unseeded-code",
            Severity.WARNING,
            "numpy.random.shuffle is called and no seed is set before it",
            Location(path="train.py", line=14),
            Advise(safety=Safety.MANUAL, summary="make one numpy.random.default_rng(seed) and hand it on"),
            call="numpy.random.shuffle",
        ),
        finding(
            "duplicates/duplicate-rows",
            Severity.INFO,
            "19 rows are copies of others (1.5%)",
            Location(path="titanic3.csv", rows=tuple(range(7, 26))),
            DropRows(safety=Safety.SAFE, summary="drop all but the first of each"),
            copies=19,
            rows=1309,
            copies_share=0.0145,
        ),
    ]


def examination(check: str, outcome: Outcome, reason: str = "") -> Examination:
    return Examination(check=check, outcome=outcome, subject="titanic3.csv", reason=reason, seconds=0.01)


def healthy_examinations() -> list[Examination]:
    names = ("leakage/id-like", "leakage/temporal-overlap", "leakage/missingness-leakage")
    return [examination(name, Outcome.HEALTHY) for name in names]


def make_report(findings: list[Finding], examinations: list[Examination], **case: Any) -> Report:
    return Report(
        doctor=About(
            version="0.1.0",
            sample_seed=7,
            sample_rows=50_000,
            repeat=("--sample-seed", "7"),
            versions={"Python": "3.11.7"},
        ),
        case=CaseSummary(
            path="titanic3.csv",
            subjects=[
                SubjectSummary(
                    kind="table",
                    path="titanic3.csv",
                    rows=1309,
                    columns=14,
                    splits={"train": 981, "validation": 131, "test": 197},
                    roles={"target": "survived"},
                )
            ],
            **case,
        ),
        findings=findings,
        examinations=examinations,
        coverage=Coverage(measured_seconds={"Profile": 0.041, "RowHashes": 0.012}, seconds=0.42),
        manuals={"leakage/label-leakage": MANUAL},
    )


def sick() -> Report:
    findings = sick_findings()
    found = [examination(check, Outcome.FOUND) for check in dict.fromkeys(f.check for f in findings)]
    others = [
        examination("labels/no-signal", Outcome.NOT_APPLICABLE, "no target is known"),
        examination("drift/label-drift", Outcome.UNAVAILABLE, "only 16 rows of the rarest class; 30 are needed"),
        examination(
            "quality/redundant-columns",
            Outcome.CRASHED,
            "ValueError: zero-size array (at examine, redundant_columns.py:41)",
        ),
        examination("quality/constant", Outcome.IGNORED, "one ship only, on purpose"),
    ]
    kept = finding(
        "quality/constant",
        Severity.WARNING,
        "ship has one value only",
        Location(path="titanic3.csv", columns=("ship",)),
    )
    return make_report(
        [*findings, msgspec.structs.replace(kept, suppressed="one ship only, on purpose")],
        [*found, *healthy_examinations(), *others],
        guesses=[
            Guess(
                subject="titanic3.csv",
                what="target",
                value="survived",
                because="its name",
                override="--target COLUMN",
            ),
            Guess(
                subject="titanic3.csv",
                what="splits",
                value="train, validation, test",
                because="the column split",
                override="--split-column COLUMN",
            ),
        ],
        problems=[Problem(path="notes.csv", reason="not UTF-8: byte 0xff at offset 12", line=3)],
    )


def healthy() -> Report:
    return make_report([], healthy_examinations())
