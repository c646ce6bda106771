"""How long each format takes for a report of many findings, and how large it gets.

The findings are made up and alike: a sentence, a place with rows, thirty numbers, a repair. Masking is part of the
time. Figures are medians over rounds; on a machine that others use too the processor's time is the steadier. The time
to import a renderer and to compile the page's template is not in them.
"""

import argparse
import statistics
import time
from importlib.metadata import entry_points

from doctor.model import (
    About,
    CaseSummary,
    DropColumns,
    Examination,
    Finding,
    Location,
    Outcome,
    Report,
    Severity,
    fingerprint,
)


def report_of(count: int) -> Report:
    """Make a report with this many findings of 40 checks."""
    findings = []
    for number in range(count):
        at = Location(path="data", split="train", columns=(f"column {number}",), rows=tuple(range(1, 12)))
        check = f"family-{number % 8}/check-{number % 40}"
        findings.append(
            Finding(
                check=check,
                severity=list(Severity)[number % 3],
                message=f"column {number}: {number / 7:.3f} of 12,345 rows are not as they should be (allowed: 0.3)",
                at=at,
                evidence={f"measure_{i}": i * number / 3 for i in range(30)} | {"max_share": 0.3, "share": 0.5},
                repair=DropColumns(columns=at.columns, summary=f"drop column {number}"),
                fingerprint=fingerprint(check, None, at),
            )
        )
    checks = dict.fromkeys(finding.check for finding in findings)
    manual = "One thing.\n\nWhat it finds\n    A thing.\n\nThresholds\n    max_share: how much (0.3).\n"
    return Report(
        doctor=About(version="0", sample_seed=0, sample_rows=50_000),
        case=CaseSummary(path="data"),
        findings=findings,
        examinations=[Examination(check=check, outcome=Outcome.FOUND, subject="data") for check in checks],
        manuals=dict.fromkeys(checks, manual),
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--findings", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    report, empty = report_of(given.findings), report_of(0)
    print(f"{given.findings:,} findings\nformat     seconds  processor     MB")
    for point in sorted(entry_points(group="doctor.reports"), key=lambda point: point.name):
        render = point.load().render
        render(empty)
        wall, busy = [], []
        for _ in range(given.rounds):
            begin, busy_begin = time.perf_counter(), time.process_time()
            text = render(report)
            wall.append(time.perf_counter() - begin)
            busy.append(time.process_time() - busy_begin)
        size = len(text.encode()) / 1e6
        print(f"{point.name:9}  {statistics.median(wall):7.2f}  {statistics.median(busy):9.2f}  {size:5.2f}")


if __name__ == "__main__":
    main()
