"""A watched command behaves as one that is not watched, whatever becomes of it or of its record."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from watched_commands import (
    DOCTOR,
    STEPS,
    TORCH,
    diagnosis,
    finished,
    found,
    launch,
    recorder,
    run_facts,
    start,
    until,
)

from doctor.watching.launch import environment, exit_status
from doctor.watching.unwatched import isolating_option

TRAIN = STEPS + "for _ in range(30): step()\n"
FOREVER = STEPS + "while True: step()\n"


def test_a_healthy_run_is_one_line_and_its_output_is_its_own(tmp_path: Path) -> None:
    program = TORCH + "for i in range(60): print('step', i, round(step(), 6), flush=True)\n"
    status, out, said = finished(start(tmp_path, program=program))
    assert status == 0
    assert out.splitlines()[-1].startswith("step 59 ")
    assert said.startswith("doctor: no sign of trouble in 60 steps, loss ")
    assert said.endswith("run/report.html")
    assert (tmp_path / "run" / "report.html").read_text("utf-8").count("<polyline") >= 2


def test_losses_are_the_same_without_the_watch(tmp_path: Path) -> None:
    program = TORCH + "for i in range(20): print(repr(step()))\n"
    _, watched, _ = finished(start(tmp_path, program=program))
    alone = subprocess.run([sys.executable, tmp_path / "train.py"], capture_output=True, text=True, check=True)
    assert watched == alone.stdout


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("sys.exit(7)", 7),
        ("os._exit(3)", 3),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGSEGV)", 139),
        ("raise ValueError('the end')", 1),
    ],
)
def test_the_exit_status_is_the_commands_own(tmp_path: Path, end: str, status: int) -> None:
    ended, _, said = finished(start(tmp_path, program=TRAIN + end + "\n"))
    assert ended == status
    report = diagnosis(tmp_path)
    assert run_facts(report)["status"] == status
    assert run_facts(report)["steps"] == 30
    assert "crash/exit-cause" in found(report)
    assert "This run is ill" in said


def test_fail_on_turns_findings_into_a_status(tmp_path: Path) -> None:
    program = STEPS + "for i in range(30): step(loss=math.nan if i > 20 else 1.0)\n"
    status, _, said = finished(start(tmp_path, "--fail-on", "error", program=program))
    assert status == 1
    assert "the loss became nan at step 22" in said


def test_the_report_is_written_in_the_wanted_format_as_well(tmp_path: Path) -> None:
    status, _, said = finished(
        start(tmp_path, "--output", "run.sarif", program=TRAIN.replace("step()", "step(math.nan)"))
    )
    assert status == 0
    assert "report written to run.sarif" in said
    (run,) = json.loads((tmp_path / "run.sarif").read_text("utf-8"))["runs"]
    assert {result["ruleId"] for result in run["results"]} == found(diagnosis(tmp_path))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--output", "a.html", "--format", "pdf"), "no report format 'pdf'"),
        (("--format", "json"), "goes with --output"),
    ],
)
def test_a_wrong_format_is_refused_before_the_command_starts(
    options: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    status, _, told = finished(start(tmp_path, *options, program="open('started', 'w')"))
    assert status == 2
    assert said in told
    assert not (tmp_path / "started").exists()


def test_a_command_that_does_not_exist_is_wrong_use(tmp_path: Path) -> None:
    status, _, said = finished(launch(tmp_path, "--run-dir", "run", "--", "no-such-program"))
    assert (status, said) == (2, "doctor: no-such-program: No such file or directory")


def test_an_unknown_check_is_refused_before_the_command_starts(tmp_path: Path) -> None:
    status, _, said = finished(start(tmp_path, "--select", "no-such-check", program="open('started', 'w')"))
    assert status == 2
    assert "no-such-check" in said
    assert not (tmp_path / "started").exists()


def test_a_run_folder_is_not_used_twice(tmp_path: Path) -> None:
    assert finished(start(tmp_path, program="pass"))[0] == 0
    status, _, said = finished(start(tmp_path, program="open('started', 'w')"))
    assert status == 2
    assert "holds a run already" in said
    assert not (tmp_path / "started").exists()


def test_default_folders_get_numbers_where_the_time_is_taken(tmp_path: Path) -> None:
    both = [launch(tmp_path, "--", sys.executable, "-c", "pass") for _ in range(2)]
    assert [finished(one)[0] for one in both] == [0, 0]
    folders = list((tmp_path / ".doctor" / "runs").iterdir())
    assert len(folders) == 2
    assert all((folder / "end.json").is_file() for folder in folders)


def test_an_unwritable_run_folder_costs_the_record_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    status, out, said = finished(start(tmp_path, program="print('trained'); raise SystemExit(4)", run="file/run"))
    assert (status, out) == (4, "trained\n")
    assert said == "doctor: file/run: Not a directory; the command runs, but is not watched"


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tiny file system takes root")
def test_a_full_disk_costs_the_record_and_nothing_else(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs here: {mounted.stderr.strip()}")
    try:
        program = TORCH + "for i in range(20): step()\nprint('trained')\nraise SystemExit(4)\n"
        status, out, said = finished(start(tmp_path, program=program, run="disk/run"))
    finally:
        subprocess.run(["umount", disk], check=True)
    assert (status, out) == (4, "trained\n")
    assert 1 <= said.count("No space left on device") <= 2, "the monitor and the probe say it once each"


@pytest.mark.parametrize("closed", ["1", "2"])
def test_closed_streams_do_not_matter(tmp_path: Path, closed: str) -> None:
    (tmp_path / "train.py").write_text(TRAIN + "print('out'); print('err', file=sys.stderr); raise SystemExit(5)\n")
    command = f"exec {DOCTOR} watch --run-dir run -- {sys.executable} train.py {closed}>&-"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=200)
    assert done.returncode == 5
    assert run_facts(diagnosis(tmp_path))["steps"] == 30


@pytest.mark.parametrize("option", ["-I", "-S", "-E"])
def test_an_isolated_python_is_not_called_healthy(tmp_path: Path, option: str) -> None:
    command = [sys.executable, option, "-c", "print('trained')"]
    status, out, said = finished(launch(tmp_path, "--run-dir", "run", "--", *command))
    assert (status, out) == (0, "trained\n")
    assert f"Cannot tell: no training step was recorded (the probe did not start in this process: python {option}" in (
        said.replace(Path(sys.executable).name, "python")
    )


def test_an_isolated_python_behind_a_shell_is_seen(tmp_path: Path) -> None:
    command = ["sh", "-c", f"{sys.executable} -I -c 'import time; time.sleep(20)'; true"]
    status, _, said = finished(launch(tmp_path, "--run-dir", "run", "--", *command))
    assert status == 0
    assert "-I hides it" in said


def test_a_users_own_sitecustomize_still_runs(tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text("import builtins; builtins.mine = 'ran'\n")
    program = TRAIN + "print(mine)\n"
    status, out, _ = finished(start(tmp_path, program=program, environment={"PYTHONPATH": str(site)}))
    assert (status, out) == (0, "ran\n")
    assert run_facts(diagnosis(tmp_path))["steps"] == 30


def test_a_program_without_torch_is_left_alone(tmp_path: Path) -> None:
    status, out, said = finished(start(tmp_path, program="print('done')"))
    assert (status, out) == (0, "done\n")
    assert "cannot tell: no training step was recorded" in said


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_dozens_of_workers_leave_no_record_and_no_trouble(tmp_path: Path, method: str) -> None:
    program = (
        STEPS
        + f"""
