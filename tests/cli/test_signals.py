"""A visit that is stopped leaves at once, with the shell's status and nothing in the scratch folder."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

STOPPED_AT_WORK = """
import os, signal, sys, threading
import click
from doctor import cli
from doctor.measurements import Measurements, Scope, Silent
from doctor.subjects.table import Engine

class Slow:
    @classmethod
    def measure(cls) -> "Slow":
        engine.rows("SELECT count(*) FROM range(10000000) a, range(10000000) b WHERE a.range % 7 = b.range % 11")

@click.command()
def slow():
    global engine
    engine = Engine(threads=1)
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    try:
        Measurements(Silent(), None).get(Slow, Scope({}, "", ""))
    finally:
        engine.close()

cli.command.commands["scan"] = slow
number, sys.argv = int(sys.argv[1]), ["doctor", "scan"]
cli.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_running_statement(number: signal.Signals, tmp_path: Path) -> None:
    """It is no crash of a check: the visit ends, and its scratch folder is gone."""
    ended = subprocess.run(
        [sys.executable, "-c", STOPPED_AT_WORK, str(int(number))],
        env={**os.environ, "TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=60,
        preexec_fn=_with_default_signals,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.strip().splitlines()[-1]) == (128 + number, "doctor: interrupted")
    assert not list(tmp_path.glob("doctor-*"))


def _with_default_signals() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
