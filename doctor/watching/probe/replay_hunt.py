"""Runs pieces of a step again until one shows where NaN or infinity came from. Meant for a child process."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils._python_dispatch import _disable_current_modes

from . import origin_place
from .origin import Finder, Source
from .origin_float64 import Float64
from .origin_values import first_bad_row, is_finite, tensors
from .replay_frames import Piece, modules_of


class Reached(BaseException):
    """The bad loss, or a backward with bad gradients, was reached."""


class Passed(BaseException):
    """The step would have ended without it."""


class Hunt:
    """What is looked for, and what is known of the step.

    Parameters
    ----------
    where : str
        "forward" for a loss that is not finite, "backward" for gradients that are not.
    rng : torch.Tensor or None
        State of the CPU's generator at the start of the step.
    batch : dict of str to torch.Tensor
        What the loader handed out last.
    parameters : list of torch.Tensor
        Those whose gradients are looked at.
    """

    def __init__(self, where: str, rng: Any, batch: dict[str, Any], parameters: list[Any]) -> None:
        self.where = where
        self.rng = rng
        self.batch = batch
        self.parameters = parameters
        self.rows: int | None = next((t.shape[0] for t in batch.values() if t.dim()), None)
        self._reached: list[Any] = []
        self._losses = 0
        self._real_backward = torch.autograd.backward
        self._depth = 0

    def prepare(self) -> None:
        """Put the stand-ins in place; they stay until the process ends or `restore` is called."""
        setattr(torch.autograd, "backward", self._backward)  # noqa: B010  # its type is more narrow than any stand-in's
        self._handles = [
            register_optimizer_step_pre_hook(_pass),
            register_module_forward_pre_hook(self._module_called),
        ]
        stance = getattr(torch.compiler, "set_stance", None)
        if stance is not None:  # what is compiled shows no operations
            stance("force_eager")
        distributed = getattr(torch.nn.parallel, "DistributedDataParallel", None)
        if distributed is not None:
            distributed.forward = _forward_alone

    def restore(self) -> None:
        """Take the stand-ins away again."""
        torch.autograd.backward = self._real_backward
        for handle in self._handles:
            handle.remove()

    def run(self, step: Callable[[], Any], mode: Any) -> tuple[str, Any]:
        """Run a piece under a dispatch mode.

        Returns
        -------
        tuple
            "reached" with the tensors that are not finite, "finite", "passed" or "failed" with the exception.
        """
        self._reached, self._losses = [], 0
        for parameter in self.parameters:
            parameter.grad = None
        if self.rng is not None:
            torch.set_rng_state(self.rng)
        try:
            with mode, contextlib.redirect_stdout(None), contextlib.redirect_stderr(None):
                step()
        except Reached:
            return "reached", self._reached
        except Passed:
            return ("finite" if self._losses else "passed"), None
        except BaseException as error:
            return "failed", error
        return ("finite" if self._losses else "passed"), None

    def _backward(self, given: Any, *args: Any, **kwargs: Any) -> None:
        loss = given[0] if isinstance(given, (tuple, list)) else given
        with _disable_current_modes():
            bad = not is_finite(loss)
        self._losses += 1
        if self.where == "forward":
            if bad:
                self._reached = [loss]
                raise Reached
            return
        self.__doctor_backward__(given, args, kwargs)
        with _disable_current_modes():
            self._reached = [p.grad for p in self.parameters if p.grad is not None and not is_finite(p.grad)]
        if self._reached:
            raise Reached

    def __doctor_backward__(self, given: Any, args: Any, kwargs: Any) -> None:
        self._real_backward(given, *args, **kwargs)

    def _module_called(self, module: Any, args: Any) -> None:
        origin_place.know_modules_once(module)
        if self.rows is None:
            self.rows = next((t.shape[0] for t in tensors(args) if t.dim()), None)

    def search(self, pieces: Iterator[Piece], seconds: float) -> dict[str, Any]:
        """Run pieces until one is conclusive.

        Returns
        -------
        dict
            The facts of the event, with "piece", the place of the conclusive one; "failed" where there is none.
        """
        end = time.monotonic() + seconds
        vague: dict[str, Any] = {}
        finite: list[int] = []
        tried: list[str] = []
        for number, piece in enumerate(pieces):
            if time.monotonic() > end:
                tried.append("out of time")
                break
            try:
                step = piece.build()
            except SyntaxError:
                continue
            for _name, model in modules_of(piece):
                origin_place.know_modules(model)
            origin_place.function_replayed = piece.function
            before = torch.get_rng_state() if self.rng is None else self.rng
            finder = Finder(lambda: self.rows)
            outcome, value = self.run(step, finder)
            if outcome != "reached":
                if outcome == "failed":
                    tried.append("%s: %s" % (type(value).__name__, str(value)[:200]))
                elif outcome == "finite" and finder.calls and torch.equal(before, torch.get_rng_state()):
                    finite.append(number)
                continue
            found = self._judge(finder, value, piece)
            if found is None:
                continue
            sure = found.pop("sure")
            found["piece"] = number
            if found["number"] >= 0 and sure:
                self._widen(piece, found)
                return found
            if sure:
                return found
            vague = found
        if vague and not (finite and vague["fault"] == "unknown"):
            return vague
        if finite:
            return {"where": self.where, "fault": "differs", "piece": finite[0]}
        return {"failed": "; ".join(tried[-3:]) or "the code around the loss could not be run again"}

    def _judge(self, finder: Finder, bad: list[Any], piece: Piece) -> dict[str, Any] | None:
        sources = sorted(
            {id(one): one for tensor in bad for one in finder.sources_of(tensor)}.values(),
            key=lambda one: (one.harmless, one.number),
        )
        if not sources:
            return None
        source = sources[0]
        if source.kind == "external" or (source.kind == "fill" and source.place is None):
            return self._judge_external(source, piece)
        facts = described(source, self.where)
        facts["sample"] = source.row
        facts["fault"] = "mask" if source.harmless or source.masked else "unknown"
        facts["sure"] = not (source.masked and finder.external_fills)
        if source.place is not None and source.place.scaling:
            facts["fault"] = "scaler"
        return facts

    def _judge_external(self, source: Source, piece: Piece) -> dict[str, Any]:
        storage = source.tensor.untyped_storage()._cdata
        facts = described(source, self.where)
        facts["output"] = source.output
        facts["sample"] = first_bad_row(source.tensor, self.rows)
        name = origin_place.parameter_name(source.tensor, modules_of(piece))
        if name:
            return facts | {"where": "weights", "fault": "weights", "parameter": name, "sure": True, "sample": None}
        for key, tensor in self.batch.items():
            if tensor.untyped_storage()._cdata == storage:
                return facts | {"where": "input", "fault": "input", "variable": key, "sure": True}
        for key, value in [*piece.values.items(), *piece.outside.items()]:
            if isinstance(value, torch.Tensor) and value.untyped_storage()._cdata == storage:
                facts["variable"] = key
                break
        if source.tensor.grad_fn is not None:
            return facts | {"fault": "unknown", "reason": "it was made before what could be run again", "sure": False}
        return facts | {"where": "input", "fault": "input", "sure": False}

    def _widen(self, piece: Piece, found: dict[str, Any]) -> None:
        """Add whether float64 would have survived, and what kind of fault that makes it."""
        mode = Float64(found["number"])
        try:
            self.run(piece.build(), mode)
        except SyntaxError:
            return
        found["float64"] = mode.survived
        if mode.output:
            found["float64_output"] = mode.output
        if found["fault"] == "unknown" and mode.survived is not None:
            found["fault"] = fault_of(found, mode.survived)


GROWING = ("exp", "expm1", "mul", "pow", "square", "mm", "addmm", "bmm", "baddbmm", "add", "sum", "cumsum", "cosh")

RANGES = {"float16": 65504.0, "bfloat16": 3.3895314e38, "float32": 3.4028235e38}


def fault_of(found: dict[str, Any], survived: bool) -> str:
    """Tell a value out of range from one out of the operation's domain."""
    made_infinite = found["output"].get("inf", 0) + found["output"].get("-inf", 0) > 0
    grew = found["operation"].rstrip("_") in GROWING and made_infinite and not found["output"].get("nan")
    if survived:
        wide = found.get("float64_output", {})
        greatest = max(abs(wide.get("min", 0.0)), abs(wide.get("max", 0.0)))
        return "overflow" if greatest > RANGES.get(found["output"].get("dtype", ""), math.inf) else "rounding"
    return "overflow" if grew and not found.get("backward_of") else "domain"


def described(source: Source, where: str) -> dict[str, Any]:
    """Return a source as plain data."""
    facts: dict[str, Any] = {
        "where": "backward" if source.backward_of else where if source.kind == "external" else "forward",
        "operation": source.operation,
        "backward_of": source.backward_of,
        "number": source.number if source.place is not None else -1,
        "inputs": source.inputs[:4],
        "output": source.output,
        "path_ranges": source.way,
    }
    place = source.place
    if place is not None:
        facts |= {
            "module": place.module,
            "path": place.path,
            "line": place.line,
            "code": place.code,
            "function": place.function,
        }
        if place.library_path and place.library_path != place.path:
            facts |= {"library_path": place.library_path, "library_line": place.library_line}
    return facts


def _pass(optimizer: Any, args: Any, kwargs: Any) -> None:
    raise Passed


def _forward_alone(self: Any, *args: Any, **kwargs: Any) -> Any:
    return self.module(*args, **kwargs)
