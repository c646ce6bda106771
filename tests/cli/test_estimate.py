"""`doctor estimate` as its users call it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT, Doctor

from doctor.cli.estimate import command
from doctor.errors import DoctorError, UsageError

SHAPE = ("--hidden", "512", "--layers", "4", "--heads", "8", "--sequence", "64")
GUIDE = (ROOT / "docs" / "guides" / "estimate.md").read_text("utf-8")


def run(*arguments: object) -> tuple[int, str]:
    """Call the verb in this process."""
    done = CliRunner().invoke(command, [str(one) for one in arguments], standalone_mode=False)
    if isinstance(done.exception, DoctorError):
        raise done.exception
    assert done.exception is None, done.exception
    return done.return_value, done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name a model, or describe one: --hidden is missing"),
        (("--hidden", "8", "--layers", "2"), "--heads is missing"),
        (SHAPE[:6], "--sequence N"),
        (("model", *SHAPE), "--hidden describes a model, and model is one already"),
        (("model.py",), "is none of package.module:function"),
        (("model.py:f",), "there is no file model.py"),
        (("nowhere_at_all:f",), "there is no module 'nowhere_at_all'"),
        (("nothing.json",), "nothing.json: No such file or directory"),
        (("plain.json",), "not a model's configuration of Hugging Face: it names no model_type"),
        (("broken.json",), "broken.json:2: not valid JSON"),
        (("other.json", "--closed"), "the layers of model_type 'mixtral' are not known to the closed formulas"),
        ((*SHAPE, "--device-memory", "much"), "'much' is no size"),
        ((*SHAPE, "--device-memory", "0GB"), "a device has some memory"),
        ((*SHAPE, "--optimizer", "muon"), "optimizer 'muon' is none of adamw"),
        ((*SHAPE, "--offload", "optimizer"), "offload needs ZeRO"),
        ((*SHAPE, "--config", "plain.json"), "plain.json: not a DeepSpeed configuration"),
        ((*SHAPE, "--config", "broken.json"), "broken.json:2: not valid JSON"),
        ((*SHAPE, "--kv-heads", "3"), "--heads one of --kv-heads"),
    ],
)
def test_a_wrong_call_is_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain.json").write_text('{"a": 1}', "utf-8")
    (tmp_path / "broken.json").write_text('{"a": 1,\n}', "utf-8")
    (tmp_path / "other.json").write_text('{"model_type": "mixtral"}', "utf-8")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(said)) as raised:
        run(*arguments)
    assert len(str(raised.value).splitlines()) == 1


def test_the_exit_status_says_whether_it_fits(tmp_path: Path) -> None:
    assert run(*SHAPE, "--device-memory", "24GB")[0] == 0
    status, text = run(*SHAPE, "--device-memory", "700MB", "--device", "cpu", "--batch", "64", "--vocabulary", "9000")
    assert status == 1
    assert "It does not fit a device of 700.0 MB" in text
    status, text = run(*SHAPE, "--device", "cpu")
    assert status == 0
    assert "The device is not known" in text


def test_json_has_the_numbers_of_the_text(tmp_path: Path) -> None:
    arguments = (*SHAPE, "--vocabulary", "9000", "--batch", "64", "--device-memory", "900MB")
    file = tmp_path / "estimate.json"
    assert run(*arguments, "--output", file)[0] == run(*arguments)[0]
    told = json.loads(file.read_text("utf-8"))
    assert told["format"] == 1
    assert told["total_bytes"] == sum(size for _, size in told["culprits"])
    assert told["culprits"] == sorted(told["culprits"], key=lambda one: -one[1])
    assert told["fits"] is (told["total_bytes"] <= told["usable_bytes"])
    assert 0 < len(told["changes"]) <= 3
    assert all(change["total"] <= told["usable_bytes"] for change in told["changes"])


def test_a_deepspeed_configuration_is_read_and_options_win(tmp_path: Path) -> None:
    content = {
        "train_micro_batch_size_per_gpu": 4,
        "gradient_accumulation_steps": 2,
        "train_batch_size": 64,
        "bf16": {"enabled": True},
        "zero_optimization": {"stage": 3},
    }
    (tmp_path / "ds.json").write_text(json.dumps(content), "utf-8")
    text = run(*SHAPE, "--config", tmp_path / "ds.json")[1]
    assert "bf16, micro-batch 4 × 64 tokens, 2 accumulated, ZeRO stage 3, 8 ranks" in text
    text = run(*SHAPE, "--config", tmp_path / "ds.json", "--zero-stage", "1", "--batch", "3")[1]
    assert "micro-batch 3 × 64 tokens, 2 accumulated, ZeRO stage 1, 8 ranks" in text


def test_a_configuration_is_counted_by_formulas_where_that_is_asked(tmp_path: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    (tmp_path / "config.json").write_text(json.dumps({**config, "vocab_size": 300}), "utf-8")
    text = run(tmp_path / "config.json", "--closed", "--sequence", "32")[1]
    assert "by closed formulas" in text


def test_the_guide_shows_what_is_printed() -> None:
    ((asked, shown),) = re.findall(r"```console\n\$ doctor estimate (.*?[^\\])\n(.*?)```", GUIDE, re.DOTALL)
    text = run(*asked.replace("\\\n", " ").split())[1]
    assert text.startswith(shown)


def test_a_model_that_cannot_be_built_ends_in_status_3(tmp_path: Path, doctor: Doctor) -> None:
    (tmp_path / "bad.py").write_text("def build():\n    raise ValueError('no weights')\n", "utf-8")
    done = doctor("estimate", "bad.py:build", cwd=tmp_path)
    assert done.returncode == 3
    assert done.stderr == "doctor: bad.py:build cannot be followed: the factory: ValueError: no weights (bad.py:2)\n"
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]
