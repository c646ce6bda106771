"""Hears the metrics that trainers and trackers report: what was evaluated, and what the user was shown.

Hugging Face's Trainer, Lightning, TensorBoard's writer and Weights & Biases, each when it is imported.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .arrival import when_imported
from .guard import guarded
from .metric_names import canonical

if TYPE_CHECKING:
    from .session import Session

MEASURED_OUTSIDE = ("evaluation_loss", "evaluation_accuracy", "accuracy")
"""Quantities that the probe takes over; the others it measures itself, more exactly."""


def install(session: Session) -> None:
    """Wait for the frameworks."""

    @guarded
    def hear(metrics: Mapping[str, Any], reported: bool = False) -> None:
        _hear(session, metrics, reported)

    def logged(handler: Any, arguments: Any, state: Any, control: Any, logs: Any) -> None:
        hear(logs, reported=True)

    def written(writer: Any, tag: Any, value: Any, *rest: Any, **options: Any) -> None:
        hear({tag: value})

    def sent(run: Any, data: Any, *rest: Any, **options: Any) -> None:
        hear(data)

    def evaluated(loop: Any) -> None:
        if not getattr(loop.trainer, "sanity_checking", False):
            hear(dict(loop.trainer.callback_metrics))

    _listen("transformers.trainer_callback", "CallbackHandler", "on_log", before=logged)
    _listen("torch.utils.tensorboard.writer", "SummaryWriter", "add_scalar", before=written)
    _listen("wandb.sdk.wandb_run", "Run", "log", before=sent)
    for package in ("lightning.pytorch", "pytorch_lightning"):
        _listen(package + ".loops.evaluation_loop", "_EvaluationLoop", "run", after=evaluated)


def _hear(session: Session, metrics: Mapping[str, Any], reported: bool) -> None:
    """Add reported metrics to the step that ended last; `reported` says that the user is shown the loss."""
    if not session.active or session.step < 2:
        return
    values = {}
    for key, given in metrics.items():
        name = canonical(str(key))
        if name == "loss" and reported and "train_runtime" not in metrics:
            name = "reported_loss"
        elif name not in MEASURED_OUTSIDE:
            continue
        value = float(given)
        values[name] = value / 100 if "accuracy" in name and 1 < value <= 100 else value
    if values:
        session.record(values, session.step - 1)


def _listen(
    module: str,
    owner: str,
    method: str,
    before: Callable[..., None] | None = None,
    after: Callable[[Any], None] | None = None,
) -> None:
    """Once `module` is imported, have `before` called with the arguments of a method, `after` with its object."""

    def wrap() -> None:
        kind = getattr(sys.modules[module], owner)
        original = getattr(kind, method)
        first, then = guarded(before) if before else None, guarded(after) if after else None

        @functools.wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if first is not None:
                first(*args, **kwargs)
            result = original(*args, **kwargs)
            if then is not None:
                then(args[0])
            return result

        setattr(kind, method, wrapped)

    when_imported(module, wrap)
