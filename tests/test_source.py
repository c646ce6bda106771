"""Code is opened as it lies there: programs, notebooks, broken ones."""

import json
from pathlib import Path

import pytest

from doctor.subjects.source import open_source, plain_python


def notebook(path: Path, *cells: str, language: str = "python") -> None:
    made = [{"cell_type": "code", "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": made, "metadata": {"language_info": {"name": language}}, "nbformat": 4}))


def test_a_folder_with_code_alone_is_a_valid_scan(scan, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import sys\nprint(sys.path)\n")
    report = scan(tmp_path, status=0)
    assert [(subject["kind"], subject["files"]) for subject in report["case"]["subjects"]] == [("source", 1)]


def test_a_single_program_is_a_valid_scan(scan, tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    path.write_text("from sklearn.cluster import KMeans\nprint(KMeans(3).fit([[1], [2], [3]]))\n")
    assert [finding["at"]["line"] for finding in scan(path)["findings"]] == [2]


def test_a_syntax_error_is_one_line_and_the_rest_is_examined(doctor, tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n")
    (tmp_path / "train.py").write_text("from sklearn.cluster import KMeans\nKMeans(3).fit([[1], [2], [3]])\n")
    done = doctor("scan", tmp_path)
    assert done.returncode == 3
    assert f"cannot read {tmp_path / 'broken.py'}:2: not valid Python: invalid syntax" in done.stdout
    assert "train.py:2: KMeans draws at random" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"cells": 3}', b"\xff\xfe\x00", b"null", b"[" * 100_000])
def test_a_broken_notebook_is_one_line(doctor, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lesson.ipynb").write_bytes(content)
    done = doctor("scan", tmp_path)
    assert done.returncode == 3
    lines = [line for line in done.stdout.splitlines() if "lesson.ipynb" in line]
    assert len(lines) == 1
    assert "not a notebook" in lines[0]
    assert "Traceback" not in done.stdout + done.stderr


def test_a_broken_cell_leaves_the_others(tmp_path: Path) -> None:
    notebook(tmp_path / "lesson.ipynb", "x = 1", "def f(:\n    pass", "y = 2\nz = 3")
    source, problems = open_source([tmp_path])
    assert source is not None
    assert [(problem.path, problem.line) for problem in problems] == [(f"{tmp_path / 'lesson.ipynb'}, cell 2", 1)]
    program = source.programs[0]
    places = [program.place(node.lineno) for node in program.tree.body]
    assert [(place.cell, place.line) for place in places] == [(1, 1), (3, 1), (3, 2)]


def test_a_notebook_in_another_language_is_left_out(tmp_path: Path) -> None:
    notebook(tmp_path / "lesson.ipynb", "x <- c(1, 2)", language="R")
    assert open_source([tmp_path]) == (None, [])


def test_a_finding_in_a_notebook_names_cell_and_line(scan, tmp_path: Path) -> None:
    first = "%matplotlib inline\n!pip install scikit-learn\nfrom sklearn.cluster import KMeans"
    notebook(tmp_path / "lesson.ipynb", first, "%%time\nx = [[1], [2], [3]]\nKMeans(2).fit(x)")
    places = [(finding["at"]["cell"], finding["at"]["line"]) for finding in scan(tmp_path)["findings"]]
    assert places == [(2, 3)]


@pytest.mark.parametrize(
    ("code", "plain"),
    [
        ("%time f()\nx = 1", "pass\nx = 1"),
        ("if a:\n    !ls -l \\\n      b\n", "if a:\n    pass\n\n"),
        ("files = !ls\n", "files = None\n"),
        ("%%bash\nls\n", ""),
        ("%%time\nx = 1", "\nx = 1"),
        ("model?", "pass"),
    ],
)
def test_magics_are_blanked_and_lines_stay(code: str, plain: str) -> None:
    assert plain_python(code) == plain


def test_code_of_others_is_left_out(tmp_path: Path) -> None:
    for folder in (".hidden", "site-packages", "mine/pyvenv.cfg"):
        (tmp_path / folder).parent.mkdir(exist_ok=True)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.py").write_text("x = 1")
    (tmp_path / "mine" / "pyvenv.cfg").write_text("")
    (tmp_path / "mine" / "b.py").write_text("x = 1")
    assert open_source([tmp_path]) == (None, [])


def test_code_nested_too_deeply_is_not_called_healthy(doctor, tmp_path: Path) -> None:
    (tmp_path / "deep.py").write_text("print(1)\nx = " + "+".join(["1"] * 5000) + "\n")
    done = doctor("scan", tmp_path)
    assert done.returncode in (0, 3)
    assert "deep" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
