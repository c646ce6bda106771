"""Scaffolds a check: its file and the fixture folder with a sick and a healthy twin."""

import re
import runpy
import sys
from pathlib import Path
from string import Template

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SICK = '[[finding]]\ncheck = "$id"\nseverity = "warning"\ncolumns = ["TODO"]\n'
HEALTHY = "# TODO: why this twin is healthy.\n"


def scaffold(id: str, root: Path) -> list[Path]:
    """Write the files of a new check and return them.

    Raises
    ------
    ValueError
        When the id is not `family/name` in lower-case words joined by hyphens.
    FileExistsError
        When there is such a check.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*/[a-z][a-z0-9-]*", id):
        raise ValueError(f"{id!r} is not of the form family/name, lower-case words joined by hyphens")
    family, name = id.replace("-", "_").split("/")
    check = root / "checks" / family / f"{name}.py"
    patient = root / "fixtures" / family / name
    if check.exists() or patient.exists():
        raise FileExistsError(f"{id} exists: {check if check.exists() else patient}")
    package = check.parent / "__init__.py"
    made = [] if package.exists() else [_write(package, '"""TODO: what the diseases of this family share."""\n')]
    made.append(_write(check, Template((HERE / "check.py.txt").read_text("utf-8")).substitute(id=id)))
    made.append(_write(patient / "generate.py", (HERE / "generate.py.txt").read_text("utf-8")))
    runpy.run_path(str(patient / "generate.py"))["generate"](patient)
    for twin, expected in (("sick", SICK), ("healthy", HEALTHY)):
        made.append(_write(patient / twin / "doctor.toml", 'target = "cultivar"\n'))
        made.append(_write(patient / twin / "expected.toml", Template(expected).substitute(id=id)))
        made += (patient / twin).glob("*.csv")
    return made


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def main() -> int:
    try:
        made = scaffold(sys.argv[1] if len(sys.argv) > 1 else "", ROOT)
    except (ValueError, FileExistsError) as error:
        print(f"new: {error}\nusage: make new CHECK=family/name", file=sys.stderr)
        return 2
    for path in made:
        print(path.relative_to(ROOT))
    print("Fill in what says TODO; `make test` tells what is missing.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
