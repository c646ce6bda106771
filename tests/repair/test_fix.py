"""The command: what it says, what it refuses, and that nothing is ever half done."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from conftest import FIXTURES, Doctor
from sick_data import hashes

from doctor.case import open_case
from doctor.cli import main
from doctor.errors import DoctorError
from doctor.repair.copying import write_copy
from doctor.repair.plan import Plan
from doctor.settings import Settings

LEAKY = FIXTURES / "leakage" / "label_leakage" / "sick"
DUPLICATES = FIXTURES / "duplicates" / "duplicate_rows" / "sick"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of one's own with a leak."""
    shutil.copytree(LEAKY, tmp_path / "data")
    (tmp_path / "data" / "expected.toml").unlink()
    return tmp_path / "data"


Fix = Callable[..., "Told"]


class Told(NamedTuple):
    """What a call of the command came to."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def fix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Fix:
    """Call the command in this process, which costs less than a new one each time."""

    def run(*arguments: object) -> Told:
        monkeypatch.setattr(sys, "argv", ["doctor", "fix", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        captured = capsys.readouterr()
        return Told(int(str(left.value.code or 0)), captured.out, captured.err)

    return run


def left_behind(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "data")


def test_only_safe_edits_are_made_unless_asked(fix: Fix, tmp_path: Path) -> None:
    home = tmp_path / "data"
    shutil.copytree(DUPLICATES, home)
    done = fix(home, "--output", tmp_path / "copy")
    assert done.returncode == 0
    assert "drop all copies but the first (safe)  duplicates/duplicate-rows" in done.stdout
    assert "findings 1 gone, 0 new" in done.stdout
    plan = tomllib.loads((tmp_path / "copy" / "plan.toml").read_text())
    assert [(e["kind"], e["safety"], e["applied"]) for e in plan["edit"]] == [("drop-rows", "safe", True)]


def test_an_unsafe_edit_wants_its_option(fix: Fix, data: Path, tmp_path: Path) -> None:
    done = fix(data, "--output", tmp_path / "copy")
    assert done.returncode == 0
    assert "leave      drop refund: unsafe without a look; --unsafe applies it" in done.stdout
    assert (data / "customers.csv").read_bytes() == (tmp_path / "copy" / "customers.csv").read_bytes()


def test_a_dry_run_writes_nothing(fix: Fix, data: Path, tmp_path: Path) -> None:
    done = fix(data, "--dry-run", "--unsafe")
    assert done.returncode == 0
    assert "1 of 1 repairs would be made" in done.stdout
    assert "column dropped: refund" in done.stdout
    assert left_behind(tmp_path) == []


def test_findings_of_a_report_are_repaired_until_the_data_changes(
    fix: Fix, doctor: Doctor, data: Path, tmp_path: Path
) -> None:
    report = tmp_path / "findings.json"
    assert doctor("scan", data, "--target", "cancelled", "--output", report).returncode == 1
    assert fix(data, "--from", report, "--unsafe", "--output", tmp_path / "copy").returncode == 0
    assert "refund" not in (tmp_path / "copy" / "customers.csv").read_text()
    lines = (data / "customers.csv").read_text().split("\n")
    changes = {
        "customers.csv holds other bytes": [lines[0], lines[1].replace("1", "2"), *lines[2:]],
        "customers.csv had 1,500 rows and has 1,499": [*lines[:5], *lines[6:]],
        "no longer has the column refund": [lines[0].replace("refund", "paid_back"), *lines[1:]],
    }
    for said, changed in changes.items():
        (data / "customers.csv").write_text("\n".join(changed))
        done = fix(data, "--from", report, "--unsafe", "--output", tmp_path / "other")
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1
        assert said in done.stderr
        assert not (tmp_path / "other").exists()


def test_a_report_that_is_none_or_says_not_which_bytes(fix: Fix, doctor: Doctor, data: Path, tmp_path: Path) -> None:
    report = tmp_path / "findings.json"
    report.write_text("{}")
    done = fix(data, "--from", report, "--dry-run")
    assert done.returncode == 2
    assert "no report by doctor scan --format json" in done.stderr
    doctor("scan", data, "--output", report)
    told = json.loads(report.read_text())
    del told["case"]["subjects"][0]["facts"]
    report.write_text(json.dumps(told))
    done = fix(data, "--from", report, "--dry-run")
    assert done.returncode == 2
    assert "it does not say which bytes it is about" in done.stderr


def test_an_output_in_the_way_is_one_clear_line(fix: Fix, data: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    (tmp_path / "link").symlink_to(data)
    said = {
        data: "that is the data itself; the original is never written",
        tmp_path / "link": "that is the data itself; the original is never written",
        data / "fixed": f"it lies inside the data, {data}",
        tmp_path: f"the data, {data}, lies inside it",
        tmp_path / "file": "there is a file of that name; name a folder",
        tmp_path / "full": "it exists; --force replaces it",
    }
    for output, words in said.items():
        done = fix(data, "--output", output)
        assert (2, f"doctor: --output {output}: {words}\n") == (done.returncode, done.stderr)
    done = fix(data, "--output", tmp_path / "full", "--force")
    assert done.returncode == 2
    assert "doctor fix did not write what is there" in done.stderr
    assert (tmp_path / "full" / "thesis.tex").read_text() == "mine"
    assert fix(data).returncode == 2


def test_force_replaces_an_earlier_copy_alone(fix: Fix, data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    assert fix(data, "--output", copy).returncode == 0
    assert fix(data, "--output", copy, "--unsafe").returncode == 2
    assert "refund" in (copy / "customers.csv").read_text()
    assert fix(data, "--output", copy, "--unsafe", "--force").returncode == 0
    assert "refund" not in (copy / "customers.csv").read_text()
    assert left_behind(tmp_path) == ["copy"]


def limited() -> None:
    """Let no file grow beyond 20 KB, as on a disk that is full by then."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def test_a_full_disk_leaves_nothing_behind(data: Path, tmp_path: Path) -> None:
    original = hashes(data)
    with open_case([data], Settings(target="cancelled")) as case:
        plan = Plan(path="data", edits=())
        child = os.fork()
        if not child:
            limited()
            try:
                write_copy(plan, case, tmp_path / "copy")
            except DoctorError as error:
                (tmp_path / "said").write_text(str(error))
            os._exit(0)
        os.waitpid(child, 0)
    assert (tmp_path / "said").read_text() == (
        f"{tmp_path / 'copy' / 'customers.csv'}: File too large; nothing was written"
    )
    assert left_behind(tmp_path) == ["said"]
    assert original == hashes(data)


