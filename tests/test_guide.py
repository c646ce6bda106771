"""The five steps of the guide, followed to the letter in a fresh folder and a fresh environment."""

import os
import re
import shlex
import site
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT

GUIDES = ROOT / "docs" / "guides"
PAGE = (GUIDES / "writing_a_check.md").read_text("utf-8")
PIECE = re.compile(r"(?:`(?P<file>[\w./]+)`:\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Home:
    """A folder that holds what the guide says, in an environment of its own."""

    folder: Path
    binaries: Path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """Run a line of the guide as it stands."""
        # Without build isolation pip needs no network; setuptools is here already.
        quiet = {"PIP_NO_BUILD_ISOLATION": "false", "PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1", "COLUMNS": "200"}
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "PYTHON"))}
        return subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env={**kept, **quiet, "PATH": os.pathsep.join((str(self.binaries), kept["PATH"]))},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Make an environment that has `doctor` and its libraries, but a place of its own for what is installed."""
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=False)
    place = {"base": str(environment), "platbase": str(environment)}
    own = Path(sysconfig.get_path("purelib", vars=place))
    lent = [path for path in site.getsitepackages() if Path(path).is_dir()]
    (own / "lent.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in lent), "utf-8")
    binaries = Path(sysconfig.get_path("scripts", vars=place))
    for name, call in (("doctor", "from doctor.cli import main"), ("pip", "from pip._internal.cli.main import main")):
        script = binaries / name
        script.write_text(f"#!{binaries / 'python'}\nimport sys\n{call}\nsys.exit(main())\n", "utf-8")
        script.chmod(0o755)
    return Home(tmp_path_factory.mktemp("acme"), binaries)


@pytest.mark.slow
def test_the_five_steps_yield_a_check_that_is_listed_and_works(home: Home) -> None:
    steps = re.split(r"^## \d\. ", PAGE, flags=re.MULTILINE)[1:]
    assert len(steps) == 5
    written, called = [], []
    for piece in PIECE.finditer("".join(steps)):
        if piece["language"] != "console":
            assert piece["file"], f"the guide does not say which file this is:\n{piece['text']}"
            file = home.folder / piece["file"]
            file.parent.mkdir(exist_ok=True)
            file.write_text(piece["text"], "utf-8")
            written.append(piece["file"])
            continue
        for call in re.split(r"^\$ ", piece["text"], flags=re.MULTILINE)[1:]:
            command, *shown = call.splitlines()
            done = home.run(command)
            assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
            printed = " ".join((done.stdout + done.stderr).split())
            for line in shown:
                assert " ".join(line.split()) in printed, f"{command}\n{done.stdout}{done.stderr}"
            called.append(command)
    assert written == [
        "pyproject.toml",
        "acme_checks/__init__.py",
        "acme_checks/wide_table.py",
        "wide.csv",
        "test_wide_table.py",
    ]
    assert [command.split()[0] for command in called] == ["pip", "doctor", "doctor", "doctor", "doctor", "python"]


def test_what_was_installed_for_the_guide_is_nowhere_else() -> None:
    done = subprocess.run([sys.executable, "-c", "import acme_checks"], capture_output=True, text=True, check=False)
    assert "ModuleNotFoundError" in done.stderr


@pytest.mark.parametrize("page", sorted(GUIDES.glob("*.md")), ids=lambda page: page.name)
def test_links_of_a_guide_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8"))
    for link in links:
        assert (page.parent / link).exists(), link


def test_every_guide_is_listed() -> None:
    listed = set(re.findall(r"\]\((\w+\.md)\)", (GUIDES / "README.md").read_text("utf-8")))
    assert listed == {page.name for page in GUIDES.glob("*.md")} - {"README.md"}


def test_the_guide_to_pytest_names_the_options_there_are() -> None:
    page = (GUIDES / "pytest.md").read_text("utf-8")
    source = (ROOT / "doctor" / "pytest_plugin.py").read_text("utf-8")
    for kind, pattern in (("options", r"--doctor[\w-]*"), ("settings", r"\bdoctor_(?:paths|select|fail_on|report)\b")):
        declared = set(re.findall(rf'"({pattern})"', source))
        assert declared, kind
        assert declared <= set(re.findall(pattern, page)), kind


def test_completion_for_the_shell_is_what_the_guide_says() -> None:
    line = 'eval "$(_DOCTOR_COMPLETE=bash_source doctor)"'
    assert line in (GUIDES / "README.md").read_text("utf-8")
    command = Path(sys.executable).parent / "doctor"
    environment = {**os.environ, "_DOCTOR_COMPLETE": "bash_source"}
    done = subprocess.run([command], env=environment, capture_output=True, text=True, check=False)
    assert "complete" in done.stdout
    words = {"_DOCTOR_COMPLETE": "bash_complete", "COMP_WORDS": "doctor sc", "COMP_CWORD": "1"}
    done = subprocess.run([command], env={**os.environ, **words}, capture_output=True, text=True, check=False)
    assert "plain,scan" in done.stdout
