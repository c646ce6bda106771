"""Hears of loss functions: the loss without gradients is the evaluation's, and logits with targets tell accuracy."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from .entry import around, entry
from .loading import Loading
from .models import Models
from .session import Listener
from .steps import Steps

if TYPE_CHECKING:
    from .session import Session

CLASSIFIED = ("cross_entropy", "nll_loss")
BINARY = ("binary_cross_entropy_with_logits", "binary_cross_entropy")
REGRESSED = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
OTHERS = ("kl_div", "poisson_nll_loss", "gaussian_nll_loss", "ctc_loss", "triplet_margin_loss", "cosine_embedding_loss")
MAX_CELLS = 262_144
"""Of logits, from which accuracy is told; of larger ones evenly spread rows are looked at."""
ACCURACY_UNTIL = 64
"""Steps at which it is always told; later at one in `ACCURACY_EVERY`, for reading all logits again takes its time."""
ACCURACY_EVERY = 4
SETTLED = (1, 32, 256)
"""Criterion calls with gradients after which the targets seen so far are summed up in an event."""
MAX_CLASSES = 100_000


class _Mean:
    """A mean weighted by rows."""

    def __init__(self) -> None:
        self.total = 0.0
        self.rows = 0.0

    def add(self, value: float, rows: float) -> None:
        self.total += value * rows
        self.rows += rows

    def __call__(self) -> float:
        return self.total / self.rows


class _Targets:
    """What the targets looked like so far: the loss of a model that knows nothing else follows from it."""

    def __init__(self) -> None:
        self.calls = 0
        self.counts: torch.Tensor | None = None
        self.seen = 0
        self.sum = 0.0
        self.squares = 0.0


class Criteria(Listener):
    """Takes losses and accuracies where a known loss function is called.

    Only the function that was called first with gradients is followed, so that training and evaluation compare.
    """

    def __init__(self, session: Session, steps: Steps, models: Models, loading: Loading) -> None:
        self.session, self.steps, self.models, self.loading = session, steps, models, loading
        self.primary: str | None = None
        self._targets = _Targets()
        self._means: dict[str, _Mean] = {}

    def install(self) -> None:
        """Wrap the functions that every loss module calls."""
        for name in CLASSIFIED + BINARY + REGRESSED + OTHERS:
            around(functional, name, None, functools.partial(self.computed, name))
        self.session.listeners.append(self)

    @entry
    def computed(
        self, name: str, token: Any, result: Any, input: Any = None, target: Any = None, *args: Any, **kwargs: Any
    ) -> None:
        if type(result) is not torch.Tensor or not isinstance(input, torch.Tensor) or _transformed():
            return
        target = kwargs.get("target", target)
        if torch.is_grad_enabled() and result.requires_grad:
            if self.primary is None and (name != "nll_loss" or input.dim() > 1):
                self.primary = name
            if name == self.primary:
                self._trained(name, result, input, target, kwargs)
        elif name == self.primary and self._evaluates(result):
            self._evaluated(name, result, input, target, kwargs)

    def _evaluates(self, result: torch.Tensor) -> bool:
        """Whether a loss without a graph is an evaluation; where only its inputs have none, the mode says so."""
        return not torch.is_grad_enabled() or (not result.requires_grad and self.models.evaluating())

    def _trained(self, name: str, result: Any, logits: Any, target: Any, options: dict[str, Any]) -> None:
        self._look_at_targets(name, logits, target, options)
        self._add("criterion_loss", result, logits)
        step = self.session.step
        if self.session.governor.samples(step, 1 if step <= ACCURACY_UNTIL else ACCURACY_EVERY):
            self._add_accuracy("accuracy", name, logits, target, options)

    def _evaluated(self, name: str, result: Any, logits: Any, target: Any, options: dict[str, Any]) -> None:
        if self.session.phase in ("forward", "data"):
            self.session.enter("evaluation")
        if self.steps.facts.backwards == 0:
            self.loading.evaluated()
        if "evaluation_loss" not in self._means:
            share = self.models.training_share()
            if share is not None:
                self._mean("evaluation_training_mode").add(share, 1)
        self._add("evaluation_loss", result, logits)
        self._add_accuracy("evaluation_accuracy", name, logits, target, options)

    def _mean(self, name: str) -> _Mean:
        return self._means.setdefault(name, _Mean())

    def _add(self, field: str, result: torch.Tensor, logits: torch.Tensor) -> None:
        mean, rows = self._mean(field), logits.shape[0] if logits.dim() else 1
        value = result.detach() if result.numel() == 1 else result.detach().mean()
        self.steps.deferred.fetch([value], lambda values: mean.add(values[0], rows))

    def _add_accuracy(self, field: str, name: str, logits: Any, target: Any, options: dict[str, Any]) -> None:
        if not isinstance(target, torch.Tensor):
            return
        with torch.no_grad():
            pair = right_and_rows(name, logits.detach(), target, options.get("ignore_index", -100))
            if pair is None:
                return
            mean = self._mean(field)
            self.steps.deferred.fetch(
                list(pair), lambda values: mean.add(values[0] / values[1], values[1]) if values[1] else None
            )

    def step_ending(self, track: int, values: dict[str, float]) -> None:
        """Put the means into the record; those of the evaluation belong to the step before it."""
        for name in ("criterion_loss", "accuracy"):
            mean = self._means.pop(name, None)
            if mean is not None and mean.rows:
                values[name] = mean()
        self.flush()

    def exiting(self) -> None:
        """Record what came after the last step."""
        self.flush()

    def flush(self) -> None:
        """Record the evaluation since the last step, of whose weights it tells."""
        facts = {name: mean() for name, mean in self._means.items() if name.startswith("evaluation") and mean.rows}
        for name in facts:
            del self._means[name]
        if facts and self.steps.last:
            self.session.record(facts, self.steps.last)

    def _look_at_targets(self, name: str, logits: Any, target: Any, options: dict[str, Any]) -> None:
        seen = self._targets
        if seen.calls >= SETTLED[-1] or not isinstance(target, torch.Tensor):
            return
        seen.calls += 1
        classes = logits.shape[1 if logits.dim() > 1 else 0] if name in CLASSIFIED else None
        if target.device.type == "cpu" and type(target) is torch.Tensor:
            with torch.no_grad():
                self._count(name, classes, target, options.get("ignore_index", -100))
        if seen.calls in SETTLED:
            self.session.event(
                "criterion",
                name=name,
                classes=classes if name in CLASSIFIED else (2 if name in BINARY else None),
                uniform_loss=_uniform(name, classes),
                prior_loss=self._prior(name),
                targets=seen.seen,
                reduction=str(options.get("reduction", "mean")),
                label_smoothing=float(options.get("label_smoothing", 0.0) or 0.0),
                weighted=options.get("weight") is not None or options.get("pos_weight") is not None,
                ignore_index=options.get("ignore_index", -100) if name in CLASSIFIED else None,
                ndim=logits.dim(),
            )

    def _count(self, name: str, classes: int | None, target: torch.Tensor, ignored: int) -> None:
        seen = self._targets
        if name in CLASSIFIED:
            if target.is_floating_point() or classes is None or classes > MAX_CLASSES:
                return
            chosen = target.reshape(-1)
            chosen = chosen[(chosen >= 0) & (chosen < classes) & (chosen != ignored)]
            counts = torch.bincount(chosen, minlength=classes)
            seen.counts = counts if seen.counts is None or len(seen.counts) != classes else seen.counts + counts
            seen.seen = int(seen.counts.sum())
        elif target.numel() and (target.is_floating_point() or target.dtype == torch.bool):
            wide = target.detach().reshape(-1)[:65536].double()
            seen.seen += wide.numel()
            seen.sum += float(wide.sum())
            seen.squares += float((wide * wide).sum())

    def _prior(self, name: str) -> float | None:
        seen = self._targets
        if not seen.seen:
            return None
        if name in CLASSIFIED and seen.counts is not None:
            shares = seen.counts[seen.counts > 0].double() / seen.seen
            return float(-(shares * shares.log()).sum())
        mean = seen.sum / seen.seen
        if name in BINARY:
            return 0.0 if not 0 < mean < 1 else -mean * math.log(mean) - (1 - mean) * math.log(1 - mean)
        return max(0.0, seen.squares / seen.seen - mean * mean) if name == "mse_loss" else None


def right_and_rows(name: str, logits: Any, target: Any, ignored: int) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return how many predictions are right and how many count; None where that makes no sense."""
    if name in CLASSIFIED:
        if target.is_floating_point() or logits.dim() != target.dim() + 1 or logits.dim() < 2:
            return None
        every = min(logits.shape[0], math.ceil(logits.numel() / MAX_CELLS))
        if every > 1:
            logits, target = logits[::every], target[::every]
        counted = target != ignored
        return ((logits.argmax(1) == target) & counted).sum(), counted.sum()
    if name in BINARY and logits.numel() == logits.shape[0] and target.numel() == logits.numel():
        bound = 0.0 if name == BINARY[0] else 0.5
        right = ((logits.reshape(-1) > bound) == (target.reshape(-1) > 0.5)).sum()
        return right, torch.full_like(right, logits.numel())
    return None


def _uniform(name: str, classes: int | None) -> float | None:
    if name in CLASSIFIED and classes:
        return math.log(classes)
    return math.log(2) if name in BINARY else None


def _transformed() -> bool:
    """Whether a torch.func transform runs, in which tensors have no values."""
    functorch = getattr(torch._C, "_functorch", None)
    return functorch is not None and functorch.peek_interpreter_stack() is not None
