"""Configurations judged by what is written in them, and not by what is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from doctor.case import open_case
from doctor.engine import examine
from doctor.errors import UsageError
from doctor.model import Finding, Outcome, Report
from doctor.settings import settings_for

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "vocab_size": 32000,
    "tie_word_embeddings": False,
    "max_position_embeddings": 4096,
}
GPT2 = {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "vocab_size": 50257, "n_positions": 1024}
ARGUMENTS = {"per_device_train_batch_size": 2, "num_train_epochs": 1, "max_length": 256, "gradient_checkpointing": True}


def scanned(folder: Path, memory: str | None, **files: Any) -> Report:
    for stem, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=1)
        path = folder / f"{stem.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    settings = settings_for(folder, {"device_memory": memory, "select": ("config",)})
    with open_case([folder], settings) as case:
        report = examine(case, settings)
    assert Outcome.CRASHED not in {one.outcome for one in report.examinations}
    return report


def estimates(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.check == "config/memory-estimate"]


def reason(report: Report) -> str:
    return next(one.reason for one in report.examinations if one.check == "config/memory-estimate")


def deepspeed(**fields: Any) -> dict[str, Any]:
    zero = {"stage": 3, **fields.pop("zero", {})}
    return {"train_micro_batch_size_per_gpu": 1, "bf16": {"enabled": True}, "zero_optimization": zero, **fields}


def test_without_a_device_nothing_is_said(tmp_path: Path) -> None:
    report = scanned(tmp_path, None, config=LLAMA, args=ARGUMENTS)
    assert report.findings == []
    assert "the memory of the device is not known" in reason(report)


def test_a_model_alone_or_a_training_alone_is_no_question(tmp_path: Path) -> None:
    assert "no config.json of a model lies beside" in reason(scanned(tmp_path / "", "24GB", config=LLAMA))
    (tmp_path / "config.json").unlink()
    assert "no config.json of a model lies beside" in reason(scanned(tmp_path, "24GB", args=ARGUMENTS))


def test_states_that_never_fit_are_an_error_whatever_the_batch(tmp_path: Path) -> None:
    config = {**deepspeed(zero={"stage": 2}), "train_micro_batch_size_per_gpu": "auto"}
    report = scanned(tmp_path, "12GB", config=LLAMA, ds=config)
    (finding,) = estimates(report)
    assert finding.severity == "error"
    assert finding.evidence["kind"] == "states"
    assert finding.evidence["changes"] == []  # nobody knows how many rows there are
    assert "micro_batch" in finding.evidence["unknown"]
    # Weights of 13.5 GB are whole on every rank at stage 2, however many ranks there are.
    assert 13.4 < finding.evidence["states_gb"] < 14


def test_an_unknown_number_of_ranks_leaves_the_question_open(tmp_path: Path) -> None:
    report = scanned(tmp_path, "80GB", config=LLAMA, ds=deepspeed(), args={**ARGUMENTS, "deepspeed": "ds.json"})
    assert estimates(report) == []
    assert "depending on ranks" in reason(report)


def test_the_batch_tells_the_ranks(tmp_path: Path) -> None:
    arguments = {**ARGUMENTS, "deepspeed": "ds.json"}
    for ranks, found in ((1, True), (8, False)):
        fields = {"train_batch_size": 2 * ranks, "gradient_accumulation_steps": 2}
        report = scanned(tmp_path, "80GB", config=LLAMA, ds=deepspeed(**fields), args=arguments)
        assert bool(estimates(report)) is found


@pytest.mark.parametrize(
    "more",
    [{"use_peft": True}, {"lora_r": 8}, {"finetuning_type": "lora"}, {"load_in_4bit": True}, {"fsdp": "full_shard"}],
)
def test_what_the_formulas_do_not_know_is_left_alone(more: dict[str, Any], tmp_path: Path) -> None:
    report = scanned(tmp_path, "12GB", config=LLAMA, args={**ARGUMENTS, **more})
    assert report.findings == []


def test_weights_that_are_stored_in_16_bits_may_be_trained_so(tmp_path: Path) -> None:
    half = {**LLAMA, "torch_dtype": "bfloat16"}
    report = scanned(tmp_path, "80GB", config=half, args={**ARGUMENTS, "bf16": True})
    assert report.findings == []
    assert "precision" in reason(report)
    (finding,) = estimates(scanned(tmp_path, "80GB", config=LLAMA, args={**ARGUMENTS, "bf16": True}))
    assert finding.evidence["kind"] == "states"


def test_an_optimizer_that_is_not_known_is_taken_for_one_without_state(tmp_path: Path) -> None:
    report = scanned(tmp_path, "80GB", config=LLAMA, args={**ARGUMENTS, "optim": "galore_adamw"})
    assert report.findings == []
    assert "optimizer" in reason(report)


def test_each_training_goes_with_the_model_in_its_folder(tmp_path: Path) -> None:
    report = scanned(
        tmp_path, "24GB", large__config=LLAMA, large__args=ARGUMENTS, small__config=GPT2, small__args=ARGUMENTS
    )
    (finding,) = estimates(report)
    assert finding.at.path
    assert Path(finding.at.path).parent.name == "large"


def test_a_training_that_could_be_of_two_models_is_not_judged(tmp_path: Path) -> None:
    report = scanned(tmp_path, "12GB", one__config=LLAMA, two__config=GPT2, args=ARGUMENTS)
    assert report.findings == []


def test_a_broken_configuration_is_named_with_its_line_and_the_rest_is_judged(tmp_path: Path) -> None:
    report = scanned(tmp_path, "24GB", config=LLAMA, args=ARGUMENTS, broken='{\n "zero_optimization": {,}\n}')
    (problem,) = report.case.problems
    assert (Path(problem.path).name, problem.line) == ("broken.json", 2)
    assert len(estimates(report)) == 1


@pytest.mark.parametrize("content", ["[]", "{}", {"model_type": 3}, {"zero_optimization": 3}, {"num_train_epochs": {}}])
def test_odd_files_do_no_harm(content: Any, tmp_path: Path) -> None:
    report = scanned(tmp_path, "24GB", config=LLAMA, args=ARGUMENTS, odd=content)
    assert len(estimates(report)) == 1


def test_a_device_without_a_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="device-memory: 'big' is no size"):
        scanned(tmp_path, "big", config=LLAMA)


def test_the_advice_is_a_change_that_repairs_can_make(tmp_path: Path) -> None:
    arguments = {**ARGUMENTS, "per_device_train_batch_size": 64, "max_length": 1024}
    (finding,) = estimates(scanned(tmp_path, "24GB", config=GPT2, args={**arguments, "bf16": True}))
    assert finding.evidence["kind"] == "peak"
    assert finding.severity == "warning"
    assert finding.repair is not None
    assert getattr(finding.repair, "changes", None) == {"micro_batch_ratio": 1 / 4}
