"""Norms of gradients, before clipping, per tensor and in all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from .entry import around, entry
from .layers import LayerRing
from .steps import Steps

if TYPE_CHECKING:
    from .models import Models
    from .session import Session

HALF = (torch.float16, torch.bfloat16)


class Gradients:
    """The gradients of the step in progress.

    Norms are taken once per step: where they are clipped, before that, else when the optimizer begins.
    """

    def __init__(self, session: Session, steps: Steps, models: Models) -> None:
        self.session, self.steps, self.models = session, steps, models
        self.norms: dict[int, torch.Tensor] = {}
        """By parameter's id."""
        self._borrowed: list[tuple[Any, str, Any]] = []
        """What was replaced for the time of a clipping."""
        self.ring = LayerRing(session, models.names, "gradients")

    def install(self) -> None:
        """Hear of clipping; before user code can import the names."""
        for owner in (torch.nn.utils, torch.nn.utils.clip_grad):
            around(owner, "clip_grad_norm_", self.before_clip, self.after_clip)
            around(owner, "clip_grad_value_", self.before_clip_value, None)

    @entry
    def before_clip(self, parameters: Any, max_norm: Any = None, *args: Any, **kwargs: Any) -> None:
        if isinstance(parameters, torch.Tensor):
            parameters = [parameters]
        # An iterator is used up by looking at it.
        known = parameters if isinstance(parameters, (list, tuple)) else self.models.parameters()
        gradients = {id(one.grad): id(one) for one in known if one.grad is not None}
        norm_type = kwargs.get("norm_type", args[0] if args else 2.0)
        if norm_type == 2.0 and not any(one.grad is not None and one.grad.dtype in HALF for one in known):
            self._overhear(gradients)
        else:
            self.take(known)
        if max_norm is not None and not isinstance(max_norm, torch.Tensor):
            self.steps.facts.values["max_norm"] = float(max_norm)

    def _overhear(self, gradients: dict[int, int]) -> None:
        """Take the norms that the clipping itself computes, tensor by tensor: they cost nothing.

        Parameters
        ----------
        gradients : dict of int to int
            The parameter's id by its gradient's.
        """

        def one(original: Any) -> Any:
            def vector_norm(tensor: Any, *args: Any, **kwargs: Any) -> Any:
                norm = original(tensor, *args, **kwargs)
                if id(tensor) in gradients:
                    self.norms[gradients[id(tensor)]] = norm
                return norm

            return vector_norm

        def several(original: Any) -> Any:
            def foreach_norm(tensors: Any, *args: Any, **kwargs: Any) -> Any:
                norms = original(tensors, *args, **kwargs)
                self.norms.update((gradients[id(t)], norm) for t, norm in zip(tensors, norms) if id(t) in gradients)
                return norms

            return foreach_norm

        for owner, name, listening in ((torch.linalg, "vector_norm", one), (torch, "_foreach_norm", several)):
            original = getattr(owner, name)
            self._borrowed.append((owner, name, original))
            setattr(owner, name, listening(original))

    @entry
    def after_clip(self, token: Any, result: Any, *args: Any, **kwargs: Any) -> None:
        while self._borrowed:
            setattr(*self._borrowed.pop())
        norm_type = kwargs.get("norm_type", args[2] if len(args) > 2 else 2.0)
        if self.norms or norm_type != 2.0 or type(result) is not torch.Tensor:
            return
        values, number = self.steps.facts.values, self.session.step

        def known(norms: list[float]) -> None:
            values["grad_norm"] = norms[0]
            if number < self.session.step:
                self.session.record({"grad_norm": norms[0]}, number)

        self.steps.deferred.fetch([result], known)

    @entry
    def before_clip_value(self, parameters: Any, clip_value: Any = None, *args: Any, **kwargs: Any) -> None:
        if isinstance(parameters, torch.Tensor):
            parameters = [parameters]
        self.take(parameters if isinstance(parameters, (list, tuple)) else self.models.parameters())

    def take_missing(self, parameters: Iterable[torch.Tensor]) -> None:
        """Take the norms of those gradients that were not taken in this step."""
        self.take([one for one in parameters if id(one) not in self.norms])

    def take(self, parameters: Iterable[torch.Tensor]) -> None:
        """Take the norms of gradients as they are now."""
        if not self.session.governor.samples(self.session.step):
            return
        kinds: dict[tuple[Any, Any], list[tuple[int, torch.Tensor]]] = {}
        for parameter in parameters:
            gradient = parameter.grad
            if gradient is None or hasattr(gradient, "_local_tensor"):  # a shard's norm is nobody's
                continue
            if gradient.is_sparse:
                gradient = gradient.detach().coalesce().values()
            kinds.setdefault((gradient.device, gradient.dtype), []).append((id(parameter), gradient))
        with torch.no_grad():
            for (_, dtype), entries in kinds.items():
                if not dtype.is_floating_point:
                    continue
                gradients = [gradient for _, gradient in entries]
                wider = {"dtype": torch.float32} if dtype in HALF else {}
                norms = torch._foreach_norm(gradients, 2, **wider)
                self.norms.update(zip((key for key, _ in entries), norms))

    def sum_up(self, parameters: Sequence[torch.Tensor], values: dict[str, float], scale: Any = None) -> None:
        """Put the norm over all of `parameters` into `values`, and record the single ones.

        `scale` is the tensor by which a fused optimizer will divide the gradients, if any.
        """
        chosen = [(id(one), self.norms[id(one)]) for one in parameters if id(one) in self.norms]
        self.norms = {}
        if not chosen:
            return
        number = self.session.step
        tensors = [norm for _, norm in chosen]
        if isinstance(scale, torch.Tensor):
            tensors = [norm / scale for norm in tensors]

        def known(norms: list[float]) -> None:
            facts = {
                "grad_norm": math.sqrt(sum(norm * norm for norm in norms))
                if max(norms) < 1e150
                else math.hypot(*norms),
                "non_finite_gradients": float(sum(not math.isfinite(norm) for norm in norms)),
            }
            values.update(facts)
            if number < self.session.step:
                self.session.record(facts, number)
            self.ring.write(number, [key for key, _ in chosen], norms)

        devices = {norm.device for norm in tensors}
        if len(devices) == 1:
            self.steps.deferred.fetch(tensors, known)
