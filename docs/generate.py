"""Writes what can be derived from the code into docs/: a manual page per check, their list, the report's schema."""

import argparse
import json
import re
import sys
import textwrap
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path

from doctor.registry import LoadedCheck, load_checks
from doctor_reports.json import schema

HERE = Path(__file__).resolve().parent
NULL_DATA = HERE.parent / "bench" / "results" / "null_data.json"
Counts = Mapping[str, Mapping[str, int]]
OWNED = ("checks/**/*.md", "report.schema.json")


def pages(checks: tuple[LoadedCheck, ...]) -> dict[str, str]:
    """Return every generated file by its path below docs/."""
    null_data = json.loads(NULL_DATA.read_text("utf-8"))
    made = {f"checks/{check.id.replace('-', '_')}.md": _manual(check, null_data) for check in checks}
    made["checks/README.md"] = _list(checks)
    made["report.schema.json"] = json.dumps(schema(), indent=2, sort_keys=True) + "\n"
    return made


def _manual(check: LoadedCheck, null_data: Mapping[str, Counts]) -> str:
    summary, _, body = check.manual.partition("\n")
    parts = [f"# {check.id}\n\n{summary} Usual severity: {check.check.severity.value}.\n"]
    for section in re.split(r"^(?=\S)", body.strip("\n"), flags=re.MULTILINE)[1:]:
        heading, _, text = section.partition("\n")
        text = textwrap.dedent(text).strip()
        if heading == "Thresholds":
            text = re.sub(r"^(\w+): ", r"- `\1`: ", text, flags=re.MULTILINE)
        if heading == "Calibration" and check.id in null_data:
            text += f"\n\n{_false_alarms(null_data[check.id])}"
        parts.append(f"## {heading}\n\n{text}\n")
    return "\n".join(parts)


def _false_alarms(counts: Counts) -> str:
    """Set the counts that `bench/null_data.py` kept as a table."""
    head = "Seeded tables in which there is nothing to find, as `python bench/null_data.py` draws them:\n\n"
    head += "| rows | tables | gave a verdict | accused | remarked |\n|---|---|---|---|---|\n"
    return head + "\n".join(
        f"| {int(rows):,} | {of['tables']:,} | {of['judged']:,} | {of['accused']:,} | {of['remarked']:,} |"
        for rows, of in counts.items()
    )


def _list(checks: tuple[LoadedCheck, ...]) -> str:
    parts = ["# The checks\n\nEach links to its manual page, which `doctor explain` prints too.\n"]
    for family, members in groupby(checks, key=lambda check: check.id.partition("/")[0]):
        rows = "".join(
            f"| [{check.id}]({check.id.replace('-', '_')}.md) | {check.check.severity.value} | {check.summary} |\n"
            for check in members
        )
        parts.append(f"\n## {family}\n\n| check | severity | finds |\n|---|---|---|\n{rows}")
    return "".join(parts)


def stale(made: Mapping[str, str], folder: Path) -> list[str]:
    """Return the generated files that differ from what they should be, those that should not be there included."""
    differing = [
        name
        for name, text in made.items()
        if not (folder / name).is_file() or (folder / name).read_text("utf-8") != text
    ]
    return sorted(differing + [name for name in _stored(folder) if name not in made])


def _stored(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for pattern in OWNED for file in folder.glob(pattern)]


def write(made: Mapping[str, str], folder: Path) -> None:
    """Bring the folder to what was made."""
    for name in _stored(folder):
        if name not in made:
            (folder / name).unlink()
    for name, text in made.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a file is out of date")
    made = pages(tuple(check for check in load_checks() if check.examine.__module__.startswith("doctor_checks.")))
    if not parser.parse_args().check:
        write(made, HERE)
        return 0
    old = stale(made, HERE)
    for name in old:
        print(f"docs/{name} is out of date: run `make docs`", file=sys.stderr)
    return 1 if old else 0


if __name__ == "__main__":
    sys.exit(main())
