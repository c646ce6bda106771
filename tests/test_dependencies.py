"""Which environment the code runs in, as the files beside it say."""

from pathlib import Path

import pytest

from doctor.case import open_case
from doctor.engine import examine
from doctor.evidence.requirements import Bound, bound_of, requirements_of
from doctor.model import Report
from doctor.settings import Settings
from doctor.subjects.records import Record, Sort

UNPINNED, UNRECORDED = "reproducibility/unpinned-dependencies", "reproducibility/unrecorded-environment"
TRAIN = "import numpy as np\nimport torch\nfrom model import net\nnet(np.ones(3)).sum().backward()\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of two programs, the root of a repository."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "train.py").write_text(TRAIN)
    (tmp_path / "src" / "model.py").write_text("net = print\n")
    return tmp_path


def look(path: Path) -> Report:
    settings = Settings(select=(UNPINNED, UNRECORDED))
    with open_case([path], settings) as case:
        return examine(case, settings)


def told(path: Path) -> list[tuple[str, str, int | None]]:
    """Return kind, file and line of each finding."""
    return [
        (str(f.evidence.get("kind", "unrecorded")), Path(f.at.path or "").name, f.at.line) for f in look(path).findings
    ]


def read(text: str, sort: Sort = Sort.REQUIREMENTS) -> list[tuple[str, Bound, int]]:
    record = Record(sort=sort, path=Path("r"), shown="r", folder=Path("/"), text=text)
    return [(one.name, one.bound, one.line) for one in requirements_of(record)]


def test_a_project_without_a_record_is_told_so(project: Path) -> None:
    assert told(project) == [("unrecorded", "train.py", 2)]


def test_a_lone_script_is_no_project(project: Path) -> None:
    report = look(project / "src" / "train.py")
    assert report.findings == []
    assert {e.outcome.value for e in report.examinations if e.check == UNRECORDED} == {"not applicable"}


