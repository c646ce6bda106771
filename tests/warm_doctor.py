"""Runs commands of doctor in forks of a process that has its modules loaded: the tests run hundreds of them."""

import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from doctor.cli import run
from doctor.registry import load_checks

TIMEOUT_SECONDS = 300
MODULES = (
    "doctor.accepting",
    "doctor.case",
    "doctor.cli.scan",
    "doctor.engine",
    "duckdb",
    "pyarrow.parquet",
    "scipy.linalg",
    "scipy.stats",
    "sklearn.ensemble",
    "sqlglot.generators.duckdb",
)
"""What most commands load, and what is dear."""


class WarmDoctor:
    """A process of its own, which forks for every command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def run(self, words: Sequence[str], here: Path, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a directory, with the environment of the caller; `folder` takes its output."""
        order = {"words": words, "environment": dict(os.environ), "here": str(here), "folder": str(folder)}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        child = int(self._process.stdout.readline())
        if not select.select([self._process.stdout], [], [], TIMEOUT_SECONDS)[0]:
            os.kill(child, signal.SIGKILL)
        status = int(self._process.stdout.readline())
        out, err = ((folder / name).read_text("utf-8") for name in ("out", "err"))
        return subprocess.CompletedProcess(["doctor", *words], status, out, err)

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _serve() -> dict[str, Any]:
    """Fork for every order; return it in the child."""
    for name in MODULES:
        importlib.import_module(name)
    load_checks()
    gc.freeze()  # else the first collection in a fork copies what all share
    while line := sys.stdin.readline():
        child = os.fork()
        if not child:
            order: dict[str, Any] = json.loads(line)
            return order
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os._exit(0)


def _become(order: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(order["environment"])
    os.chdir(order["here"])
    sys.argv = ["doctor", *order["words"]]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(Path(order["folder"], name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
    run()


if __name__ == "__main__":
    _become(_serve())
