"""The monitor tells what happens while it happens, asks for what it needs, and may die."""

import json
import os
import re
import signal
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from watched_commands import STEPS, TORCH, diagnosis, finished, found, recorder, run_facts, start, tail_of, until

from doctor.case import case_of_run
from doctor.engine import examine
from doctor.evidence.incidents import MONITOR, Incidents
from doctor.model import Report
from doctor.settings import Settings
from doctor.subjects.run import open_run
from doctor.watching.folder import RunFolder
from doctor.watching.growth import Growth
from doctor.watching.metrics import exposition
from doctor.watching.outlook import Outlook
from doctor.watching.probe.ring import Ring
from doctor.watching.probe.session import FIELDS, PHASES, STATE_FIELDS
from doctor.watching.stalls import Watchman, catches, records_in
from doctor.watching.tail import Tail
from fixtures.recording import record_process, record_run

FOREVER = STEPS + "while True: step()\n"
MB = 1 << 20


def make_ring(folder: Path, rank: int = 0, pid: int = 1) -> Ring:
    about = {"rank": rank, "pid": pid, "host": "host", "phases": list(PHASES)}
    return Ring(str(folder / f"host-{pid}.steps.ring"), FIELDS, STATE_FIELDS, 64, 16, about)


def put(ring: Ring, step: int, phase: str = "forward", **values: float) -> None:
    ring.write(step, {"step_seconds": 0.1, **values})
    ring.state("step", step + 1)
    ring.state("phase", PHASES.index(phase))


def test_a_finding_is_told_while_the_run_goes_on(tmp_path: Path) -> None:
    program = STEPS + "for i in range(10**6): step(loss=math.nan if i > 20 else 1.0)\n"
    process = start(tmp_path, program=program)
    assert process.stderr is not None
    told = process.stderr.readline()
    assert re.search(r"doctor: error \(step 22\): the loss became nan at step 22 .* \[numerics/non-finite-loss\]", told)
    assert "numerics/non-finite-loss" in found(until(lambda: diagnosis(tmp_path)))
    process.send_signal(signal.SIGTERM)
    _, _, said = finished(process)
    assert said.count("the loss became nan") == 1, "only the closing report says it again"


def test_the_training_outlives_its_monitor_and_can_be_examined_later(tmp_path: Path) -> None:
    program = STEPS + "for i in range(300): step(seconds=0.05, loss=math.nan if i > 250 else 1.0)\nopen('end', 'w')\n"
    process = start(tmp_path, program=program, stdout=None, stderr=None)
    pid = until(lambda: recorder(tmp_path))
    ring = tail_of(tmp_path)
    until(lambda: ring.state()["step"] > 5)
    process.kill()
    process.wait()
    os.kill(pid, 0)
    until(lambda: (tmp_path / "end").exists())
    report = examine(case_of_run(open_run(tmp_path / "run")), Settings())
    assert report.case.subjects[0].facts["steps"] == 300
    assert "numerics/non-finite-loss" in {finding.check for finding in report.findings}


def test_a_training_killed_at_any_point_leaves_what_it_did(tmp_path: Path) -> None:
    process = start(tmp_path, program=FOREVER)
    pid = until(lambda: recorder(tmp_path))
    ring = tail_of(tmp_path)
    until(lambda: ring.state()["step"] > 20)
    os.kill(pid, signal.SIGKILL)
    status, _, _ = finished(process)
    assert status == 137
    assert run_facts(diagnosis(tmp_path))["steps"] >= ring.state()["step"] - 1


@pytest.mark.slow
def test_a_standstill_is_noticed_and_stacks_are_kept(tmp_path: Path) -> None:
    program = TORCH + (
        "import os, threading, time\n"
        "for _ in range(20): step()\n"
        "def waits_for_ever():\n"
        "    time.sleep(600)\n"
        "threading.Timer(60, lambda: os._exit(5)).start()\n"
        "waits_for_ever()\n"
    )
    process = start(tmp_path, program=program)
    assert process.stderr is not None
    assert "no process has moved for 3" in process.stderr.readline()
    facts = until(lambda: [event for event in machine_events(tmp_path / "run") if event["kind"] == "stalled"])[0]
    assert facts["facts"]["processes"][0]["phase"] == "forward"
    assert facts["facts"]["processes"][0]["step"] == 21
    assert facts["facts"]["signalled"] == [facts["facts"]["processes"][0]["pid"]]
    stacks = next((tmp_path / "run").glob("*.stacks.txt"))
    assert "waits_for_ever" in until(stacks.read_text)
    assert finished(process)[0] == 5
    (stalled,) = Incidents.measure(open_run(tmp_path / "run")).of("stalled")
    assert stalled.rank == MONITOR


