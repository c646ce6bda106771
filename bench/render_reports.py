"""How long each format takes for a report of many findings, how large it gets, and how soon the page can be read.

The findings are made up: a sentence, a place with rows, thirty numbers, a repair, and by turns evidence that is drawn
as bars, whiskers, a heat map or a receipt. Masking is part of the time. Figures are medians over rounds; on a machine
that others use too the processor's time is the steadier. The time to import a renderer and to compile the page's
template is not in the first table.

`--browser` also times the whole command `doctor report FILE --format html`, and Chromium from the call to the first
paint and to the end of loading. `--altair PYTHON` names an interpreter that has altair and vl-convert-python, and sets
two kinds of pictures as they draw them beside ours.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import msgspec

from doctor.model import (
    About,
    CaseSummary,
    Chart,
    DropColumns,
    Examination,
    Finding,
    Line,
    Location,
    Outcome,
    Report,
    Severity,
    fingerprint,
)

NAMES = ("ann", "bo", "cy", "di", "ed")
DRAWN: tuple[Callable[[int], dict[str, Any]], ...] = (
    lambda number: {"rarest": "c7", "counts": {f"c{i}": (i * 37 + number) % 190 + 1 for i in range(8)}},
    lambda number: {"kappa": 0.4, "kappa_low": 0.3, "kappa_high": 0.5 + number % 7 / 20, "min_kappa": 0.6},
    lambda number: {"kappas": {a: {b: (number + i) % 9 / 9 for i, b in enumerate(NAMES)} for a in NAMES}},
    lambda number: {"a_mb": 600.0, "b_mb": 250.0, "c_mb": 150.0, "peak_mb": 1000.0, "limit_mb": 1200.0 + number},
)  # fmt: skip
"""Evidence for bars, a whisker, a heat map and a receipt."""


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
                evidence={f"measure_{i}": i * number / 3 for i in range(30)}
                | {"max_share": 0.3, "share": 0.5}
                | DRAWN[number % 4](number),
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


def opened(report: Report, rounds: int) -> None:
    """Print what the whole command takes, and how soon Chromium shows the page."""
    from playwright.sync_api import sync_playwright

    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        stored, page_file = Path(folder, "report.json"), Path(folder, "report.html")
        stored.write_bytes(msgspec.json.encode(report))
        doctor = Path(sys.executable).with_name("doctor")
        took: dict[str, list[float]] = {"command": [], "first paint": [], "loaded": []}
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(rounds):
            begin = time.perf_counter()
            command = [doctor, "report", stored, "--format", "html", "--output", page_file]
            subprocess.run(command, check=True, capture_output=True)
            took["command"].append(time.perf_counter() - begin)
            page = browser.new_page(viewport={"width": 1440, "height": 900})
            begin = time.perf_counter()
            page.goto(page_file.as_uri(), wait_until="load")
            took["loaded"].append(time.perf_counter() - begin)
            page.wait_for_function("performance.getEntriesByName('first-contentful-paint').length > 0")
            painted = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            took["first paint"].append(painted / 1000)
            page.close()
        browser.close()
    print("\nthe page of these findings          seconds")
    for name, words in (
        ("command", "doctor report FILE --format html"),
        ("first paint", "Chromium, first paint"),
        ("loaded", "Chromium, all loaded and laid out"),
    ):
        print(f"{words:34}  {statistics.median(took[name]):7.2f}")


def beside_altair(python: str) -> None:
    """Print what a picture costs here and there."""
    from doctor_reports.charts import plot
    from doctor_reports.html import picture_html, plot_html
    from doctor_reports.pictures import pictures

    peer = Path(__file__).with_name("peer_altair.py")
    theirs = json.loads(subprocess.run([python, peer], check=True, capture_output=True, text=True).stdout)
    evidence = {"counts": {f"measure {i}": i / 8 for i in range(8)}, "max_counts": 0.3}
    points = [(float(i), float(i * 7 % 17 + 1)) for i in range(400)]
    chart = Chart(title="Loss", x_label="step", lines=[Line(name="", points=points)], log=True)
    ours = {
        "bars": _each(lambda: picture_html(pictures(evidence)[0])),
        "line": _each(lambda: plot_html(plot(chart, []))),
    }
    print("\npicture                        ours, ms    bytes   Altair, ms    bytes")
    for kind, words in (("bars", "eight bars and a bound"), ("line", "a line of 400 points")):
        here, there = ours[kind], theirs[kind]
        print(f"{words:28}  {here[0]:9.2f}  {here[1]:7,}  {there[0]:11.1f}  {there[1]:7,}")
    print(f"\nAltair: {theirs['megabytes']} MB installed beside what doctor needs anyway ({theirs['packages']});")
    print(f"{theirs['import_seconds']:.2f} s to import, {theirs['first_seconds']:.2f} s more for the first picture")


def _each(draw: Callable[[], str], rounds: int = 50) -> tuple[float, int]:
    """Return milliseconds and bytes of one picture."""
    text = draw()
    begin = time.process_time()
    for _ in range(rounds):
        draw()
    return 1000 * (time.process_time() - begin) / rounds, len(text.encode())


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--findings", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--browser", action="store_true")
    parser.add_argument("--altair", metavar="PYTHON")
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
    if given.browser:
        opened(report, given.rounds)
    if given.altair:
        beside_altair(given.altair)


if __name__ == "__main__":
    main()
