"""The user's pipeline is built in real processes, through the real command."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

CHECK = "reproducibility/nondeterministic-pipeline"


@pytest.fixture
def build(doctor: Any, tmp_path: Path) -> Any:
    """Write a pipeline, scan it, and return its one examination and its finding, if any."""

    def run(code: str, asked: str = "build.py:make", *more: object, **environment: str) -> tuple[Any, Any]:
        (tmp_path / "build.py").write_text(code)
        arguments = ("scan", "--pipeline", asked, "--select", CHECK, "--format", "json", *more)
        done = doctor(*arguments, cwd=tmp_path, **environment)
        assert done.returncode in (0, 1), done.stderr
        report = json.loads(done.stdout)
        return report["examinations"][0], next(iter(report["findings"]), None)

    return run


def make(value: str, *lines: str) -> str:
    return "\n".join((*lines, "def make():", f"    return {value}", ""))


@pytest.mark.parametrize(
    "value",
    [
        "[1, 'a', b'b', 2.5, None, True, {'k': {'x', 'y', 'z'}, 'l': (1, 2)}]",
        "iter(range(1000))",
        "[{word: 1 for word in {'a', 'b', 'c', 'd', 'e'}}]",
        "[Thing({'a', 'b', 'c'}), Thing(None), object(), lambda: 1, Thing]",
        "Indexed()",
        "{'train': [1, 2, 3], 'test': [4]}",
        "([1, 2], [3, 4])",
        "'one text'",
        "numpy.arange(12.0).reshape(4, 3)",
        "[numpy.float32(1), numpy.array(['a', None], dtype=object), numpy.datetime64('2024-01-01')]",
        "pandas.DataFrame({'a': [1, 2], 'b': ['x', None]})",
        "pyarrow.table({'a': [1, 2], 'b': [[1], None]})",
        "[float('nan'), decimal.Decimal('1.5'), datetime.date(2024, 1, 1), pathlib.Path('a')]",
        "[circle]",
    ],
)
def test_a_pipeline_that_builds_the_same_twice_is_healthy(build: Any, value: str) -> None:
    if "pandas" in value:
        pytest.importorskip("pandas", reason="pandas is no dependency; its frames are compared where it is installed")
    lines = (
        "import datetime, decimal, pathlib",
        *(f"import {name}" for name in ("numpy", "pandas", "pyarrow") if name in value),
        "class Thing:\n    def __init__(self, held): self.held = held",
        "class Indexed:\n    def __len__(self): return 5\n    def __getitem__(self, i): return i * i",
        "circle = []\ncircle.append(circle)",
    )
    examination, finding = build(make(value, *lines))
    assert (examination["outcome"], finding) == ("healthy", None)


@pytest.mark.parametrize(
    ("value", "kind", "item"),
    [
        ("list({'the', 'quick', 'brown', 'fox', 'jumps', 'over'})", "order", None),
        ("[0, 1, random.random()]", "content", 3),
        ("[0, time.time_ns()]", "content", 2),
        ("[1, 2, 3] if os.environ['PYTHONHASHSEED'] == '1' else [1, 2]", "length", 3),
        ("[numpy.zeros(2, dtype=os.environ['PYTHONHASHSEED'] == '1' and 'f4' or 'f8')]", "content", 1),
        ("[numpy.zeros((2, 3) if os.environ['PYTHONHASHSEED'] == '1' else (3, 2))]", "content", 1),
        ("[hash('a') % 1000, 5]", "content", 1),
        ("sorted(range(100), key=lambda _: random.random())", "order", None),
        ("pandas.DataFrame({'a': numpy.random.rand(3)})", "content", 2),
    ],
)
def test_what_differs_is_named(build: Any, value: str, kind: str, item: int | None) -> None:
    if "pandas" in value:
        pytest.importorskip("pandas", reason="pandas is no dependency; its frames are compared where it is installed")
    lines = ["import os, random, time", *(f"import {name}" for name in ("numpy", "pandas") if name in value)]
    examination, finding = build(make(value, *lines))
    assert examination["outcome"] == "found"
    assert finding["severity"] == "error"
    assert finding["evidence"]["kind"] == kind
    assert item in (None, finding["evidence"]["item"])
    assert finding["evidence"]["one"] != finding["evidence"]["other"]


def test_a_third_build_tells_the_hash_seed_from_chance(build: Any) -> None:
    by_hash = build(make("list({'the', 'quick', 'brown', 'fox', 'jumps', 'over'})"))[1]
    by_chance = build(make("[random.random()]", "import random"))[1]
    assert (by_hash["evidence"]["follows_hash_seed"], by_chance["evidence"]["follows_hash_seed"]) == (True, False)


def test_an_endless_data_set_is_read_to_the_bound(build: Any) -> None:
    examination, _ = build(make("itertools.count()", "import itertools"))
    assert examination["outcome"] == "healthy"
    _, finding = build(make("(random.random() for _ in itertools.count())", "import itertools, random"))
    assert (finding["evidence"]["kind"], finding["evidence"]["items"]) == ("unsure", 100_000)


def test_a_script_is_compared_by_its_variable_or_its_lines(build: Any) -> None:
    noisy = "import time\nprint(time.time_ns())\n"
    assert build(f"{noisy}dataset = [1, 2]\n", "build.py")[0]["outcome"] == "healthy"
    assert build("print('a')\nprint('b')\n", "build.py")[0]["outcome"] == "healthy"
    _, finding = build(f"print('a')\n{noisy}", "build.py")
    assert (finding["evidence"]["kind"], finding["evidence"]["item"]) == ("content", 2)
    guarded = "if __name__ == '__main__':\n    print('x')\n    raise SystemExit(0)\n"
    assert build(guarded, "build.py")[0]["outcome"] == "healthy"


def test_a_module_is_imported_from_the_working_directory(build: Any, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "__init__.py").touch()
    (tmp_path / "rows" / "made.py").write_text(make("[1, 2]"))
    assert build("", "rows.made:make")[0]["outcome"] == "healthy"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (make("1 / 0"), "ZeroDivisionError: division by zero"),
        ("import not_installed_anywhere\n" + make("[1]"), "ModuleNotFoundError: No module named"),
        ("def make(:\n", "SyntaxError"),
        (make("None"), "returned None"),
        (make("[]"), "without items"),
        (
            "import os\ndef make():\n    os.write(2, b'the last word\\n')\n    os._exit(7)\n",
            "exit status 7): the last word",
        ),
        ("import os\ndef make():\n    os.kill(os.getpid(), 9)\n", "signal 9"),
        ("def make():\n    yield 1\n    raise OSError('gone')\n", "OSError: gone"),
    ],
)
def test_a_pipeline_that_fails_is_one_line_and_no_verdict(build: Any, code: str, said: str) -> None:
    examination, finding = build(code)
    assert (examination["outcome"], finding) == ("unavailable", None)
    assert said in examination["reason"]
    assert "\n" not in examination["reason"]


def test_a_build_that_does_not_end_is_stopped_with_all_it_started(build: Any, tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys, time\n"
        "def make():\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)'])\n"
        "    open('pid', 'w').write(str(child.pid))\n"
        "    time.sleep(300)\n"
    )
    for budget in (3, 12, 48):  # on a busy machine a small one is spent before the build begins
        examination, _ = build(code, "build.py:make", "--budget", budget)
        assert examination["outcome"] == "unavailable"
        if (tmp_path / "pid").exists():
            break
    assert f"not finished after {budget} s" in examination["reason"]
    pid = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not _runs(pid):
            return
        time.sleep(0.1)
    pytest.fail("a worker outlived the build")


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("build.py:nothing", "build.py has no function 'nothing'; it has: make"),
        ("build.py:VALUE", "is no function but a int"),
        ("no_such_module:make", "there is no module 'no_such_module'"),
        ("missing.py", "there is no file missing.py"),
        ("build", "is none of package.module:function"),
        ("build.py:", "is none of package.module:function"),
    ],
)
def test_a_pipeline_that_is_not_there_is_wrong_use(doctor: Any, tmp_path: Path, asked: str, said: str) -> None:
    (tmp_path / "build.py").write_text("VALUE = 1\n" + make("[1]"))
    done = doctor("scan", "--pipeline", asked, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_path_and_without_a_pipeline_it_is_wrong_use(doctor: Any) -> None:
    done = doctor("scan")
    assert done.returncode == 2
    assert "PATHS" in done.stderr


def test_a_settings_file_cannot_make_a_scan_run_code(doctor: Any, tmp_path: Path) -> None:
    (tmp_path / "evil.py").write_text("open('executed', 'w')\n")
    (tmp_path / "doctor.toml").write_text('pipeline = "evil.py"\n')
    done = doctor("scan", tmp_path, cwd=tmp_path)
    assert done.returncode == 2
    assert "given on the command line only" in done.stderr
    assert not (tmp_path / "executed").exists()


def test_nothing_is_left_beside_the_code(build: Any, tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text("VALUE = 1\n")
    build("import other\n" + make("[other.VALUE]"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["build.py", "other.py"]


def test_what_cannot_be_compared_is_not_called_healthy(build: Any) -> None:
    examination, _ = build(make("[threading.Lock()]", "import threading"))
    assert examination["outcome"] == "unavailable"
    assert "lock" in examination["reason"]
