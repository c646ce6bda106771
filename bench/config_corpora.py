"""What the checks of the family `config` say of configurations that others ship.

    python bench/config_corpora.py FOLDER… [--each]

Each folder is one corpus, such as an unpacked source distribution; what stands in fenced blocks of its documents, as
JSON or YAML, is scanned too. Prints how many configurations there are, and every kind of finding with its number;
`--each` prints every finding.
"""

import argparse
import re
import tempfile
import time
from collections import Counter
from pathlib import Path

import doctor
from doctor.model import Report
from doctor.subjects.config import open_configs

FENCED = re.compile(r"^([ \t]*)```[ ]*(json|ya?ml)\b[^\n]*\n(.*?)^[ \t]*```", re.MULTILINE | re.DOTALL)
DOCUMENTS = (".md", ".mdx", ".qmd", ".rst", ".py")


def blocks(folder: Path, target: Path) -> int:
    """Write the fenced blocks of documents as files of their own."""
    count = 0
    for path in sorted(folder.rglob("*")):
        if path.suffix in DOCUMENTS and path.is_file():
            for indent, kind, text in FENCED.findall(path.read_text("utf-8", errors="replace")):
                plain = re.sub(rf"^{indent}", "", text, flags=re.MULTILINE)
                (target / f"{count:04d}.{'json' if kind == 'json' else 'yaml'}").write_text(plain, "utf-8")
                count += 1
    return count


def told(report: Report) -> Counter[tuple[str, str, str]]:
    """Count the findings by severity, check and kind."""
    found = ((one.severity.value, one.check, str(one.evidence.get("kind") or "")) for one in report.findings)
    return Counter(found)


def main() -> None:
    """Scan each folder and print what is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--each", action="store_true", help="print every finding")
    given = parser.parse_args()
    for folder in given.folders:
        with tempfile.TemporaryDirectory() as made:
            blocks(folder, Path(made))
            for corpus, path in ((folder.name, folder), (f"{folder.name}, documents", Path(made))):
                show(corpus, path, given.each)


def show(corpus: str, path: Path, each: bool) -> None:
    """Print one corpus."""
    configs, _, _ = open_configs([path])
    sorts = Counter(str(file.sort) for file in configs.files) if configs else Counter()
    if not sorts and path.name.startswith("tmp"):
        return
    begin = time.perf_counter()
    report = doctor.scan(path, select="config")
    seconds = time.perf_counter() - begin
    print(
        f"{corpus}: {', '.join(f'{count} {sort}' for sort, count in sorts.most_common()) or 'none'} ({seconds:.1f} s)"
    )
    for (severity, check, kind), count in sorted(told(report).items()):
        print(f"    {count:4} {severity:8} {check} {kind}")
    for problem in report.case.problems:
        if problem.path.endswith((".json", ".yaml", ".yml")) and "documents" not in corpus:
            print(f"    problem  {problem}")
    if each:
        for finding in report.findings:
            print(f"        {finding.severity.value}: {finding.message}")


if __name__ == "__main__":
    main()