import multiprocessing
def work(number): return number * number
if __name__ == "__main__":
    step()
    with multiprocessing.get_context("{method}").Pool({24 if method == "fork" else 6}) as pool:
        print(sum(pool.map(work, range(100))))
    for _ in range(10): step()
"""
    )
    if method == "spawn":
        program = program.replace("probe = sys", "probe = __name__ == '__main__' and sys")
    status, out, said = finished(start(tmp_path, program=program))
    assert (status, out) == (0, "328350\n"), said
    assert run_facts(diagnosis(tmp_path))["processes"] == 1


def test_the_inner_of_two_watches_takes_the_probe(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TRAIN)
    inner = [DOCTOR, "watch", "--run-dir", "inner", "--", sys.executable, "train.py"]
    status, _, said = finished(launch(tmp_path, "--run-dir", "outer", "--", *inner))
    assert status == 0
    assert run_facts(diagnosis(tmp_path, "inner"))["steps"] == 30
    assert run_facts(diagnosis(tmp_path, "outer"))["steps"] == 0
    assert "no sign of trouble in 30 steps" in said
    assert "an inner doctor watch took the probe" in said


def test_signals_sent_to_doctor_reach_the_command(tmp_path: Path) -> None:
    program = FOREVER.replace("while", "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\nwhile")
    process = start(tmp_path, program=program)
    until(lambda: recorder(tmp_path))
    process.send_signal(signal.SIGTERM)
    assert finished(process)[0] == 9


def test_a_command_that_a_passed_signal_kills_gives_the_status_of_that_signal(tmp_path: Path) -> None:
    process = start(tmp_path, program=FOREVER)
    until(lambda: recorder(tmp_path))
    process.send_signal(signal.SIGTERM)
    status, _, _ = finished(process)
    assert status == 128 + signal.SIGTERM
    assert json.loads((tmp_path / "run" / "end.json").read_text())["signal"] == signal.SIGTERM


def test_variables_reach_the_probe(tmp_path: Path) -> None:
    program = "import os; print(os.environ.get('DOCTOR_ON_CRITICAL'), os.environ.get('DOCTOR_MAX_GRAD_NORM'))"
    _, plain, _ = finished(start(tmp_path, program=program, run="a"))
    _, asked, _ = finished(start(tmp_path, "--on-critical", "pause", program=program, run="b"))
    _, bound, _ = finished(start(tmp_path, "--max-grad-norm", "2.5", program=program, run="c"))
    assert [plain, asked, bound] == ["None None\n", "pause 10.0\n", "None 2.5\n"]


def test_an_inner_watch_replaces_the_outer_ones_place_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/old/site", "/mine"]))
    monkeypatch.setenv("DOCTOR_SITE", "/old/site")
    path = environment(tmp_path, {})["PYTHONPATH"].split(os.pathsep)
    assert path[1:] == ["/mine"]


@pytest.mark.parametrize(
    ("command", "option"),
    [
        (["python", "train.py", "-I"], None),
        (["python3.11", "-I", "train.py"], "-I"),
        (["/usr/bin/python3", "-uE", "train.py"], "-E"),
        (["python", "-W", "-I", "train.py"], None),
        (["python", "-X", "dev", "-S", "train.py"], "-S"),
        (["python", "-m", "train", "-S"], None),
        (["python", "-Werror", "train.py"], None),
        (["torchrun", "-I"], None),
        ([], None),
    ],
)
def test_isolating_options_are_told_from_the_programs_own(command: list[str], option: str | None) -> None:
    assert isolating_option(command) == option


def test_statuses_are_counted_as_shells_do() -> None:
    assert [exit_status(code) for code in (0, 3, -9, -11)] == [0, 3, 137, 139]
