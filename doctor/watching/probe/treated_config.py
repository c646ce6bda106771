"""Treatments of a DeepSpeed configuration: of its JSON, or of what the program hands to `deepspeed.initialize`."""

from __future__ import annotations

import copy
import functools
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .treatment import Log

CONFIGURED = frozenset(
    (
        "max_grad_norm",
        "learning_rate_ratio",
        "warmup_steps",
        "weight_decay",
        "precision",
        "loss_scale",
        "zero_stage",
        "micro_batch_ratio",
        "optimizer",
    )
)
"""The changes that a configuration can express, some of them only where it has what they act on."""
BY_HOOKS = frozenset(("learning_rate_ratio", "warmup_steps", "weight_decay"))
"""Those that `treated_updates` makes at each step of an engine as well."""
RATES = ("warmup_min_lr", "warmup_max_lr", "cycle_min_lr", "cycle_max_lr", "lr_range_test_min_lr")


def treated(config: Mapping[str, Any], changes: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """Return a configuration with changes made to it, and the names of those that could be made.

    Parameters
    ----------
    config : mapping
        As DeepSpeed reads it; left as it is.
    changes : mapping
        Values by the names of `doctor.repair.treatments.KNOWN`.
    """
    after: dict[str, Any] = copy.deepcopy(dict(config))
    made = {name for name, value in changes.items() if name in CONFIGURED and _change(after, name, value)}
    return after, made


def _change(config: dict[str, Any], name: str, value: Any) -> bool:
    """Make one change in place; whether the configuration has a place for it."""
    if name == "max_grad_norm":
        config["gradient_clipping"] = float(value)
    elif name == "zero_stage":
        config.setdefault("zero_optimization", {})["stage"] = int(value)
    elif name == "precision":
        for kind in ("fp16", "bf16"):
            if kind in config or value == kind:
                config[kind] = {**config.get(kind, {}), "enabled": value == kind}
    elif name == "loss_scale":
        if not config.get("fp16", {}).get("enabled"):
            return False
        config["fp16"]["loss_scale"] = 0 if value == "dynamic" else float(value)
    elif name == "micro_batch_ratio":
        return _change_batch(config, float(value))
    else:
        return _change_optimizer(config, name, value)
    return True


def _change_batch(config: dict[str, Any], ratio: float) -> bool:
    micro = config.get("train_micro_batch_size_per_gpu")
    if not isinstance(micro, int):
        return False
    smaller = max(1, round(micro * ratio))
    accumulation = config.get("gradient_accumulation_steps", 1)
    config["train_micro_batch_size_per_gpu"] = smaller
    config["gradient_accumulation_steps"] = max(1, round(accumulation * micro / smaller))
    return True


def _change_optimizer(config: dict[str, Any], name: str, value: Any) -> bool:
    optimizer = config.get("optimizer")
    if not isinstance(optimizer, dict):
        return False
    parameters = optimizer.setdefault("params", {})
    if name == "optimizer":
        optimizer["type"] = value
    elif name == "weight_decay":
        parameters["weight_decay"] = float(value)
    elif name == "learning_rate_ratio":
        if not isinstance(parameters.get("lr"), (int, float)):
            return False
        parameters["lr"] *= float(value)
        schedule = config.get("scheduler", {}).get("params", {})
        schedule.update({key: schedule[key] * float(value) for key in RATES if key in schedule})
    elif name == "warmup_steps":
        if not isinstance(parameters.get("lr"), (int, float)) or "scheduler" in config:
            return False
        schedule = {"warmup_min_lr": 0.0, "warmup_max_lr": parameters["lr"], "warmup_num_steps": int(value)}
        config["scheduler"] = {"type": "WarmupLR", "params": {**schedule, "warmup_type": "linear"}}
    return True


def treat_engine(changes: Mapping[str, Any], log: Log) -> None:
    """Have `deepspeed.initialize` read a changed configuration, unless the changes are made at every step."""
    import deepspeed

    changes = {name: value for name, value in changes.items() if name in CONFIGURED - BY_HOOKS}
    original = deepspeed.initialize

    @functools.wraps(original)
    def initialize(args: Any = None, *rest: Any, **named: Any) -> Any:
        given = named.get("config", named.get("config_params"))
        if given is None:
            given = getattr(args, "deepspeed_config", None)
        config = _read(given)
        if config is None:
            for name in changes:
                log.refused(name, "the configuration given to DeepSpeed cannot be read")
            return original(args, *rest, **named)
        after, made = treated(config, changes)
        for name in sorted(made):
            log.done(name)
        named.pop("config_params", None)
        return original(args, *rest, **{**named, "config": after})

    if changes:
        deepspeed.initialize = initialize


def _read(given: Any) -> dict[str, Any] | None:
    if isinstance(given, Mapping):
        return dict(given)
    if isinstance(given, (str, os.PathLike)) and os.path.isfile(given):
        with open(given, encoding="utf-8") as file:
            known = json.load(file)
        return known if isinstance(known, dict) else None
    return None
