"""Finds the models that are trained, their parameters' names, and what the optimizers leave out.

Modules are found by one look at all objects when an optimizer is first seen to step: no hook on any module is needed.
"""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch

from .entry import around, entry
from .steps import Steps, key_of

if TYPE_CHECKING:
    from .session import Session

MAX_LOOKS = 16
CHANGES_EVERY = 64
"""Steps between two looks for parameters that were replaced, frozen or freed since."""
MISSPELT = ("require_grad", "require_grads", "requires_grads", "requires_gradient")
"""What some write for `requires_grad`; torch takes it for an attribute of theirs."""
MAX_NAMED = 600
"""Tensors and modules that an event lists one by one."""
GRADIENTS_AFTER = 20
"""Steps after which a parameter that never had a gradient is said to have none."""
WRAPPERS = ("module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module")
"""Names under which wrappers (DDP, torch.compile, Fabric, FSDP) hold the user's model."""


class Models:
    """The modules whose parameters an optimizer has, outermost ones."""

    def __init__(self, session: Session, steps: Steps) -> None:
        self.session, self.steps = session, steps
        self.names: dict[int, str] = {}
        """Of parameters, by id."""
        self._given: list[weakref.ref[Any]] = []
        self._roots: list[weakref.ref[Any]] = []
        self._optimizers: weakref.WeakSet[Any] = weakref.WeakSet()
        self._known: set[object] = set()
        self._looks = 0
        self._received: set[int] = set()
        self._watched_steps = 0
        self._without: dict[object, int] = {}
        """Steps of an optimizer at which none of its parameters had a gradient; -1 once one had."""
        self._last_described: list[tuple[int, bool, bool]] = []

    def install(self) -> None:
        """Hear of optimizers as they are made."""
        around(torch.optim.Optimizer, "__init__", None, self.made)

    @entry
    def made(self, token: Any, result: Any, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        self._optimizers.add(optimizer)

    @property
    def roots(self) -> list[Any]:
        """The models that are alive."""
        return [root for root in (reference() for reference in self._roots) if root is not None]

    @property
    def optimizers(self) -> list[Any]:
        """The optimizers that are alive."""
        return list(self._optimizers)

    def add_root(self, root: Any) -> None:
        """Add a model that an engine holds, and describe it."""
        self._roots.append(weakref.ref(root))
        self._name([root])
        self._describe_root(root, None)

    def give(self, model: Any, optimizers: Iterable[Any]) -> None:
        """Take the user's word for which model is trained, and by what."""
        if model is not None:
            self._given.append(weakref.ref(model))
        self._optimizers.update(optimizers)

    def parameters(self) -> list[torch.Tensor]:
        """Return all parameters of the models; looks for these where none are known."""
        if not self._roots:
            self._look()
        return [parameter for root in self.roots for parameter in root.parameters()]

    def evaluating(self) -> bool:
        """Whether the models are known and all in evaluation mode."""
        roots = self.roots
        return bool(roots) and not any(root.training for root in roots)

    def training_share(self) -> float | None:
        """Return the share of modules that are in training mode; None where no model is known."""
        modes = [module.training for root in self.roots for module in root.modules()]
        return sum(modes) / len(modes) if modes else None

    def optimizers_exist(self) -> bool:
        """Whether there is an optimizer anywhere in the process."""
        if not self._optimizers and self._looks < 1:
            self._look()
        return bool(self._optimizers)

    def stepping(self, optimizer: Any) -> None:
        """Hear that an optimizer is about to step."""
        key = key_of(optimizer)
        if key not in self._known:
            self._known.add(key)
            self._optimizers.add(optimizer)
            self._look()
            self.session.event("optimizer", track=self.steps.track(key), **described(optimizer))
            self._describe()
        elif self.session.step % CHANGES_EVERY == 0 and self._state() != self._last_described:
            self._name(self.roots)
            self._describe()
        if self._watched_steps <= GRADIENTS_AFTER:
            self._watch_gradients(optimizer)
        if self._without.get(key, 0) >= 0:
            self._watch_without(optimizer, key)

    def _look(self) -> None:
        if self._looks >= MAX_LOOKS:
            return
        self._looks += 1
        modules: list[Any] = []
        inner: set[int] = set()
        for one in gc.get_objects():
            kind = type(one)
            if issubclass(kind, torch.nn.Module):
                modules.append(one)
                inner.update(id(child) for child in one.__dict__.get("_modules", {}).values())
            elif issubclass(kind, torch.optim.Optimizer) and "param_groups" in one.__dict__:
                self._optimizers.add(one)
        optimized = {
            id(parameter)
            for optimizer in self._optimizers
            for group in optimizer.param_groups
            for parameter in group["params"]
        }
        roots = [module for module in modules if id(module) not in inner and "_parameters" in module.__dict__]
        chosen = [
            root
            for root in roots
            if any(not optimized or id(parameter) in optimized for parameter in root.parameters())
        ]
        given = [root for root in (reference() for reference in self._given) if root is not None]
        chosen = given or chosen
        self._roots = [weakref.ref(root) for root in chosen]
        self._name(chosen)

    def _name(self, roots: list[Any]) -> None:
        classes = [type(root).__name__ for root in roots]
        for place, root in enumerate(roots):
            prefix = ""
            if len(roots) > 1:
                same = classes.count(classes[place]) > 1
                prefix = "%s%s." % (classes[place], classes[:place].count(classes[place]) if same else "")
            for name, parameter in root.named_parameters():
                self.names.setdefault(id(parameter), prefix + plain(name))
        for optimizer in self._optimizers:
            for number, group in enumerate(optimizer.param_groups):
                for place, parameter in enumerate(group["params"]):
                    self.names.setdefault(id(parameter), "group%d.param%d" % (number, place))

    def _watch_gradients(self, optimizer: Any) -> None:
        self._watched_steps += 1
        self._received.update(
            id(one) for group in optimizer.param_groups for one in group["params"] if one.grad is not None
        )
        if self._watched_steps != GRADIENTS_AFTER or self.steps.engine:
            return
        for root in self.roots:
            self._received.update(id(one) for one in root.parameters() if one.grad is not None)
        missing = [
            self.names.get(id(parameter), "?")
            for root in self.roots
            for parameter in root.parameters()
            if parameter.requires_grad and id(parameter) not in self._received
        ]
        self.session.event(
            "gradients_missing", steps=self._watched_steps, count=len(missing), names=missing[:MAX_NAMED]
        )

    def _watch_without(self, optimizer: Any, key: object) -> None:
        """Say that an optimizer has nothing to do, where nothing reaches any of its parameters."""
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        if self.steps.engine or any(one.grad is not None for one in parameters):
            self._without[key] = -1
            return
        self._without[key] = steps = self._without.get(key, 0) + 1
        # Others may find their gradients elsewhere; torch's own pass over a parameter that has none.
        if steps == GRADIENTS_AFTER and type(optimizer).__module__.startswith("torch.optim"):
            names = self._named(parameters)
            kind, track = type(optimizer).__name__, self.steps.track(key)
            self.session.event("optimizer_without_gradients", optimizer=kind, track=track, steps=steps, names=names)

    def _state(self) -> list[tuple[int, bool, bool]]:
        return [(id(one), one.requires_grad, _misspelt(one)) for root in self.roots for one in root.parameters()]

    def _describe(self) -> None:
        self._last_described = self._state()
        optimized = {id(one) for o in self._optimizers for group in o.param_groups for one in group["params"]}
        for root in self.roots:
            self._describe_root(root, optimized)

    def _describe_root(self, root: Any, optimized: set[int] | None) -> None:
        """Write down a model; `optimized` holds the ids of what optimizers have, None where that is not known."""
        tensors = list(root.named_parameters())
        weights = [one for _, one in tensors]
        modules = [(name, type(module).__name__) for name, module in root.named_modules()]
        self.session.event(
            "model",
            root=type(root).__name__,
            parameters=sum(map(count, weights)),
            trainable=sum(count(one) for one in weights if one.requires_grad),
            bytes=sum(count(one) * one.element_size() for one in weights),
            tensors_count=len(tensors),
            not_in_optimizer=self._named(
                one for one in weights if optimized and one.requires_grad and id(one) not in optimized
            ),
            frozen_in_optimizer=self._named(
                one for one in weights if optimized and not one.requires_grad and id(one) in optimized
            ),
            misspelt=self._named(one for one in weights if _misspelt(one)),
            optimizer_known=optimized is not None,
            tensors=[
                {
                    "name": self.names[id(parameter)],
                    "shape": list(getattr(parameter, "ds_shape", parameter.shape)),
                    "dtype": str(parameter.dtype).replace("torch.", ""),
                    "requires_grad": parameter.requires_grad,
                    "in_optimizer": id(parameter) in optimized if optimized is not None else None,
                }
                for _, parameter in tensors[:MAX_NAMED]
            ],
            modules=[{"name": plain(name), "type": kind} for name, kind in modules[:MAX_NAMED]],
        )

    def _named(self, parameters: Iterable[Any]) -> list[str]:
        return [self.names.get(id(one), "?") for one in parameters][:MAX_NAMED]


def count(parameter: Any) -> int:
    """Return how many numbers a parameter has, of which ZeRO 3 may hold but a part here."""
    return int(getattr(parameter, "ds_numel", None) or parameter.numel())


def _misspelt(parameter: torch.Tensor) -> bool:
    return any(name in parameter.__dict__ for name in MISSPELT)


def plain(name: str) -> str:
    """Return a parameter's name without the names that wrappers add."""
    return ".".join(part for part in name.split(".") if part not in WRAPPERS) or name


def described(optimizer: Any) -> dict[str, Any]:
    """Return an optimizer as plain data."""
    return {"class": type(optimizer).__name__, "groups": [_plain_group(group) for group in optimizer.param_groups[:50]]}


def _plain_group(group: dict[str, Any]) -> dict[str, Any]:
    simple: Iterable[tuple[str, Any]] = ((key, value) for key, value in group.items() if key != "params")
    plain_values = {
        key: value for key, value in simple if value is None or isinstance(value, (bool, int, float, str, list, tuple))
    }
    weights = group["params"]
    return {**plain_values, "tensors": len(weights), "parameters": sum(one.numel() for one in weights)}