def machine_events(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for path in folder.glob("machine*.events.jsonl")
        for line in path.read_text("utf-8").splitlines()
    ]


def test_two_monitors_on_one_folder_make_one_run(tmp_path: Path) -> None:
    program = STEPS + "probe.rank = int(os.environ['RANK'])\nfor _ in range(100): step(seconds=0.1)\n"
    first = start(tmp_path, program=program, environment={"DOCTOR_HOST": "one.cluster", "RANK": "0"})
    until(lambda: recorder(tmp_path))
    second = start(tmp_path, program=program, environment={"DOCTOR_HOST": "two-1", "RANK": "1"})
    until(lambda: len(list((tmp_path / "run").glob("*.steps.ring"))) == 2)
    assert [finished(one)[0] for one in (first, second)] == [0, 0]
    run = open_run(tmp_path / "run")
    assert set(run.machines) == {"one.cluster", "two-1"}
    assert [process.rank for process in run.processes] == [0, 1]
    assert run.end["status"] == 0
    assert not run.problems


def test_a_run_of_several_machines_ends_with_its_last_and_as_its_first_failure(tmp_path: Path) -> None:
    record_run(tmp_path, end={"status": 0, "ended": 50.0})
    (tmp_path / "run@b.json").write_text('{"host": "b"}')
    assert open_run(tmp_path).end == {}
    (tmp_path / "end@b.json").write_text('{"status": 3, "ended": 40.0}')
    assert open_run(tmp_path).end["status"] == 3


def test_samples_of_a_later_monitor_follow_those_of_the_first(tmp_path: Path) -> None:
    first = RunFolder(tmp_path / "run", {})
    first.sample(("main_rss",), {"main_rss": 1.0})
    later = RunFolder.taken_over(tmp_path / "run", {})
    later.sample(("main_rss",), {"main_rss": 2.0})
    (machine,) = open_run(tmp_path / "run").machines.values()
    assert machine["main_rss"].steps.tolist() == [1, 2]
    assert machine["main_rss"].values.tolist() == [1.0, 2.0]
    later.end({"status": 0})
    assert open_run(tmp_path / "run").end["status"] == 0


def test_prometheus_reads_the_newest_numbers(tmp_path: Path) -> None:
    process = start(tmp_path, "--metrics-port", "0", program=FOREVER)
    assert process.stderr is not None
    port = re.search(r"127\.0\.0\.1:(\d+)", process.stderr.readline())
    assert port is not None
    address = f"http://127.0.0.1:{port[1]}/metrics"

    def loss() -> str | None:
        with urllib.request.urlopen(address) as answer:
            lines = answer.read().decode().splitlines()
        return next((line for line in lines if line.startswith("doctor_loss{")), None)

    line = until(loss)
    assert re.fullmatch(r'doctor_loss\{rank="0",pid="\d+"\} 1\.0', line)
    process.send_signal(signal.SIGTERM)
    finished(process)


