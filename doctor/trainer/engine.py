"""Builds the DeepSpeed engine, and reads the facts of an update off it."""

import math
import warnings
from typing import Any

import torch
from msgspec import Struct
from torch import nn

from doctor.trainer.config import EIGHT_BIT, completed, precision
from doctor.trainer.failures import OUT_OF_MEMORY, Refused, one_line
from doctor.trainer.ranks import Ranks, quiet_deepspeed
from doctor.trainer.recipe import Recipe

MASKED_NORM = -1.0
"""What older releases report for a norm that is not finite."""


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one update."""

    loss: float
    learning_rate: float
    grad_norm: float
    loss_scale: float
    skipped: bool


def build_engine(model: nn.Module, recipe: Recipe, ranks: Ranks) -> tuple[Any, list[str]]:
    """Return the engine, and what was done otherwise than the configuration says.

    Raises
    ------
    Refused
        With DeepSpeed's complaint about the configuration.
    """
    deepspeed = quiet_deepspeed()
    config, notes = completed(recipe, ranks.world, torch.device(ranks.device).type)
    if ranks.device == "cpu" and precision(config) == "fp16":
        # It is refused on a CPU for being slow; it runs all the same, and overflows as on a GPU.
        deepspeed.get_accelerator().is_fp16_supported = lambda: True
        notes.append("fp16 on a CPU: DeepSpeed's refusal was overridden, as the configuration asks for it")
    optimizer = _eight_bit_adam(config, model, ranks) if _kind(config).lower() in EIGHT_BIT else None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            engine, *_ = deepspeed.initialize(
                model=model, optimizer=optimizer, model_parameters=list(model.parameters()), config=config
            )
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:  # it calls sys.exit too
        if OUT_OF_MEMORY.search(f"{type(error).__name__} {error}"):
            raise
        raise Refused(f"DeepSpeed refuses the configuration: {one_line(error)}") from error
    forget_trial_step(engine)
    return engine, notes


def _kind(config: dict[str, Any]) -> str:
    return str(config["optimizer"]["type"])


def _eight_bit_adam(config: dict[str, Any], model: nn.Module, ranks: Ranks) -> torch.optim.Optimizer:
    if ranks.device == "cpu":
        raise Refused(f"optimizer {_kind(config)}: 8-bit states need a GPU; AdamW and SGD train here")
    try:
        import bitsandbytes
    except ImportError as error:
        raise Refused(f"optimizer {_kind(config)} needs: pip install bitsandbytes") from error
    kind = bitsandbytes.optim.AdamW8bit if _kind(config).lower() == "adamw8bit" else bitsandbytes.optim.Adam8bit
    optimizer: torch.optim.Optimizer = kind(model.parameters(), **config.pop("optimizer")["params"])
    return optimizer


def with_scaling(engine: Any, loss: torch.Tensor) -> torch.Tensor:
    """Return the loss such that its gradients come out scaled, as the optimizer expects them.

    At stage 0 in fp16, DeepSpeed 0.19 divides the gradients by the scale but does not multiply the loss by it.
    """
    if not engine.fp16_enabled() or engine.zero_optimization_stage() > 0:
        return loss
    scale, parts = loss_scale(engine), engine.gradient_accumulation_steps()
    # The gradient of the loss itself is what was made of it: 1 / parts where nobody has scaled it yet.
    loss.register_hook(lambda given: given * scale if float(given) * parts < 1 + scale / 2 else given)
    return loss


def grad_norm_before_step(engine: Any) -> float | None:
    """Return the norm of the gradients at stage 0, where DeepSpeed states none, or one that is scaled."""
    if engine.zero_optimization_stage() > 0:
        return None
    gradients = [weight.grad for weight in engine.module.parameters() if weight.grad is not None]
    norms = torch._foreach_norm(gradients, dtype=torch.float32)
    return float(torch.linalg.vector_norm(torch.stack(norms))) / loss_scale(engine)


def forget_trial_step(engine: Any) -> None:
    """Set back the count of updates: at stage 0 in half precision DeepSpeed makes one of zeros to allocate states.

    It would make Adam's first updates smaller, by the bias correction of a second one.
    """
    if engine.zero_optimization_stage() > 0:
        return
    for state in getattr(engine.optimizer, "optimizer", engine.optimizer).state.values():
        if isinstance(count := state.get("step"), torch.Tensor):
            count.zero_()
        elif count is not None:
            state["step"] = 0


def facts_after_step(engine: Any, loss: float, rate: float, scale: float, norm: float | None) -> Facts:
    """Return the facts of the update that was just made or skipped."""
    known = norm if norm is not None else engine.get_global_grad_norm()
    value = math.nan if known is None else float(known)
    overflow = bool(getattr(engine.optimizer, "overflow", False)) or not engine.was_step_applied()
    return Facts(
        loss=loss,
        learning_rate=rate,
        grad_norm=math.inf if value == MASKED_NORM else value,
        loss_scale=scale,
        skipped=overflow,
    )


def loss_scale(engine: Any) -> float:
    """Return the scale of the next loss; 1 without scaling."""
    scaler = getattr(engine, "torch_autocast_z0_gradscaler", None)
    return float(scaler.get_scale() if scaler is not None else getattr(engine.optimizer, "loss_scale", 1.0))
