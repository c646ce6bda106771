"""Count false alarms on healthy programs and recall on planted faults of reproducibility/unseeded-code.

python bench/calibrate_unseeded.py                     the fixtures' programs
python bench/calibrate_unseeded.py FOLDER…             any code; prints each flagged file to be looked at
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from doctor.case import open_case
from doctor.engine import examine
from doctor.settings import Settings
from doctor.subjects.source import open_source

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "reproducibility" / "unseeded_code"
CHECK = "reproducibility/unseeded-code"


def planted(folder: Path) -> Iterator[tuple[str, int, str]]:
    """Read the faults off the remarks "# planted: KIND" in the programs."""
    for path in sorted(folder.iterdir()):
        text = path.read_text("utf-8")
        if path.suffix == ".ipynb":
            cells = ["".join(cell["source"]) for cell in json.loads(text)["cells"]]
        else:
            cells = [text] if path.suffix == ".py" else []
        for cell in cells:
            for number, line in enumerate(cell.splitlines(), start=1):
                if found := re.search(r"# planted: (\w+)", line):
                    yield path.name, number, found[1]


def found(folder: Path, check: str = CHECK) -> list[tuple[str, int, str, str]]:
    """Scan a folder and return file, line, kind and message of each finding."""
    settings = Settings(select=(check,))
    with open_case([folder], settings) as case:
        report = examine(case, settings)
    return [
        (str(item.at.path), item.at.line or 0, str(item.evidence["kind"]), item.message) for item in report.findings
    ]


def programs(folder: Path) -> int:
    """Count the programs and notebooks below a folder."""
    source, _ = open_source([folder])
    return len(source.programs) if source else 0


def main(folders: list[Path]) -> None:
    """Print the numbers."""
    for folder in folders:
        flagged = found(folder)
        files = sorted({path for path, *_ in flagged})
        print(f"{folder}: {len(files)} of {programs(folder)} files flagged, {len(flagged)} findings")
        for path, line, kind, message in flagged:
            print(f"  {path}:{line} {kind}: {message}")
    if folders:
        return
    healthy = found(FIXTURES / "healthy")
    wanted = list(planted(FIXTURES / "sick"))
    seen = [(Path(path).name, line, kind) for path, line, kind, _ in found(FIXTURES / "sick")]
    hit = sum(fault in seen for fault in wanted)
    print(f"healthy programs: {programs(FIXTURES / 'healthy')}, false alarms: {len(healthy)}")
    print(f"planted faults: {len(wanted)}, found at their line and by their kind: {hit}")
    print(f"findings beside a planted fault: {len(seen) - hit}")


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
