"""The user's DeepSpeed configuration: read with the place of any fault, and completed where it says "auto" or nothing.

What is not known here is passed on; DeepSpeed itself judges it.
"""

import copy
import json
from pathlib import Path
from typing import Any

from doctor.errors import UsageError
from doctor.trainer.failures import Refused
from doctor.trainer.recipe import DEFAULT_BATCH_ROWS, DEFAULT_LEARNING_RATE, Recipe

AUTO = "auto"
MICRO, ACCUMULATION, GLOBAL = "train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "train_batch_size"
DEFAULT_CLIPPING = 1.0
"""What "auto" means for gradient clipping, as in the Hugging Face Trainer."""
TORCH_ADAM = ("adam", "adamw")
EIGHT_BIT = ("adam8bit", "adamw8bit")
SECTIONS = ("optimizer", "scheduler", "fp16", "bf16", "bfloat16", "zero_optimization", "torch_autocast")
NEVER = 10**9


def read_config(path: Path) -> dict[str, Any]:
    """Read a DeepSpeed configuration.

    Raises
    ------
    UsageError
        Naming file, line and column.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    try:
        config = json.loads(text, object_pairs_hook=_without_repeats)
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}, line {error.lineno}, column {error.colno}: {error.msg}") from error
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from error
    if not isinstance(config, dict):
        raise UsageError(f"{path}, line 1, column 1: a DeepSpeed configuration is an object, in braces")
    return config


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if repeated := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{repeated!r} stands twice in one object")
    return dict(pairs)


def completed(recipe: Recipe, world: int, device: str) -> tuple[dict[str, Any], list[str]]:
    """Return the configuration for DeepSpeed, and what was done to it otherwise than written.

    Parameters
    ----------
    recipe : Recipe
        With the user's configuration.
    world : int
        Ranks.
    device : str
        Such as cpu or cuda.

    Raises
    ------
    Refused
        For batch sizes that do not fit together.
    """
    for name in SECTIONS:
        if not isinstance(recipe.config.get(name, {}), dict):
            raise Refused(f"{name}: an object is needed here, in braces, not {recipe.config[name]!r}")
    config = copy.deepcopy(recipe.config)
    notes: list[str] = []
    config[MICRO], config[ACCUMULATION], config[GLOBAL] = batch_sizes(recipe, world)
    if config.get("gradient_clipping") == AUTO:
        config["gradient_clipping"] = DEFAULT_CLIPPING
    config["optimizer"] = _optimizer(recipe, device)
    if "scheduler" in config:
        config["scheduler"] = _scheduler(recipe)
    config = _without_auto(config)
    config.setdefault("steps_per_print", NEVER)
    config.setdefault("zero_allow_untested_optimizer", True)
    if device == "cpu":
        notes += _without_offload(config)
    return config, notes


def batch_sizes(recipe: Recipe, world: int = 1) -> tuple[int, int, int]:
    """Return micro-batch, accumulation and rows of one update, which is the product of both and of the ranks.

    Raises
    ------
    Refused
        When there are no such whole numbers.
    """
    given = {name: _count(recipe.config, name) for name in (MICRO, ACCUMULATION, GLOBAL)}
    micro = recipe.micro_batch or given[MICRO]
    accumulation = recipe.accumulation or given[ACCUMULATION]
    rows = None if recipe.micro_batch and recipe.accumulation else given[GLOBAL]
    if rows is None and micro is None:
        accumulation = accumulation or 1
        micro = max(1, DEFAULT_BATCH_ROWS // (world * accumulation))
        return micro, accumulation, micro * accumulation * world
    if micro is None:
        accumulation = accumulation or 1
        micro = (rows or 0) // (accumulation * world)
    elif accumulation is None:
        accumulation = rows // (micro * world) if rows else 1
    product = micro * accumulation * world
    if product == 0 or rows not in (None, product):
        raise Refused(
            f"{GLOBAL} {rows} is not {MICRO} {micro or 1} × {ACCUMULATION} {accumulation or 1} × {world} ranks"
        )
    return micro, accumulation, product


def _count(config: dict[str, Any], name: str) -> int | None:
    value = config.get(name)
    if value in (None, AUTO):
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Refused(f"{name}: {value!r} is no number of rows or steps from 1 on, nor {AUTO!r}")
    return value


def learning_rate(recipe: Recipe) -> float:
    """Return the rate after warm-up."""
    given = recipe.config.get("optimizer", {}).get("params", {}).get("lr", AUTO)
    if recipe.learning_rate is not None:
        return recipe.learning_rate
    return DEFAULT_LEARNING_RATE if given == AUTO else float(given)


def precision(config: dict[str, Any]) -> str:
    """Return fp16, bf16 or fp32: the type of the weights in a configuration."""
    for name, sections in (("fp16", ("fp16",)), ("bf16", ("bf16", "bfloat16"))):
        if any(config.get(section, {}).get("enabled") is True for section in sections):
            return name
    return "fp32"


def warms_up(scheduler: dict[str, Any]) -> bool:
    """Whether a scheduler of DeepSpeed's has a warm-up of its own."""
    return str(scheduler.get("type", "")).startswith("Warmup")


def _optimizer(recipe: Recipe, device: str) -> dict[str, Any]:
    given = copy.deepcopy(recipe.config.get("optimizer", {}))
    kind, params = given.get("type", "AdamW"), given.get("params", {})
    params["lr"] = learning_rate(recipe)
    if recipe.weight_decay is not None:
        params["weight_decay"] = recipe.weight_decay
    if device == "cpu" and kind.lower() in TORCH_ADAM:
        params["torch_adam"] = True  # else DeepSpeed compiles its own for minutes
    return {**given, "type": kind, "params": params}


def _scheduler(recipe: Recipe) -> dict[str, Any]:
    scheduler: dict[str, Any] = copy.deepcopy(recipe.config["scheduler"])
    meant = {
        "warmup_max_lr": learning_rate(recipe),
        "warmup_num_steps": max(1, recipe.warmup_steps),
        "total_num_steps": recipe.steps,
    }
    params = scheduler.get("params", {})
    scheduler["params"] = {name: meant.get(name, AUTO) if value == AUTO else value for name, value in params.items()}
    return scheduler


def _without_auto(value: Any) -> Any:
    """Leave out what is "auto" still: DeepSpeed has defaults."""
    if isinstance(value, dict):
        return {name: _without_auto(inner) for name, inner in value.items() if inner != AUTO}
    return value


def _without_offload(config: dict[str, Any]) -> list[str]:
    zero = config.get("zero_optimization", {})
    named = [name for name in ("offload_optimizer", "offload_param", "cpu_offload") if zero.pop(name, None)]
    return [f"{name} left out: without a GPU all is in the memory of the host already" for name in named]