def test_numbers_that_are_not_finite_are_written_as_prometheus_wants(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    put(ring, 1, loss=float("nan"), grad_norm=float("inf"))
    text = exposition([Tail(tmp_path / "host-1.steps.ring")], {"load": 0.5}, [])
    assert 'doctor_loss{rank="0",pid="1"} NaN' in text
    assert 'doctor_grad_norm{rank="0",pid="1"} +Inf' in text
    assert "doctor_machine_load 0.5" in text


@pytest.fixture
def outlook(tmp_path: Path) -> Callable[[Sequence[float]], Outlook]:
    def make(losses: Sequence[float]) -> Outlook:
        record_run(tmp_path)
        record_process(tmp_path, [{"loss": loss} for loss in losses])
        return Outlook(tmp_path, Settings(select=("non-finite-loss",)), kept.append)

    kept: list[Report] = []
    make.kept = kept  # type: ignore[attr-defined]
    return make


def test_a_certain_error_is_told_at_once_and_once(outlook: Any) -> None:
    look = outlook([1.0, float("nan")])
    assert [finding.check for finding in look.look()] == ["numerics/non-finite-loss"]
    assert look.look() == []


def test_the_diagnosis_is_kept_at_the_first_look_and_when_it_changes(outlook: Any) -> None:
    look = outlook([1.0, 1.0])
    look.look()
    look.look()
    assert len(outlook.kept) == 1


def test_a_census_is_wanted_while_memory_grows_and_ever_more_rarely() -> None:
    growth = Growth()
    asked = [second for second in range(300) if growth.wants_census(second, 1000 * MB + 3 * MB * second)]
    assert asked[:4] == [20, 35, 65, 125]


def test_no_census_for_memory_that_is_steady_or_only_jumped() -> None:
    steady, jumped = Growth(), Growth()
    assert not any(steady.wants_census(second, 1000 * MB + (second % 7) * MB) for second in range(300))
    assert not any(jumped.wants_census(second, 1000 * MB + (200 * MB if second > 50 else 0)) for second in range(300))


def test_a_standstill_is_told_once_until_something_moves(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    put(ring, 1)
    tail, watchman = Tail(tmp_path / "host-1.steps.ring"), Watchman()
    assert [second for second in range(100) if watchman.look([tail], second)] == [30]
    put(ring, 2)
    assert [second for second in range(100, 200) if watchman.look([tail], second)] == [130]


def test_slow_steps_are_no_standstill(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    for step in range(1, 10):
        put(ring, step, step_seconds=10.0)
    tail, watchman = Tail(tmp_path / "host-1.steps.ring"), Watchman()
    assert [second for second in range(300) if watchman.look([tail], second)] == [200]


@pytest.mark.parametrize("phase", ["paused", "finished"])
def test_a_process_that_waits_on_purpose_does_not_stand_still(tmp_path: Path, phase: str) -> None:
    put(make_ring(tmp_path), 1, phase)
    tail, watchman = Tail(tmp_path / "host-1.steps.ring"), Watchman()
    assert not any(watchman.look([tail], second) for second in range(300))


def test_one_process_that_moves_is_enough(tmp_path: Path) -> None:
    put(make_ring(tmp_path, 0, 1), 1)
    moving = make_ring(tmp_path, 1, 2)
    tails = [Tail(tmp_path / f"host-{pid}.steps.ring") for pid in (1, 2)]
    watchman = Watchman()
    for second in range(300):
        put(moving, second + 1)
        assert watchman.look(tails, second) is None


def test_a_machine_that_slept_makes_no_standstill(tmp_path: Path) -> None:
    put(make_ring(tmp_path), 1)
    tail, watchman = Tail(tmp_path / "host-1.steps.ring"), Watchman()
    assert watchman.look([tail], 0.0) is None
    assert watchman.look([tail], 10_000.0) is None


def test_signals_go_only_to_processes_that_catch_them_and_record(tmp_path: Path) -> None:
    assert not catches(os.getpid(), signal.SIGUSR1)
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        assert catches(os.getpid(), signal.SIGUSR1)
    finally:
        signal.signal(signal.SIGUSR1, before)
    make_ring(tmp_path).close()
    path = tmp_path / "host-1.steps.ring"
    assert not records_in(os.getpid(), path)
    tail = Tail(path)
    assert records_in(os.getpid(), path)
    tail.close()


def test_the_newest_is_read_as_the_whole_would_be(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    for step in range(1, 200):
        put(ring, step, loss=float(step))
    tail = Tail(tmp_path / "host-1.steps.ring")
    (process,) = open_run(tmp_path).processes
    assert tail.record(199) == {name: series.values[-1] for name, series in process.series.items()}
    assert [record["loss"] for record in tail.latest(3)] == [197.0, 198.0, 199.0]
    assert tail.record(10) == {}, "thinned out"
