"""Reads from a DeepSpeed configuration what memory depends on; `auto` and what is not there stays unknown."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doctor.errors import UsageError
from doctor.estimate.training import optimizer_named

MAX_BYTES = 10_000_000
_KEYS = frozenset(
    {"zero_optimization", "train_micro_batch_size_per_gpu", "train_batch_size", "gradient_accumulation_steps"}
)


def is_deepspeed(content: Any) -> bool:
    """Whether a JSON document is a DeepSpeed configuration."""
    return isinstance(content, dict) and bool(_KEYS & content.keys())


def read_deepspeed(path: Path) -> dict[str, Any]:
    """Read a DeepSpeed configuration.

    Raises
    ------
    UsageError
        When it is none.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES // 1_000_000} MB, too large for a configuration")
        content = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise UsageError(f"{path}:{error.lineno}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid JSON: {error or 'nested too deeply'}") from error
    if not is_deepspeed(content):
        raise UsageError(f"{path}: not a DeepSpeed configuration: none of {', '.join(sorted(_KEYS))}")
    return dict(content)


def from_deepspeed(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of `Training` that a configuration decides.

    The number of ranks is among them where the batch is given in all three ways.
    """
    zero = _table(config.get("zero_optimization"))
    stage = _count(zero.get("stage"), least=0) or 0
    micro = _count(config.get("train_micro_batch_size_per_gpu"))
    accumulation = _count(config.get("gradient_accumulation_steps"))
    found = {
        "zero_stage": stage if stage <= 3 else None,
        "micro_batch": micro,
        "accumulation": accumulation,
        "ranks": _ranks(_count(config.get("train_batch_size")), micro, accumulation),
        "precision": _precision(config),
        "offload": _offload(zero, stage),
        "optimizer": _optimizer(config),
        "bucket": _count(zero.get("reduce_bucket_size")),
        "live": _count(zero.get("stage3_max_live_parameters"), least=0),
        "sub_group": _count(zero.get("sub_group_size")),
        "overlap": zero.get("overlap_comm") if isinstance(zero.get("overlap_comm"), bool) else None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _table(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any, *, least: int = 1) -> int | None:
    whole = isinstance(value, int | float) and not isinstance(value, bool) and value == value // 1
    return int(value) if whole and least <= value < 1e18 else None


def _ranks(batch: int | None, micro: int | None, accumulation: int | None) -> int | None:
    if batch is None or micro is None or accumulation is None or batch % (micro * accumulation):
        return None
    return batch // (micro * accumulation)


def _precision(config: Mapping[str, Any]) -> str | None:
    """Return the precision; None where a trainer decides it."""
    asked = {name: _table(config.get(name)).get("enabled") for name in ("bf16", "bfloat16", "fp16")}
    if _table(config.get("torch_autocast")).get("enabled") is True:
        return "autocast"
    if asked["bf16"] is True or asked["bfloat16"] is True:
        return "bf16"
    if asked["fp16"] is True:
        return "fp16"
    return None if "auto" in asked.values() else "fp32"


def _offload(zero: Mapping[str, Any], stage: int) -> str:
    def to_host(name: str) -> bool:
        return _table(zero.get(name)).get("device") in ("cpu", "nvme")

    optimizer = stage >= 1 and (to_host("offload_optimizer") or zero.get("cpu_offload") is True)
    if stage == 3 and to_host("offload_param"):
        return "optimizer+parameters"
    return "optimizer" if optimizer else "none"


def _optimizer(config: Mapping[str, Any]) -> str | None:
    name = _table(config.get("optimizer")).get("type")
    if not isinstance(name, str):
        return None
    try:
        return optimizer_named(name)
    except UsageError:
        return None
