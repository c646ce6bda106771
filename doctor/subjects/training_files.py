"""JSON files that describe a model or a training: config.json of Hugging Face, DeepSpeed's, arguments of a trainer."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.model import Problem, SubjectSummary
from doctor.subjects.source import FOREIGN_FOLDERS

MAX_BYTES = 1_000_000
"""A larger file was not written by a person, nor for one training."""
MODEL, DEEPSPEED, TRAINER = "model", "DeepSpeed", "trainer"
_MARKS = {
    DEEPSPEED: re.compile(r'"(zero_optimization|train_micro_batch_size_per_gpu)"\s*:'),
    TRAINER: re.compile(r'"(per_device_train_batch_size|num_train_epochs)"\s*:'),
    MODEL: re.compile(r'"model_type"\s*:'),
}
"""By which a file is known; the first that fits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingFile:
    """One of them.

    Attributes
    ----------
    kind : str
        "model", "DeepSpeed" or "trainer".
    """

    path: Path
    shown: str
    kind: str
    content: dict[str, Any]
    text: str

    def line_of(self, *keys: str) -> int:
        """Return the line of the first of these keys that is there, else 1."""
        for key in keys:
            found = re.search(rf'"{re.escape(key)}"\s*:', self.text)
            if found:
                return self.text.count("\n", 0, found.start()) + 1
        return 1


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingFiles:
    """All of them under the scanned paths."""

    files: tuple[TrainingFile, ...]

    def of(self, kind: str) -> list[TrainingFile]:
        """Return those of a kind."""
        return [file for file in self.files if file.kind == kind]

    def summary(self) -> SubjectSummary:
        """Describe it for the report."""
        shown = [file.shown for file in self.files]
        path = shown[0] if len(shown) == 1 else os.path.commonpath(shown) or os.curdir
        return SubjectSummary(kind="configuration", path=path, files=len(shown))


def open_training_files(paths: Sequence[Path]) -> tuple[TrainingFiles | None, list[Problem]]:
    """Read those that lie at the paths.

    Returns
    -------
    TrainingFiles or None
        None where there is none.
    list of Problem
        One for each that is one by its keys, and no JSON.
    """
    found: dict[Path, TrainingFile] = {}
    problems: list[Problem] = []
    for root in paths:
        for path in _candidates(root):
            try:
                text = path.read_text("utf-8-sig") if path.stat().st_size <= MAX_BYTES else ""
            except (OSError, UnicodeDecodeError):
                continue  # who reads tables says so
            kind = next((kind for kind, mark in _MARKS.items() if mark.search(text)), None)
            if kind is None or not text.lstrip().startswith("{"):
                continue
            try:
                content = json.loads(text)
            except json.JSONDecodeError as error:
                if not error.msg.startswith("Extra data"):  # a record per line
                    problems.append(Problem(path=str(path), reason=f"not valid JSON: {error.msg}", line=error.lineno))
                continue
            except RecursionError:
                problems.append(Problem(path=str(path), reason="not valid JSON: nested too deeply"))
                continue
            if isinstance(content, dict) and _is_one(kind, content):
                file = TrainingFile(path=path, shown=str(path), kind=kind, content=content, text=text)
                found.setdefault(path.resolve(), file)
    return (TrainingFiles(files=tuple(found.values())) if found else None), problems


def _is_one(kind: str, content: dict[str, Any]) -> bool:
    """Whether the keys stand at the top, and not somewhere in a record."""
    if kind == MODEL:
        return isinstance(content.get("model_type"), str)
    if kind == TRAINER:
        return "per_device_train_batch_size" in content or {"num_train_epochs", "output_dir"} <= content.keys()
    return isinstance(content.get("zero_optimization"), dict) or "train_micro_batch_size_per_gpu" in content


def _candidates(root: Path) -> Iterator[Path]:
    if root.is_file():
        if root.suffix.lower() == ".json":
            yield root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name not in FOREIGN_FOLDERS
            and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(names):
            if name.lower().endswith(".json") and not name.startswith("."):
                yield Path(folder) / name