def copying(data: Path, output: Path) -> subprocess.Popen[bytes]:
    """Start a repair and wait until its copy is being written."""
    for number in range(300):
        shutil.copy(data / "customers.csv", data / f"old-{number}.txt.bak")
    command = [Path(sys.executable).parent / "doctor", "fix", data, "--output", output, "--select", "label-leakage"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    pattern = f".{output.name}.unfinished-*"
    while process.poll() is None and not list(output.parent.glob(pattern)):
        time.sleep(0.002)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_repair_leaves_nothing_behind(data: Path, tmp_path: Path, number: int) -> None:
    process = copying(data, tmp_path / "copy")
    process.send_signal(number)
    assert 128 + number == process.wait(60)
    assert left_behind(tmp_path) == []


def test_what_a_killed_repair_left_is_cleared_away_by_the_next(fix: Fix, data: Path, tmp_path: Path) -> None:
    process = copying(data, tmp_path / "copy")
    process.kill()
    process.wait(60)
    assert not (tmp_path / "copy").exists()
    assert len(left_behind(tmp_path)) == 1
    done = fix(data, "--output", tmp_path / "copy", "--select", "label-leakage")
    assert done.returncode == 0
    assert left_behind(tmp_path) == ["copy"]


def test_data_that_changes_meanwhile_is_refused(data: Path, tmp_path: Path) -> None:
    with open_case([data], Settings(target="cancelled")) as case:
        with (data / "customers.csv").open("a") as file:
            file.write("\n")
        with pytest.raises(DoctorError, match=r"customers\.csv changed while it was read; nothing was written"):
            write_copy(Plan(path="data"), case, tmp_path / "copy")
    assert left_behind(tmp_path) == []


def test_a_read_only_source_is_no_obstacle(fix: Fix, data: Path, tmp_path: Path) -> None:
    (data / "customers.csv").chmod(0o444)
    data.chmod(0o555)
    try:
        done = fix(data, "--output", tmp_path / "copy", "--unsafe", "--select", "label-leakage")
        assert done.returncode == 0
        (tmp_path / "copy" / "new.txt").write_text("the copy can be written")
    finally:
        data.chmod(0o755)


def test_links_and_empty_folders_and_names_of_our_papers_are_kept(data: Path, tmp_path: Path) -> None:
    (data / "empty").mkdir()
    (data / "plan.toml").write_text("mine = true\n")
    (data / "latest.csv.bak").symlink_to("customers.csv")
    (data / "elsewhere").symlink_to(tmp_path)
    (data / "run.sh").write_text("true\n")
    (data / "run.sh").chmod(0o755)
    copy = tmp_path / "copy"
    with open_case([data], Settings(target="cancelled")) as case:
        written = write_copy(Plan(path="data"), case, copy)
    assert "doctor-plan.toml" in written.papers
    assert (copy / "plan.toml").read_text() == "mine = true\n"
    assert (copy / "empty").is_dir()
    assert not (copy / "latest.csv.bak").is_symlink()
    assert tmp_path == (copy / "elsewhere").readlink()
    assert os.access(copy / "run.sh", os.X_OK)


def test_several_paths_lie_side_by_side_in_the_copy(fix: Fix, tmp_path: Path) -> None:
    for name, sick in (("leaky", LEAKY), ("copies", DUPLICATES)):
        shutil.copytree(sick, tmp_path / name)
        (tmp_path / name / "doctor.toml").unlink()
    leaky, copies = tmp_path / "leaky" / "customers.csv", tmp_path / "copies"
    done = fix(leaky, copies, "--output", tmp_path / "out", "--only", "duplicates", "--dry-run")
    assert done.returncode == 0
    assert "not among --only" in done.stdout or "1 of 1" in done.stdout
    done = fix(leaky, copies, "--output", tmp_path / "out", "--only", "duplicates")
    assert done.returncode == 0, done.stdout
    assert leaky.read_bytes() == (tmp_path / "out" / "customers.csv").read_bytes()
    assert (copies / "wine.csv").read_bytes() != (tmp_path / "out" / "copies" / "wine.csv").read_bytes()


def test_a_check_that_is_none_is_refused(fix: Fix, data: Path) -> None:
    done = fix(data, "--dry-run", "--only", "label-leekage")
    assert done.returncode == 2
    assert "no check is called 'label-leekage'" in done.stderr
