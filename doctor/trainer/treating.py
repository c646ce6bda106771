"""Applies changes of training, by the names of `doctor.repair.treatments`, to a recipe."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from doctor.trainer.config import ACCUMULATION, GLOBAL, MICRO, batch_sizes, learning_rate, precision, warms_up
from doctor.trainer.recipe import Recipe

Value = float | str | bool
ALWAYS = ("zero_grad", "evaluation_mode", "broadcast_parameters")
"""Changes for other people's programs."""
PATIENCE_EVALUATIONS = 5
EVALUATIONS = 20
"""Evaluations on the way where early stopping is asked for and the recipe evaluates at the end alone."""
RATES = ("warmup_max_lr", "warmup_min_lr", "cycle_max_lr", "cycle_min_lr", "lr_range_test_min_lr")
COMMON_PARAMETERS = ("lr", "weight_decay")
"""What all optimizers understand."""
STATEFUL = ("adam", "lamb", "lion")


def treated(recipe: Recipe, changes: Mapping[str, Value]) -> Recipe:
    """Return the recipe with all changes applied.

    Raises
    ------
    ValueError
        Naming the change that cannot be made.
    """
    for name, value in changes.items():
        if name in ALWAYS:
            raise ValueError(f"{name}: nothing to change, the reference trainer does so always")
        if name not in TREATMENTS:
            raise ValueError(f"there is no change of training called {name!r}; known are {', '.join(TREATMENTS)}")
        recipe = TREATMENTS[name](recipe, value)
    return recipe


def _config(recipe: Recipe, **values: Any) -> Recipe:
    return recipe.replaced(config={**recipe.config, **values})


def _max_grad_norm(recipe: Recipe, value: Value) -> Recipe:
    return _config(recipe, gradient_clipping=float(value))


def _learning_rate_ratio(recipe: Recipe, value: Value) -> Recipe:
    changed = recipe.replaced(learning_rate=learning_rate(recipe) * float(value))
    if "scheduler" not in recipe.config:
        return changed
    scheduler = copy.deepcopy(recipe.config["scheduler"])
    params = scheduler.get("params", {})
    for name in RATES:
        if isinstance(rate := params.get(name), int | float):
            params[name] = rate * float(value)
    return _config(changed, scheduler=scheduler)


def _warmup_steps(recipe: Recipe, value: Value) -> Recipe:
    changed = recipe.replaced(warmup_steps=int(value))
    scheduler = recipe.config.get("scheduler")
    if not scheduler or not warms_up(scheduler):
        return changed
    params = {**scheduler.get("params", {}), "warmup_num_steps": max(1, int(value))}
    return _config(changed, scheduler={**scheduler, "params": params})


def _precision(recipe: Recipe, value: Value) -> Recipe:
    if value not in ("fp32", "bf16", "fp16"):
        raise ValueError(f"precision: {value!r} is none of fp32, bf16, fp16")
    types = ("fp16", "bf16", "bfloat16", "torch_autocast", "amp")
    config = {name: section for name, section in recipe.config.items() if name not in types}
    if value != "fp32":
        config[str(value)] = {"enabled": True}
    return recipe.replaced(config=config)


def _loss_scale(recipe: Recipe, value: Value) -> Recipe:
    if precision(recipe.config) != "fp16":
        raise ValueError("loss_scale: only fp16 scales its loss, and the configuration does not train in fp16")
    section = {name: given for name, given in recipe.config["fp16"].items() if name != "loss_scale"}
    return _config(recipe, fp16={**section, "loss_scale": 0 if value == "dynamic" else float(value)})


def _micro_batch_ratio(recipe: Recipe, value: Value) -> Recipe:
    micro, accumulation, _ = batch_sizes(recipe)
    rows = micro * accumulation
    wanted = max(1.0, micro * float(value))
    # The rows of an update stay the same, so the micro-batch is one of their divisors.
    smaller = max(size for size in range(1, rows + 1) if rows % size == 0 and size <= wanted)
    config = {name: given for name, given in recipe.config.items() if name not in (MICRO, ACCUMULATION, GLOBAL)}
    return recipe.replaced(config=config, micro_batch=smaller, accumulation=rows // smaller)


def _optimizer(recipe: Recipe, value: Value) -> Recipe:
    given = recipe.config.get("optimizer", {})
    params = given.get("params", {})
    if not str(value).lower().startswith(STATEFUL) or not str(given.get("type", "AdamW")).lower().startswith(STATEFUL):
        params = {name: params[name] for name in COMMON_PARAMETERS if name in params}
    return _config(recipe, optimizer={"type": str(value), "params": dict(params)})


def _zero_stage(recipe: Recipe, value: Value) -> Recipe:
    return _config(recipe, zero_optimization={**recipe.config.get("zero_optimization", {}), "stage": int(value)})


def _early_stopping(recipe: Recipe, value: Value) -> Recipe:
    patience = PATIENCE_EVALUATIONS if value is True else int(value)
    every = recipe.evaluate_every or max(1, recipe.steps // EVALUATIONS)
    return recipe.replaced(early_stopping=patience, evaluate_every=every)


def _field(name: str, kind: Callable[[Any], Any]) -> Callable[[Recipe, Value], Recipe]:
    return lambda recipe, value: recipe.replaced(**{name: kind(value)})


TREATMENTS: dict[str, Callable[[Recipe, Value], Recipe]] = {
    "max_grad_norm": _max_grad_norm,
    "learning_rate_ratio": _learning_rate_ratio,
    "warmup_steps": _warmup_steps,
    "precision": _precision,
    "loss_scale": _loss_scale,
    "norm_in_fp32": _field("norm_in_fp32", bool),
    "micro_batch_ratio": _micro_batch_ratio,
    "activation_checkpointing": _field("activation_checkpointing", bool),
    "optimizer": _optimizer,
    "zero_stage": _zero_stage,
    "weight_decay": _field("weight_decay", float),
    "dropout": _field("dropout", float),
    "early_stopping": _early_stopping,
}
