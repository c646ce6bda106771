"""Which process was the first, where the order alone does not tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from doctor.errors import NotApplicable
from doctor.evidence.ending import Ending, How
from doctor.evidence.stacks import current_stack
from doctor.evidence.tracebacks import failure
from doctor.subjects.run import open_run
from fixtures.recording import START, record_process, record_run

STEPS = [{"loss": 1.0}] * 10
LOST = "Connection closed by peer [10.0.0.2]:13729"


def exception(name: str, message: str, after: float = 2.0, thread: str = "main") -> dict[str, Any]:
    facts = {"type": name, "message": message, "frames": [], "bases": [], "thread": thread, "cause": None}
    return {"kind": "exception", "step": 11, "time": START + after, "facts": facts}


def ending(folder: Path, end: Mapping[str, Any] | None, *ranks: Sequence[Mapping[str, Any]]) -> Ending:
    record_run(folder, end=end)
    for rank, events in enumerate(ranks):
        record_process(folder, STEPS, rank=rank, world=len(ranks), phase="forward", events=events)
    return Ending.measure(open_run(folder))


def test_a_run_that_goes_on_has_no_ending(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        ending(tmp_path, None, [])


def test_one_rank_that_died_is_no_ending_while_the_other_may_live(tmp_path: Path) -> None:
    with pytest.raises(NotApplicable):
        ending(tmp_path, None, [], [exception("KeyError", "'x'")])


def test_where_nobody_saw_the_end_the_processes_tell_it(tmp_path: Path) -> None:
    known = ending(tmp_path, None, [exception("RuntimeError", LOST, 3.0)], [exception("KeyError", "'x'", 2.0)])
    assert known.status is None
    assert known.first
    assert known.first.rank == 1


def test_a_lost_connection_is_no_cause_where_a_rank_was_killed(tmp_path: Path) -> None:
    end = {"status": 1, "exits": {"100": 1, "101": -9}}
    known = ending(tmp_path, end, [exception("RuntimeError", LOST)], [])
    assert known.first
    assert (known.first.rank, known.first.how, known.first.signal) == (1, How.SIGNAL, 9)


def test_a_rank_that_its_launcher_killed_is_no_cause(tmp_path: Path) -> None:
    end = {"status": 1, "exits": {"100": -9, "101": 1}}
    known = ending(tmp_path, end, [], [exception("KeyError", "'x'", 5.0)])
    assert known.first
    assert known.first.rank == 1


def test_a_rank_that_vanished_is_the_cause_where_the_other_lost_it(tmp_path: Path) -> None:
    known = ending(tmp_path, {"status": 1}, [exception("RuntimeError", LOST)], [])
    assert known.first
    assert (known.first.rank, known.first.how) == (1, How.VANISHED)


def test_a_status_of_the_shell_is_a_signal(tmp_path: Path) -> None:
    known = ending(tmp_path, {"status": 137}, [])
    assert known.first
    assert known.first.signal == 9


def test_an_exception_in_a_side_thread_ends_nothing(tmp_path: Path) -> None:
    known = ending(tmp_path, {"status": 0}, [exception("OSError", "x", thread="uploader")])
    assert known.good
    assert known.first is None


def test_the_launchers_own_exception_is_nobodys(tmp_path: Path) -> None:
    record_run(tmp_path, end={"status": 1})
    message = "train.py FAILED\nRoot Cause (first observed failure):\n[0]:\n  rank      : 1 (local_rank: 1)\n"
    message += "  exitcode  : -9 (pid: 101)\n"
    record_process(tmp_path, STEPS, rank=0, world=2, phase="backward")
    record_process(tmp_path, STEPS, rank=1, world=2, phase="backward")
    record_process(tmp_path, [], rank=7, events=[exception("ChildFailedError", message)])
    (tmp_path / "host-107.steps.ring").unlink()
    known = Ending.measure(open_run(tmp_path))
    assert sorted(one.rank for one in known.processes) == [0, 1]
    assert known.first
    assert (known.first.rank, known.first.signal) == (1, 9)


def test_a_traceback_in_a_message_is_where_it_happened() -> None:
    text = "Caught ValueError in DataLoader worker process 3.\nOriginal Traceback (most recent call last):\n"
    text += '  File "/p/a.py", line 9, in get\n    return rows[i]\nValueError: bad row'
    known = failure({"type": "ValueError", "message": text, "frames": []})
    assert (known.type, known.message, known.elsewhere) == ("ValueError", "bad row", "DataLoader worker process 3")
    assert known.frame
    assert (known.frame.path, known.frame.line, known.frame.code) == ("/p/a.py", 9, "return rows[i]")


def test_the_line_is_the_users_and_not_the_librarys() -> None:
    frames = [
        {"path": path, "line": line, "function": "f", "code": ""}
        for path, line in (("/p/train.py", 3), ("/v/lib/python3.12/site-packages/torch/nn/x.py", 9), ("<frozen x>", 1))
    ]
    known = failure({"type": "E", "message": "", "frames": frames})
    assert known.frame
    assert (known.frame.place, known.frame.own) == ("train.py:3", True)


def test_the_last_dump_of_the_main_thread_counts() -> None:
    dump = (
        'Thread 0x01 (most recent call first):\n  File "/p/q.py", line 1 in other\n\nCurrent thread 0x02 (most recent'
    )
    dump += ' call first):\n  File "/p/t.py", line {line} in inner\n  File "/p/t.py", line 70 in <module>\n'
    assert [frame.line for frame in current_stack(dump.format(line=5) + dump.format(line=8))] == [70, 8]


def test_no_dump_is_no_stack() -> None:
    assert current_stack("") == ()
