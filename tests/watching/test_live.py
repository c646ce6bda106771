"""The live view on a real terminal: it keeps its lines, hears its keys and gives everything back."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from watched_commands import DOCTOR, STEPS, diagnosis, run_facts, until

from doctor.watching.live import sparkline
from doctor.watching.probe.control import Control

ROWS, COLUMNS = 24, 100
REGION, WHOLE = f"\x1b[1;{ROWS - 6}r", "\x1b[r"


class Screen:
    """A program on a terminal of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.pid, self.handle = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.environ |= {"TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
            os.execv(words[0], words)
        fcntl.ioctl(self.handle, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.written = ""

    def read(self) -> bool:
        """Take what was written; whether there may come more."""
        ready, _, _ = select.select([self.handle], [], [], 0.1)
        if not ready:
            return True
        try:
            data = os.read(self.handle, 65536)
        except OSError:
            return False
        self.written += data.decode("utf-8", "replace")
        return bool(data)

    def wait_for(self, condition: Callable[[], object]) -> None:
        def seen() -> object:
            self.read()
            return condition()

        until(seen, 120)

    def type(self, keys: str) -> None:
        os.write(self.handle, keys.encode())

    @property
    def hears_keys(self) -> bool:
        return not termios.tcgetattr(self.handle)[3] & termios.ICANON

    def end(self) -> int:
        """Read to the end; the status."""
        end = time.monotonic() + 120
        while self.read() and time.monotonic() < end:
            pass
        _, status = os.waitpid(self.pid, 0)
        os.close(self.handle)
        return os.waitstatus_to_exitcode(status)


def watch(folder: Path, program: str, *options: str) -> Screen:
    (folder / "train.py").write_text(program)
    return Screen(folder, str(DOCTOR), "watch", "--run-dir", "run", *options, "--", sys.executable, "train.py")


def test_the_panel_shows_the_newest_and_gives_the_terminal_back(tmp_path: Path) -> None:
    screen = watch(tmp_path, STEPS + "print('begun')\nfor i in range(10**6): step(loss=1 / (i + 1))\n")
    screen.wait_for(lambda: "· loss " in screen.written)
    assert screen.written.index("begun") < screen.written.index("· loss ")
    assert REGION in screen.written
    assert screen.hears_keys
    control = Control(str(tmp_path / "run" / "control"))
    screen.type("c")
    screen.wait_for(lambda: control.asked("checkpoint"))
    screen.type("\x03")  # Ctrl-C: the terminal sends it to the command, once
    assert screen.end() == 1 or "KeyboardInterrupt" in screen.written
    assert screen.written.count("KeyboardInterrupt") == 1
    assert screen.written.rindex(WHOLE) > screen.written.rindex(REGION)


def test_q_hides_the_panel_and_the_keyboard_is_the_commands_again(tmp_path: Path) -> None:
    program = STEPS + "for i in range(10**6):\n    step()\n    if os.path.exists('enough'): break\n"
    screen = watch(tmp_path, program)
    screen.wait_for(lambda: "q hide" in screen.written)
    screen.type("q")
    screen.wait_for(lambda: not screen.hears_keys)
    screen.wait_for(lambda: screen.written.rindex(WHOLE) > screen.written.rindex(REGION))
    (tmp_path / "enough").touch()
    assert screen.end() == 0
    assert run_facts(diagnosis(tmp_path))["status"] == 0


def test_a_kill_of_doctor_leaves_the_terminal_whole(tmp_path: Path) -> None:
    screen = watch(tmp_path, STEPS + "while not os.path.exists('enough'): step()\n")
    screen.wait_for(lambda: screen.hears_keys and REGION in screen.written)
    os.kill(screen.pid, signal.SIGKILL)
    screen.wait_for(lambda: not screen.hears_keys)
    assert screen.written.rindex(WHOLE) > screen.written.rindex(REGION)
    (tmp_path / "enough").touch()
    assert screen.end() == -signal.SIGKILL


def test_a_question_of_the_command_gets_its_line(tmp_path: Path) -> None:
    program = "import time\ntime.sleep(12)\nprint('got', input('name? '))\n"
    screen = watch(tmp_path, program)
    screen.wait_for(lambda: "q hide" in screen.written)
    screen.wait_for(lambda: "name? " in screen.written and not screen.hears_keys)
    screen.type("pat\n")
    assert screen.end() == 0
    assert "got pat" in screen.written


def test_no_panel_where_it_is_not_wanted(tmp_path: Path) -> None:
    screen = watch(tmp_path, STEPS + "for i in range(300): step()\n", "--no-live")
    assert screen.end() == 0
    assert REGION not in screen.written
    assert "no sign of trouble in 300 steps" in " ".join(screen.written.split())


@pytest.mark.parametrize(
    ("values", "shown"),
    [([], ""), ([1.0, 1.0], "▁▁"), ([0.0, 1.0], "▁█"), ([0.0, float("nan"), 1.0], "▁!█"), ([2.0] * 48, "▁" * 24)],
)
def test_a_sparkline_spans_its_values(values: list[float], shown: str) -> None:
    assert sparkline(values) == shown


def test_signals_of_the_terminal_are_not_passed_on_twice(tmp_path: Path) -> None:
    program = STEPS + (
        "count = 0\n"
        "def hear(*_):\n"
        "    global count\n"
        "    count += 1\n"
        "signal.signal(signal.SIGINT, hear)\n"
        "print('ready', flush=True)\n"
        "while not os.path.exists('enough'): step()\n"
        "print('heard', count)\n"
    )
    screen = watch(tmp_path, program, "--no-live")
    screen.wait_for(lambda: "ready" in screen.written)
    time.sleep(3)
    screen.type("\x03")
    time.sleep(3)
    os.kill(screen.pid, signal.SIGINT)
    time.sleep(3)
    (tmp_path / "enough").touch()
    screen.wait_for(lambda: "heard" in screen.written)
    assert "heard 2" in screen.written, "once by the terminal, once passed on"
    assert screen.end() == 0
