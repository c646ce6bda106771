"""Logs that grow are followed until they tell of an end."""

import json
import subprocess
import sys
import time
from pathlib import Path

SECONDS = 60.0


def test_what_comes_into_a_log_is_told_and_its_end_ends_the_following(tmp_path: Path) -> None:
    log = tmp_path / "train.log"
    log.write_text("step 1 loss 0.9\nstep 2 loss 0.8\n", "utf-8")
    command = [sys.executable, "-m", "doctor", "watch", "--logs", str(log), "--run-dir", str(tmp_path / "kept")]
    following = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert following.stderr
    try:
        assert "Ctrl-C" in following.stderr.readline()
        with log.open("a") as file:
            file.write("step 3 loss nan\n")
        begin = time.monotonic()
        while "the loss became nan at step 3" not in following.stderr.readline():
            assert time.monotonic() - begin < SECONDS
        with log.open("a") as file:
            file.write(
                'Traceback (most recent call last):\n  File "train.py", line 7, in <module>\n    f()\nOSError: gone\n'
            )
        said = following.communicate(timeout=SECONDS)[0], following.returncode
    finally:
        following.kill()
        following.wait()
    assert said[1] == 1
    findings = json.loads((tmp_path / "kept" / "diagnosis.json").read_text("utf-8"))["findings"]
    assert [finding["check"] for finding in findings] == ["crash/exit-cause", "numerics/non-finite-loss"]


def test_a_path_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "doctor", "watch", "--logs", str(tmp_path / "none")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == f"doctor: {tmp_path / 'none'}: there is no such file or folder"
