"""The GitHub Action, its steps run by the rules of GitHub's runner, and the hooks and snippets for other servers."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import FIXTURES, ROOT

ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
BIN = Path(sys.executable).parent
SICK = FIXTURES / "quality" / "missing_values" / "sick"
TIMEOUT = 300


@dataclass
class Runner:
    """Runs the shell steps of the action; those of other actions are noted with their inputs."""

    folder: Path
    inputs: dict[str, str]
    bin: Path = BIN
    action_path: Path = ROOT
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    used: dict[str, dict[str, str]] = field(default_factory=dict)
    log: str = ""

    def run(self, *, skip: tuple[str, ...] = ()) -> int:
        """Run the steps until one fails; its status."""
        unknown = self.inputs.keys() - ACTION["inputs"].keys()
        assert not unknown
        for step in ACTION["runs"]["steps"]:
            if step["name"] in skip or not self._applies(step.get("if", "")):
                continue
            if "uses" in step:
                self.used[step["uses"]] = {key: self.filled(value) for key, value in step["with"].items()}
            elif status := self._shell(step):
                return status
        return 0

    @property
    def summary(self) -> str:
        return (self.folder / "summary.md").read_text("utf-8")

    def _applies(self, condition: str) -> bool:
        if not condition:
            return True
        name, sign, wanted = re.fullmatch(r"inputs\.([\w-]+) (==|!=) '(\w*)'", condition).groups()  # type: ignore[union-attr]
        return (self._input(name) == wanted) == (sign == "==")

    def _input(self, name: str) -> str:
        return self.inputs.get(name, ACTION["inputs"][name]["default"])

    def filled(self, text: str) -> str:
        def value(match: re.Match[str]) -> str:
            kind, *names = match[1].split(".")
            if kind == "inputs":
                return self._input(names[0])
            if kind == "github":
                assert names == ["action_path"]
                return str(self.action_path)
            assert (kind, names[1]) == ("steps", "outputs")
            return self.outputs[names[0]].get(names[2], "")

        return re.sub(r"\$\{\{ (.*?) \}\}", value, text)

    def _shell(self, step: dict[str, Any]) -> int:
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "an input would become part of the script"
        script, output = self.folder / "step.sh", self.folder / "output"
        script.write_text(step["run"], "utf-8")
        output.write_text("", "utf-8")
        work, temp = self.folder / "work", self.folder / "temp"
        temp.mkdir(exist_ok=True)
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "RUNNER_"))},
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "GITHUB_OUTPUT": str(output),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "RUNNER_TEMP": str(temp),
            **{name: self.filled(value) for name, value in step.get("env", {}).items()},
        }
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)],
            cwd=work,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        self.log += done.stdout
        told = dict(line.split("=", 1) for line in output.read_text("utf-8").splitlines())
        self.outputs[step.get("id", step["name"])] = told
        return done.returncode


def checkout(folder: Path) -> Path:
    """Lay out a checkout with data of which too much is missing."""
    shutil.copytree(SICK, folder / "work" / "my data")
    return folder


@pytest.fixture
def work(tmp_path: Path) -> Path:
    return checkout(tmp_path)


OPTIONS = "--select 'missing-values'"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """The action as its users call it, to its end."""
    folder = checkout(tmp_path_factory.mktemp("action"))
    runner = Runner(folder, {"path": "'my data'", "options": OPTIONS, "fail-on": "warning"})
    assert runner.run(skip=("Install",)) == 1, runner.log
    return runner


def test_the_steps_scan_report_annotate_and_fail_by_the_scan(ran: Runner) -> None:
    assert ran.outputs["scan"]["status"] == "1"
    sarif = json.loads(Path(ran.outputs["reports"]["sarif"]).read_text("utf-8"))
    results = sarif["runs"][0]["results"]
    assert results[0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith("my%20data/")
    assert "::warning file=my data/" in ran.log
    assert ran.summary.startswith("### Look before you train")
    assert ran.used["github/codeql-action/upload-sarif@v3"] == {"sarif_file": ran.outputs["reports"]["sarif"]}
    assert Path(ran.outputs["reports"]["html"]).read_text("utf-8").startswith("<!doctype html>")


def test_inputs_turn_parts_off_and_a_baseline_shows_what_changed(ran: Runner, work: Path) -> None:
    off = {"upload-sarif": "false", "annotate": "false", "python-version": ""}
    again = Runner(work, {**ran.inputs, **off, "fail-on": "error", "baseline": ran.outputs["scan"]["json"]})
    assert again.run(skip=("Install",)) == 0, again.log
    assert not again.used
    assert "::" not in again.log
    assert re.search(r"### \d stayed\.", again.summary)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"path": "nowhere.csv"}, "nowhere.csv: there is no such file or folder"),
        ({"path": "$(touch owned)"}, "there is no such file or folder"),
        ({"options": "--select 'unclosed"}, "xargs"),
        ({"fail-on": "grave; touch owned"}, "is not one of"),
    ],
    ids=["no such path", "a command as path", "unclosed quote", "a command as severity"],
)
def test_wrong_inputs_fail_the_job_and_run_nothing(inputs: dict[str, str], said: str, work: Path) -> None:
    runner = Runner(work, inputs)
    assert runner.run(skip=("Install",)) != 0
    assert said in runner.log
    assert "json" not in runner.outputs["scan"]
    assert not list(work.rglob("owned"))


@pytest.mark.slow
def test_the_first_step_installs_what_the_others_call(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = work / "source"
    source.mkdir()
    for name in ("doctor", "checks", "reports"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "constraints.txt", "action.yml"):
        shutil.copy(ROOT / name, source)
    venv.create(work / "venv", with_pip=False, symlinks=True)
    (site,) = (work / "venv" / "lib").glob("python*/site-packages")
    # pip and the dependencies are those of this environment: what is tried is the step, not the network.
    ours = next(path for path in map(Path, sys.path) if path.name == "site-packages")
    (site / "dependencies.pth").write_text(f"{ours}\n", "utf-8")
    for name, value in (("BUILD_ISOLATION", "0"), ("DEPS", "1"), ("INDEX", "1")):
        monkeypatch.setenv(f"PIP_NO_{name}", value)
    monkeypatch.setenv("PIP_IGNORE_INSTALLED", "1")
    runner = Runner(work, {"path": "'my data'", "options": OPTIONS}, bin=work / "venv" / "bin", action_path=source)
    assert runner.run() == 0, runner.log
    assert (site / "doctor_reports" / "sarif.py").is_file()
    assert runner.outputs["scan"]["status"] == "0"


def hooks() -> dict[str, dict[str, Any]]:
    return {hook["id"]: hook for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))}


def commit_hook(name: str, work: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Call a hook as pre-commit does: entry, arguments, and the names of changed files."""
    program, *rest = shlex.split(hooks()[name]["entry"])
    return subprocess.run(
        [BIN / program, *rest, *words], cwd=work, capture_output=True, text=True, timeout=TIMEOUT, check=False
    )