@pytest.mark.parametrize(
    "name",
    ["requirements.txt", "environment.yml", "Pipfile", "setup.py", "uv.lock", "Dockerfile", "docker/gpu.dockerfile",
     "requirements/train.txt", "conda-lock.yml", "pixi.toml", "flake.nix", "requirements-dev.txt", "src/reqs.txt"],
)  # fmt: skip
def test_a_record_at_the_root_counts_for_a_scan_below(project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("torch==2.4.0\n" if not name.endswith("Pipfile") else "")
    if name == "Pipfile":
        (project / name).write_text('[packages]\ntorch = "==2.4.0"\n')
    assert told(project / "src") == []


def test_a_script_counts_only_if_it_installs(project: Path) -> None:
    (project / "run.sh").write_text("python src/train.py\n")
    assert told(project) == [("unrecorded", "train.py", 2)]
    (project / "run.sh").write_text("pip install torch==2.4.0\npython src/train.py\n")
    assert told(project) == []


def test_a_pyproject_with_the_settings_of_tools_alone_is_no_record(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.ruff]\nline-length = 100\n")
    assert told(project) == [("unrecorded", "train.py", 2)]


def test_what_lies_above_the_repository_is_not_looked_at(project: Path) -> None:
    inner = project / "inner"
    (inner / ".git").mkdir(parents=True)
    (inner / "train.py").write_text(TRAIN)
    (inner / "model.py").write_text("net = print\n")
    (project / "requirements.txt").write_text("torch==2.4.0\n")
    assert told(inner) == [("unrecorded", "train.py", 2)]


def test_requirements_in_the_program_itself_are_a_record(project: Path) -> None:
    script = '# /// script\n# dependencies = ["torch==2.4.0"]\n# ///\n'
    (project / "src" / "train.py").write_text(script + TRAIN)
    assert told(project) == []


def test_each_line_is_found_and_includes_are_followed(project: Path) -> None:
    (project / "requirements.txt").write_text("# all\n-r src/more.txt\ntqdm\n\ntorch\n")
    (project / "src" / "more.txt").write_text("numpy>=1.20\n")
    assert sorted(told(project)) == [("none", "requirements.txt", 5), ("open", "more.txt", 1)]


def test_a_version_named_elsewhere_is_enough(project: Path) -> None:
    (project / "requirements.txt").write_text("torch\nnumpy\n")
    (project / "constraints.txt").write_text("torch==2.4.0\nNumPy==1.26.4\n")
    assert told(project) == []


def test_a_lock_counts_for_what_it_names(project: Path) -> None:
    (project / "requirements.txt").write_text("torch\nnumpy\n")
    (project / "poetry.lock").write_text('[[package]]\nname = "torch"\nversion = "2.4.0"\n')
    assert told(project) == [("none", "requirements.txt", 2)]


def test_libraries_that_the_training_does_not_import_are_nobodys_affair(project: Path) -> None:
    (project / "requirements.txt").write_text("scipy\nblack\ntorch==2.4.0\nnumpy==1.26.4\n")
    assert told(project) == []


def test_a_package_for_others_leaves_versions_open(project: Path) -> None:
    text = '[project]\nname = "x"\nversion = "1"\ndependencies = ["torch", "numpy"]\n'
    (project / "pyproject.toml").write_text(text)
    assert told(project) == [("none", "pyproject.toml", 4)]
    (project / "pyproject.toml").write_text('[build-system]\nrequires = ["setuptools"]\n' + text)
    assert told(project) == []


def test_what_is_broken_is_said_and_the_rest_is_judged(project: Path) -> None:
    (project / "pyproject.toml").write_text("[project\n")
    (project / "requirements.txt").write_bytes("-r ghost.txt\ntorch\n".encode("utf-16"))
    report = look(project)
    assert [f.at.line for f in report.findings] == [2]
    [reason] = [e.reason for e in report.examinations if e.check == UNPINNED]
    assert "requirements.txt:1: ghost.txt is not there" in reason
    assert "pyproject.toml: not valid TOML" in reason


@pytest.mark.parametrize(
    ("specifier", "bound"),
    [("", "none"), ("==1.2", "exact"), ("===1.2", "exact"), ("==1.*", "limited"), ("~=1.2", "limited"),
     (">=1,<2", "limited"), ("<2", "limited"), (">=1", "open"), (">1,!=1.3", "open"), (">=1,==1.4.2", "exact")],
)  # fmt: skip
def test_how_closely_a_specifier_names_a_version(specifier: str, bound: str) -> None:
    assert bound_of(specifier) == bound


@pytest.mark.parametrize(
    ("line", "name", "bound"),
    [
        ("torch == 2.4.0  # the one we ran", "torch", "exact"),
        ("Torch_Geometric[full]>=2 ; python_version < '3.12'", "torch-geometric", "open"),
        ("-e git+https://github.com/huggingface/trl.git@v0.9.6#egg=trl", "trl", "exact"),
        ("git+https://github.com/huggingface/peft", "peft", "moving"),
        ("git+ssh://git@github.com/huggingface/peft.git@main", "peft", "moving"),
        ("peft @ git+https://github.com/huggingface/peft@0123abc", "peft", "exact"),
        ("torch @ https://download.pytorch.org/whl/torch-2.4.0-cp311.whl", "torch", "exact"),
        ("flash-attn --no-build-isolation", "flash-attn", "none"),
    ],
)
def test_a_line_is_read_as_pip_reads_it(line: str, name: str, bound: str) -> None:
    assert read(f"\n{line}\n") == [(name, bound, 2)]


def test_options_paths_and_remarks_are_no_requirements() -> None:
    assert read("--extra-index-url https://x\n./wheels/a.whl\n# torch\n-f y\n\n") == []


def test_conda_lists_are_read_with_the_one_of_pip_inside() -> None:
    text = (
        "name: x\ndependencies:\n- numpy=1.26\n- pytorch::pytorch>=2\n- pip:\n  - torch\n- scipy 1.11.*\nother:\n- a\n"
    )
    found = read(text, Sort.CONDA)
    assert found == [("numpy", "limited", 3), ("pytorch", "open", 4), ("torch", "none", 6), ("scipy", "limited", 7)]


def test_poetry_and_pipenv_write_versions_their_own_way() -> None:
    text = '[tool.poetry.dependencies]\npython = "^3.11"\ntorch = "*"\nnumpy = {version = "~1.26"}\ntrl = {git = "x"}\n'
    found = read(text, Sort.PYPROJECT)
    expected = [("python", "limited", 2), ("torch", "none", 3), ("numpy", "limited", 4), ("trl", "moving", 5)]
    assert found == expected
