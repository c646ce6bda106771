"""The folder of a command, copied for each run; the original stays as it is."""

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doctor.verify import workplace
from doctor.verify.workplace import CannotCopy, Insertion, Workplace, inserted

PROGRAM = """\
seen = []
def step(x):
    if x:
        seen.append(
            x,
        )
    return x
"""


def made(folder: Path) -> Workplace:
    (folder / "code" / ".git").mkdir(parents=True)
    (folder / "code" / ".git" / "config").write_text("private")
    (folder / "code" / "train.py").write_text(PROGRAM)
    (folder / "code" / "data.csv").write_text("a\n1\n")
    (folder / "code" / "latest").symlink_to("data.csv")
    return Workplace.of(["python", str(folder / "code" / "train.py"), "--out=weights.pt"], folder / "elsewhere")


def test_a_copy_holds_what_a_training_reads_and_links_stay_links(tmp_path: Path) -> None:
    place = made(tmp_path)
    copy = place.copy(tmp_path / "copy")
    assert sorted(path.name for path in copy.folder.iterdir()) == ["data.csv", "latest", "train.py"]
    assert (copy.folder / "latest").readlink() == Path("data.csv")
    assert copy.words == ("python", str(tmp_path / "copy" / "train.py"), "--out=weights.pt")
    assert copy.cwd == place.cwd


def test_a_command_within_its_folder_moves_with_it(tmp_path: Path) -> None:
    made(tmp_path)
    place = Workplace.of(["python", "train.py"], tmp_path / "code")
    copy = place.copy(tmp_path / "copy")
    assert copy.words == ("python", "train.py")
    assert copy.cwd == tmp_path / "copy"


def test_a_line_is_put_before_the_whole_statement_as_deep_as_it(tmp_path: Path) -> None:
    place = made(tmp_path)
    file = tmp_path / "code" / "train.py"
    copy = place.copy(tmp_path / "copy", Insertion(path=file, line=5, code="del seen[:-100]"))
    lines = (copy.folder / "train.py").read_text().splitlines()
    assert lines[3:5] == ["        del seen[:-100]", "        seen.append("]
    assert file.read_text() == PROGRAM


@pytest.mark.parametrize(
    ("line", "code", "said"), [(99, "pass", "7 lines"), (2, "if", "not Python"), (0, "pass", "7 lines")]
)
def test_an_edit_that_does_not_fit_is_refused(line: int, code: str, said: str) -> None:
    with pytest.raises(CannotCopy, match=said):
        inserted(PROGRAM, line, code, Path("train.py"))


@given(st.integers(1, 7))
def test_wherever_a_line_is_put_the_program_stays_one_and_is_longer_by_it(line: int) -> None:
    edited = inserted(PROGRAM, line, "print(1)", Path("train.py"))
    ast.parse(edited)
    assert [one for one in edited.splitlines() if one.strip() != "print(1)"] == PROGRAM.splitlines()


def test_a_folder_that_is_too_large_is_not_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = made(tmp_path)
    monkeypatch.setattr(workplace, "MAX_FILES", 2)
    with pytest.raises(CannotCopy, match="too much to copy"):
        place.copy(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