def test_the_hook_for_code_fails_on_unseeded_code(tmp_path: Path) -> None:
    sick = "import numpy as np\nimport torch\nmodel = torch.nn.Linear(2, 1)\nmodel.fit = np.random.permutation(3)\n"
    (tmp_path / "train.py").write_text(sick + "loss = model(torch.ones(2)).sum()\nloss.backward()\n", "utf-8")
    assert hooks()["doctor-code"]["types_or"] == ["python", "jupyter"]
    ill = commit_hook("doctor-code", tmp_path, "train.py")
    assert ill.returncode == 1, ill.stderr
    assert "train.py" in ill.stdout


def test_the_hook_for_data_scans_the_folder_in_its_arguments(work: Path) -> None:
    hook = hooks()["doctor-data"]
    assert hook["pass_filenames"] is False
    assert re.search(hook["files"], "data/train.csv.gz")
    assert not re.search(hook["files"], "train.py")
    done = commit_hook("doctor-data", work / "work", "my data", *shlex.split(OPTIONS), "--fail-on", "warning")
    assert done.returncode == 1, done.stderr


def snippets(heading: str) -> list[Any]:
    guide = (ROOT / "docs" / "guides" / "ci.md").read_text("utf-8")
    section = guide.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


def test_the_gitlab_job_of_the_guide_writes_what_it_promises(work: Path) -> None:
    (job,) = (snippet["doctor"] for snippet in snippets("GitLab"))
    (work / "work" / "my data").rename(work / "work" / "data")
    lines = [line for line in job["script"] if not line.startswith("pip install")]
    assert len(lines) == len(job["script"]) - 1
    done = subprocess.run(
        ["bash", "-e", "-c", "\n".join(lines).replace("doctor scan data", f"doctor scan data {OPTIONS}")],
        cwd=work / "work",
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    reports = job["artifacts"]["reports"]
    for name in (*job["artifacts"]["paths"], reports["codequality"], reports["junit"]):
        assert (work / "work" / name).stat().st_size
    assert json.loads((work / "work" / reports["codequality"]).read_text("utf-8"))[0]["check_name"]


def test_the_guide_calls_the_action_and_the_hooks_by_names_that_exist() -> None:
    (workflow,) = snippets("GitHub")
    given = workflow["jobs"]["doctor"]["steps"][1]["with"]
    assert given.keys() <= ACTION["inputs"].keys()
    (config,) = snippets("pre-commit")
    assert {hook["id"] for hook in config["repos"][0]["hooks"]} == set(hooks())
