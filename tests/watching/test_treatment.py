"""Treatments do to a program what its author would have written, to the last bit; without one nothing changes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from doctor.watching.probe.treated_config import treated
from tests.watching.conftest import Watched, only_process

PROGRAM = """
import copy, sys, torch
torch.manual_seed(0)
inputs = torch.randn(32, 8)
targets = 3 * inputs.sum(1, keepdim=True)
first = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Dropout(0.5), torch.nn.Linear(16, 1))

def train(kind, rate=0.01, steps=12):
    torch.manual_seed(1)
    model = copy.deepcopy(first)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1.0, (step + 1) / 5))
    losses = []
    for step in range(steps):
        if kind != "kept":
            optimizer.zero_grad()
        if kind == "evaluated":
            model.eval()
        loss = torch.nn.functional.mse_loss(model(inputs), targets)
        loss.backward()
        if kind == "clipped":
            torch.nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        if kind != "warmed":
            for group in optimizer.param_groups:
                group["lr"] = rate
        optimizer.step()
        warm.step()
        losses.append(loss.item().hex())
    return " ".join(losses)

for word in sys.argv[1:]:
    kind, _, rate = word.partition(":")
    print(word, train(kind, float(rate or 0.01)), flush=True)
"""
WRITTEN = ("plain", "clipped", "warmed", "plain:0.005")


def traces(output: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in output.splitlines()}


@pytest.fixture(scope="module")
def written(watched: Watched) -> dict[str, list[str]]:
    """The losses of programs that their author treated, without the probe."""
    done = watched(PROGRAM, *WRITTEN, folder=None)
    assert done.returncode == 0, done.stderr
    return traces(done.stdout)


@pytest.mark.parametrize(
    ("changes", "program", "like"),
    [
        ({"max_grad_norm": 0.5, "zero_grad": True}, "kept", "clipped"),
        ({"warmup_steps": 5, "evaluation_mode": True}, "evaluated", "warmed"),
        ({"learning_rate_ratio": 0.5}, "plain", "plain:0.005"),
        ({"learning_rate_ratio": 1.0}, "plain", "plain"),
    ],
)
def test_a_treated_program_trains_like_one_that_is_written_so(
    watched: Watched, written: dict[str, list[str]], tmp_path: Path, changes: Mapping[str, Any], program: str, like: str
) -> None:
    done = watched(PROGRAM, program, folder=tmp_path, DOCTOR_TREATMENT=json.dumps(changes))
    assert traces(done.stdout)[program] == written[like]
    events = [event for event in only_process(tmp_path).events if event.kind == "treated"]
    assert sorted(event.facts["change"] for event in events) == sorted(changes)


def test_a_bound_ends_the_program_and_changes_no_step_before_it(
    watched: Watched, written: dict[str, list[str]], tmp_path: Path
) -> None:
    program = PROGRAM.replace("losses.append(loss.item().hex())", "print(loss.item().hex(), flush=True)")
    done = watched(program, "plain", folder=tmp_path, DOCTOR_MAX_STEPS="7")
    assert done.returncode == 0
    assert done.stdout.split() == written["plain"][:6]
    process = only_process(tmp_path)
    assert process.series["loss"].steps.tolist() == list(range(1, 8))
    assert [event.facts["reason"] for event in process.events if event.kind == "stopped"]


def test_what_cannot_be_changed_from_outside_is_refused_in_the_record(watched: Watched, tmp_path: Path) -> None:
    done = watched(PROGRAM, "plain", folder=tmp_path, DOCTOR_TREATMENT='{"activation_checkpointing": true}')
    assert done.returncode == 0
    events = [event for event in only_process(tmp_path).events if event.kind.startswith("treat")]
    assert [(event.kind, event.facts["change"]) for event in events] == [
        ("treatment_refused", "activation_checkpointing")
    ]


CONFIG = {
    "train_micro_batch_size_per_gpu": 8,
    "gradient_accumulation_steps": 2,
    "optimizer": {"type": "AdamW", "params": {"lr": 0.1}},
    "scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": 0.1, "warmup_num_steps": 10}},
    "fp16": {"enabled": True, "loss_scale": 0},
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"max_grad_norm": 1.0}, {"gradient_clipping": 1.0}),
        ({"precision": "bf16"}, {"fp16": {"enabled": False, "loss_scale": 0}, "bf16": {"enabled": True}}),
        ({"loss_scale": 128.0}, {"fp16": {"enabled": True, "loss_scale": 128.0}}),
        ({"micro_batch_ratio": 0.25}, {"train_micro_batch_size_per_gpu": 2, "gradient_accumulation_steps": 8}),
        ({"zero_stage": 2}, {"zero_optimization": {"stage": 2}}),
        (
            {"learning_rate_ratio": 0.5},
            {
                "optimizer": {"type": "AdamW", "params": {"lr": 0.05}},
                "scheduler": {"type": "WarmupLR", "params": {"warmup_max_lr": 0.05, "warmup_num_steps": 10}},
            },
        ),
    ],
)
def test_a_configuration_is_changed_where_it_says_so_and_nowhere_else(
    changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    before = json.dumps(CONFIG)
    after, made = treated(CONFIG, changes)
    assert after == CONFIG | expected
    assert made == set(changes)
    assert json.dumps(CONFIG) == before


@pytest.mark.parametrize("changes", [{"zero_grad": True}, {"warmup_steps": 5}, {"dropout": 0.1}])
def test_what_a_configuration_has_no_place_for_is_left_to_others(changes: dict[str, Any]) -> None:
    assert treated(CONFIG, changes) == (CONFIG, set())
