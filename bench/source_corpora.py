"""What the source checks say of training code that others wrote, and what they find when a fault is planted in it.

python bench/source_corpora.py                     the installed packages that hold training code
python bench/source_corpora.py FOLDER…             any code
python bench/source_corpora.py --planted FOLDER…   also with each fault planted in every loop that has the remedy
python bench/source_corpora.py --thousand          the time that 1,000 files of torch and transformers take

Prints a table in Markdown and every finding below it, for each is to be looked at.
"""

import argparse
import ast
import importlib.util
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from measuring import run

from doctor.case import open_case
from doctor.engine import examine
from doctor.evidence.project import Project
from doctor.model import Finding, Outcome, Report, Severity
from doctor.settings import Settings
from doctor.subjects.source import open_source

PACKAGES = ("transformers", "accelerate", "lightning", "pytorch_lightning", "deepspeed", "torch", "timm", "trl")
THOUSAND = ("torch", "transformers")
CHOSEN = Settings(select=("source",))


def installed(name: str) -> Path | None:
    """Return the folder of an installed package."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def scanned(folder: Path) -> tuple[Report, float]:
    """Scan a folder by the source checks; also say how many seconds of the processor it took."""
    begin = time.process_time()
    with open_case([folder], CHOSEN) as case:
        report = examine(case, CHOSEN)
    return report, time.process_time() - begin


def row(name: str, folder: Path) -> tuple[str, list[Finding]]:
    """Return a line of the table, and the findings."""
    report, seconds = scanned(folder)
    source, _ = open_source([folder])
    programs = source.programs if source else ()
    training = sum(b".backward(" in program.path.read_bytes() for program in programs)
    counts = [report.count(severity) for severity in Severity]
    crashed = sum(one.outcome is Outcome.CRASHED for one in report.examinations)
    cells = (name, len(programs), training, *counts, crashed, f"{seconds:.1f}")
    return "| " + " | ".join(map(str, cells)) + " |", report.findings


def _calls(node: ast.stmt, name: str) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == name


class _Without(ast.NodeTransformer):
    """Takes out the statements, decorators and contexts that a predicate knows."""

    def __init__(self, gone: Callable[[ast.AST], bool]) -> None:
        self.gone = gone
        self.count = 0

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.Expr) and self.gone(node):
            self.count += 1
            return ast.copy_location(ast.Pass(), node)
        if isinstance(node, ast.FunctionDef):
            kept = [one for one in node.decorator_list if not self.gone(one)]
            self.count += len(node.decorator_list) - len(kept)
            node.decorator_list = kept
        if isinstance(node, ast.With) and len(node.items) == 1 and self.gone(node.items[0].context_expr):
            self.count += 1
            return ast.copy_location(ast.If(test=ast.Constant(True), body=node.body, orelse=[]), node)
        return node


FAULTS: dict[str, Callable[[ast.AST], bool]] = {
    "missing-zero-grad": lambda node: isinstance(node, ast.stmt) and _calls(node, "zero_grad"),
    "missing-eval-mode": lambda node: isinstance(node, ast.stmt) and _calls(node, "eval"),
    "missing-no-grad": lambda node: isinstance(node, ast.expr) and ast.unparse(node).startswith("torch.no_grad"),
    "unscaled-clip": lambda node: isinstance(node, ast.stmt) and _calls(node, "unscale_"),
    "missing-set-epoch": lambda node: isinstance(node, ast.stmt) and _calls(node, "set_epoch"),
}


def planted(folder: Path) -> Iterator[str]:
    """Yield for each fault how many files lost their remedy, and in how many of them the check now speaks."""
    source, _ = open_source([folder])
    for check, gone in FAULTS.items():
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "code"
            hurt = set()
            modules = Project(source.programs).modules if source else []
            for module in modules:
                program = module.program
                if program.path.suffix != ".py":
                    continue
                target = copy.joinpath(*program.inner)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(program.path, target)
                change = _Without(gone)
                tree = change.visit(ast.parse(program.path.read_bytes()))
                if change.count and not module.is_test:
                    target.write_text(ast.unparse(ast.fix_missing_locations(tree)), "utf-8")
                    hurt.add("/".join(program.inner))
            if not hurt:
                continue
            report, _ = scanned(copy)
            found = {
                str(Path(item.at.path or "").relative_to(copy))
                for item in report.findings
                if item.check == f"source/{check}"
            }
            yield f"| {folder.name} | {check} | {len(hurt)} | {len(found)} |"


def thousand() -> str:
    """Scan 500 files of each of two packages, taken at equal distances, by all checks, and say what it took."""
    with tempfile.TemporaryDirectory() as scratch:
        lines = 0
        for name in THOUSAND:
            home = installed(name)
            if home is None:
                return f"{name} is not installed"
            files = sorted(home.rglob("*.py"))
            for number in range(500):
                file = files[number * len(files) // 500]
                target = Path(scratch) / name / file.relative_to(home)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, target)
                lines += file.read_bytes().count(b"\n")
        # A crashed check ends in status 3, which is not allowed.
        used = run([sys.executable, "-m", "doctor", "scan", scratch], allowed=(0, 1))
        return (
            f"1,000 files, {lines:,} lines: doctor scan took {used.seconds:.1f} s, {used.cpu_seconds:.1f} s of the "
            f"processors, {used.process_mib:.0f} MiB; no check crashed"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--thousand", action="store_true")
    given = parser.parse_args()
    if given.thousand:
        print(thousand())
        return
    folders = {str(path.name): path for path in given.folders}
    folders = folders or {name: home for name in PACKAGES if (home := installed(name)) is not None}
    print("| code | files | with a backward pass | errors | warnings | remarks | crashed | seconds |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    findings: list[Finding] = []
    for name, folder in folders.items():
        line, found = row(name, folder)
        findings += found
        print(line, flush=True)
    print("\nBy check:", dict(Counter(finding.check for finding in findings)), "\n")
    for finding in findings:
        print(f"- {finding.severity.value} {finding.check}: {finding.message}")
    if given.planted:
        print("\n| code | fault | files that lost the remedy | of them told |\n|---|---|---|---|")
        for folder in folders.values():
            for line in planted(folder):
                print(line, flush=True)


if __name__ == "__main__":
    main()
