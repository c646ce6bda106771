"""Recipes, configurations and results: what needs no training."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from doctor.errors import UsageError
from doctor.repair.treatments import KNOWN
from doctor.trainer.config import batch_sizes, completed, learning_rate, read_config
from doctor.trainer.failures import Refused
from doctor.trainer.order import Order
from doctor.trainer.rates import rate_ratio, warming
from doctor.trainer.recipe import Recipe
from doctor.trainer.result import Failure, Result, decoded, encoded
from doctor.trainer.treating import ALWAYS, TREATMENTS

FP16 = {"fp16": {"enabled": True}}


def test_every_known_treatment_is_applied_or_said_to_be_needless() -> None:
    assert set(TREATMENTS) | set(ALWAYS) == set(KNOWN)


@pytest.mark.parametrize("name", ["zero_grad", "sharper_pencil"])
def test_a_change_that_cannot_be_made_is_named(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Recipe().treated({name: True})


def test_treatments_change_the_configuration() -> None:
    recipe = Recipe(config={"optimizer": {"type": "AdamW", "params": {"lr": 0.5, "betas": [0.9, 0.99]}}} | FP16)
    changed = recipe.treated({"max_grad_norm": 1, "learning_rate_ratio": 0.1, "precision": "bf16", "zero_stage": 2})
    assert changed.config["gradient_clipping"] == 1.0
    assert learning_rate(changed) == 0.05
    assert changed.config["bf16"] == {"enabled": True}
    assert "fp16" not in changed.config
    assert changed.config["zero_optimization"] == {"stage": 2}
    assert recipe.config == {"optimizer": {"type": "AdamW", "params": {"lr": 0.5, "betas": [0.9, 0.99]}}} | FP16


def test_a_lower_rate_lowers_the_rates_of_the_scheduler() -> None:
    scheduler = {"type": "WarmupLR", "params": {"warmup_max_lr": 0.2, "warmup_num_steps": 5}}
    changed = Recipe(config={"scheduler": scheduler}).treated({"learning_rate_ratio": 0.5, "warmup_steps": 50})
    assert changed.config["scheduler"]["params"] == {"warmup_max_lr": 0.1, "warmup_num_steps": 50}
    assert scheduler["params"]["warmup_max_lr"] == 0.2


@pytest.mark.parametrize("ratio", [0.5, 0.25, 0.1, 2])
def test_a_smaller_micro_batch_makes_the_same_update(ratio: float) -> None:
    recipe = Recipe(config={"train_micro_batch_size_per_gpu": 24, "gradient_accumulation_steps": 2})
    micro, accumulation, rows = batch_sizes(recipe.treated({"micro_batch_ratio": ratio}))
    assert rows == micro * accumulation == 48
    assert micro == {0.5: 12, 0.25: 6, 0.1: 2, 2: 48}[ratio]


def test_an_optimizer_without_momentum_drops_what_it_does_not_understand() -> None:
    recipe = Recipe(config={"optimizer": {"type": "AdamW", "params": {"lr": 0.1, "betas": [0.9, 0.99]}}})
    assert recipe.treated({"optimizer": "SGD"}).config["optimizer"] == {"type": "SGD", "params": {"lr": 0.1}}


def test_a_loss_scale_is_for_fp16_alone() -> None:
    assert Recipe(config=FP16).treated({"loss_scale": 128}).config["fp16"] == {"enabled": True, "loss_scale": 128.0}
    with pytest.raises(ValueError, match="loss_scale: only fp16"):
        Recipe().treated({"loss_scale": "dynamic"})


@pytest.mark.parametrize(
    ("config", "world", "sizes"),
    [
        ({}, 1, (64, 1, 64)),
        ({}, 2, (32, 1, 64)),
        ({"train_batch_size": 48}, 2, (24, 1, 48)),
        ({"train_batch_size": "auto", "train_micro_batch_size_per_gpu": 8}, 2, (8, 1, 16)),
        ({"train_batch_size": 48, "train_micro_batch_size_per_gpu": 8}, 2, (8, 3, 48)),
        ({"train_batch_size": 48, "gradient_accumulation_steps": 4}, 1, (12, 4, 48)),
        ({"gradient_accumulation_steps": 4}, 1, (16, 4, 64)),
    ],
)
def test_batch_sizes_follow_from_those_given(config: dict[str, object], world: int, sizes: tuple[int, ...]) -> None:
    assert batch_sizes(Recipe(config=config), world) == sizes


@pytest.mark.parametrize(
    "config",
    [
        {"train_batch_size": 50, "train_micro_batch_size_per_gpu": 8},
        {"train_batch_size": 1, "train_micro_batch_size_per_gpu": 8},
        {"train_batch_size": 0},
        {"train_micro_batch_size_per_gpu": "8"},
    ],
)
def test_batch_sizes_that_do_not_fit_are_refused(config: dict[str, object]) -> None:
    with pytest.raises(Refused, match="train_"):
        batch_sizes(Recipe(config=config))


def test_auto_is_filled_in() -> None:
    config = {
        "optimizer": {"type": "AdamW", "params": {"lr": "auto", "betas": "auto"}},
        "scheduler": {"type": "WarmupDecayLR", "params": {"warmup_max_lr": "auto", "total_num_steps": "auto"}},
        "gradient_clipping": "auto",
        "zero_optimization": {"stage": 2, "reduce_bucket_size": "auto"},
        "bf16": {"enabled": "auto"},
    }
    made, _ = completed(Recipe(config=config, learning_rate=0.3, steps=7), 1, "cpu")
    assert made["optimizer"] == {"type": "AdamW", "params": {"lr": 0.3, "torch_adam": True}}
    assert made["scheduler"]["params"] == {"warmup_max_lr": 0.3, "total_num_steps": 7}
    assert made["gradient_clipping"] == 1.0
    assert made["zero_optimization"] == {"stage": 2}
    assert "auto" not in json.dumps(made)


def test_offloading_to_the_host_is_left_out_on_the_host_and_said() -> None:
    config = {"zero_optimization": {"stage": 3, "offload_optimizer": {"device": "cpu"}}}
    made, notes = completed(Recipe(config=config), 1, "cpu")
    assert made["zero_optimization"] == {"stage": 3}
    assert ["offload_optimizer" in note for note in notes] == [True]
    assert completed(Recipe(config=config), 1, "cuda")[0]["zero_optimization"] == config["zero_optimization"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"fp16": {"enabled": true},\n "zero": }', "line 2, column 10: Expecting value"),
        ('{"a": 1,\n "a": 2}', "'a' stands twice"),
        ("[]", "line 1, column 1"),
        ("", "line 1, column 1"),
    ],
)
def test_a_broken_configuration_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "ds.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_config(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_section_that_is_no_object_is_refused() -> None:
    with pytest.raises(Refused, match="optimizer: an object"):
        completed(Recipe(config={"optimizer": "AdamW"}), 1, "cpu")


def test_rates_rise_and_fall() -> None:
    cosine = Recipe(schedule="cosine", warmup_steps=10, steps=110)
    assert [round(warming(cosine, step), 2) for step in (0, 4, 9, 10, 50)] == [0.1, 0.5, 1, 1, 1]
    assert [round(rate_ratio(cosine, step), 3) for step in (0, 10, 60, 110)] == [1, 1, 0.5, 0]
    linear = Recipe(schedule="linear", steps=100)
    assert [rate_ratio(linear, step) for step in (0, 25, 100)] == [1, 0.75, 0]
    cycle = [rate_ratio(Recipe(schedule="onecycle", steps=100), step) for step in range(101)]
    assert (cycle[0], cycle[30]) == pytest.approx((1 / 25, 1))
    assert cycle[100] == pytest.approx(1 / 250_000)
    assert {rate_ratio(Recipe(), step) for step in (0, 50, 300)} == {1}


def test_each_epoch_goes_through_all_rows_once() -> None:
    order = Order(10, 4, seed=3)
    drawn = np.concatenate([order.of(step) for step in range(5)])
    assert sorted(drawn[:10]) == sorted(drawn[10:]) == list(range(10))
    assert list(drawn[:10]) != list(drawn[10:])
    again = Order(10, 4, seed=3)
    assert [list(again.of(step)) for step in (4, 0, 2)] == [list(order.of(step)) for step in (4, 0, 2)]
    assert list(Order(10, 4, seed=4).of(0)) != list(order.of(0))


def test_oversampling_draws_classes_equally_often() -> None:
    classes = np.array([0] * 90 + [1] * 10)
    drawn = np.concatenate([Order(100, 50, 0, classes).of(step) for step in range(100)])
    assert abs((classes[drawn] == 1).mean() - 0.5) < 0.05


def test_a_result_keeps_numbers_that_are_not_finite() -> None:
    result = Result(
        losses=[0.5, math.nan], grad_norms=[math.inf], failure=Failure(kind="killed", message="SIGKILL"), classes=["ä"]
    )
    text = encoded(result)
    json.loads(text, parse_constant=lambda name: pytest.fail(name))
    back = decoded(text)
    assert math.isnan(back.losses[1])
    assert back.grad_norms == [math.inf]
    assert (back.failure, back.classes) == (result.failure, result.classes)
