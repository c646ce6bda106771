"""Explains a NaN: on a bad loss or bad gradients, while the weights are still those of the step, runs it again.

What is kept on the way costs almost nothing: weak references to the last batch and the state of the generator. The
replay happens in a forked child, so it changes nothing here.
"""

from __future__ import annotations

import itertools
import math
import os
import sys
import time
import weakref
from typing import TYPE_CHECKING, Any

import torch

from .session import Listener

if TYPE_CHECKING:
    from .session import Session

MAX_ESCALATIONS = 3
MAX_SECONDS = 20.0
MAX_BATCH_TENSORS = 16
ON_DEVICE = (
    "a process that uses a GPU cannot be copied to run the step again; train some steps on the CPU from the same \
checkpoint"
)


def install(session: Session) -> None:
    """Listen to the session."""
    session.listeners.append(Replay(session))


class Replay(Listener):
    """Looks at every loss and at every gradient norm that others have measured."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.escalations = 0
        self._healthy = True
        """Whether a finite loss was seen since the last explanation."""
        self._explained_step = 0
        self._explained = False
        self._backwards = 0
        self._elsewhere = False
        """Whether losses are on a device, where they are known too late."""
        self._values: dict[str, float] = {}
        """Of the step before, to which a late loss is added."""
        self._first_bad_gradients: int | None = None
        self._batch: dict[str, Any] = {}
        self._next_rng: Any = torch.get_rng_state()
        self._rng: Any = self._next_rng

    def batch_arrived(self, batch: Any) -> None:
        """Remember the batch, without keeping it alive."""
        self._batch = {name: weakref.ref(tensor) for name, tensor in _named(batch)}
        self._next_rng = torch.get_rng_state()

    def backward_begins(self, loss: Any) -> None:
        """Explain a loss that is not finite."""
        if not self.session.active:
            return
        loss = loss[0] if isinstance(loss, (tuple, list)) else loss
        self._backwards += 1
        self._rng, self._next_rng = self._next_rng, torch.get_rng_state()
        if loss.device.type != "cpu":
            self._elsewhere = True
            return
        if loss.numel() != 1:
            return
        if math.isfinite(loss.detach().item()):
            self._healthy = True
        elif self._healthy and self._explained_step != self.session.step:
            self._explain("forward", [], loss)

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Explain gradients that are not finite."""
        if not self.session.active:
            return
        bad = values.get("non_finite_gradients", 0.0) > 0 or not math.isfinite(values.get("grad_norm", 0.0))
        if not bad:
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        if gradients and all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
            return  # finite, but so large that their squares are not
        if self._first_bad_gradients is None:
            self._first_bad_gradients = self.session.step
        if self._healthy and self._explained_step != self.session.step and values.get("loss_scale", 1.0) == 1.0:
            self._explain("backward", parameters, None)

    def step_ended(self, step: int, values: dict[str, float]) -> None:
        """Begin anew."""
        self._backwards = 0
        self._next_rng = torch.get_rng_state()
        if self._elsewhere:
            before, self._values = self._values, values
            if not math.isfinite(before.get("loss", 0.0)) and self.escalations == 0:
                self.escalations = MAX_ESCALATIONS
                self.session.event("nan_origin", where="forward", fault="unknown", reason=ON_DEVICE)

    def _explain(self, where: str, parameters: list[Any], loss: Any) -> None:
        if self.escalations >= MAX_ESCALATIONS:
            return
        self.escalations += 1
        self._healthy = False
        self._explained_step = self.session.step
        begin = time.perf_counter()
        answer = self._replay(where, parameters)
        if answer.get("fault") == "scaler":
            return
        if "failed" in answer:
            # What failed once, by a limit of time above all, would hold up the training again.
            self.escalations = MAX_ESCALATIONS
            answer = self._read(loss) or {"where": where, "fault": "unknown", "reason": answer["failed"]}
        if answer.get("fault") == "differs" and (where == "backward" and self._backwards > 1):
            answer = {"where": where, "fault": "unknown", "reason": "an earlier of the step's backward calls made it"}
        if answer["fault"] == "weights" and self._explained:
            self.escalations = MAX_ESCALATIONS  # all that follows is a consequence of what was explained
            return
        self._explained |= answer["fault"] != "unknown"
        if answer["fault"] == "weights" and self._first_bad_gradients is not None:
            answer["since"] = self._first_bad_gradients
        answer["loss"] = None if loss is None else str(loss.detach().item())
        answer["batch_index"] = self.session.step
        answer["seconds"] = time.perf_counter() - begin
        self.session.spent -= answer["seconds"]  # an incident is no overhead, and must not slow the sampling down
        self.session.event("nan_origin", **answer)

    def _read(self, loss: Any) -> dict[str, Any] | None:
        from .origin_graph import bad_input

        return bad_input(loss) if loss is not None else None

    def _replay(self, where: str, parameters: list[Any]) -> dict[str, Any]:
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            return {"failed": ON_DEVICE}
        if not hasattr(os, "fork"):
            return {"failed": "this system cannot copy a process"}
        from .replay_child import in_child
        from .replay_frames import pieces
        from .replay_hunt import Hunt

        frame = sys._getframe(1)
        batch = {name: tensor for name, reference in self._batch.items() if (tensor := reference()) is not None}
        rng = self._rng

        def work() -> dict[str, Any]:
            hunt = Hunt(where, rng, batch, parameters)
            hunt.prepare()
            return hunt.search(pieces(frame), MAX_SECONDS * 0.8)

        answer = in_child(work, MAX_SECONDS) | {"method": "the step run again in a copy of the process"}
        if "piece" not in answer:
            return answer
        folder = self._capsule_folder()

        def pack() -> dict[str, Any]:
            from . import capsule

            piece = next(itertools.islice(pieces(frame), answer["piece"], None))
            return capsule.write(folder, piece, Hunt(where, rng, batch, parameters), answer, list(sys.path))

        return answer | {"capsule": in_child(pack, MAX_SECONDS, sealed=False)}

    def _capsule_folder(self) -> str:
        rank = self.session.rank
        folder = os.path.join(self.session.folder, "capsule-rank%d" % rank if rank else "capsule")
        if not os.path.exists(folder):
            return folder
        return "%s-step%d" % (folder, self.session.step)


def _named(value: Any, name: str = "", depth: int = 0) -> list[tuple[str, Any]]:
    """Return the tensors of a batch with the names under which they stand there."""
    if isinstance(value, torch.Tensor):
        return [(name or "batch", value)]
    items: Any = ()
    if depth < 3 and hasattr(value, "items"):
        items = value.items()
    elif depth < 3 and isinstance(value, (tuple, list)):
        items = enumerate(value)
    found = [one for key, item in items for one in _named(item, "%s[%r]" % (name or "batch", key), depth + 1)]
    return found[:MAX_BATCH_TENSORS]
