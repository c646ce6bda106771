"""What the probe knows of this process: which step it is in, and where its records go."""

from __future__ import annotations

import os
import platform
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from . import guard
from .control import Control
from .events import Events
from .governor import Governor
from .ring import Ring

PHASES = (
    "starting",
    "data",
    "forward",
    "backward",
    "optimizer",
    "evaluation",
    "checkpoint",
    "collective",
    "paused",
    "finished",
    "joining",
)
"""What a process may be doing; the state holds the place in this list."""

FIELDS = (
    "track",  # which optimizer stepped, counted from 0 in order of their first step
    "time",  # seconds since the epoch
    "monotonic",  # seconds on the machine's monotonic clock, the same for all its processes
    "loss",  # mean over the step's backward calls
    "reported_loss",  # what the trainer showed its user
    "backwards",  # backward calls since the last step of this optimizer
    "grad_norm",  # L2 over all gradients, before clipping
    "max_norm",  # the bound given to clip_grad_norm_
    "non_finite_gradients",  # tensors whose gradient norm is NaN or infinite
    "learning_rate",  # of the first parameter group
    "weight_norm",
    "update_norm",
    "loss_scale",
    "skipped",  # 1 where the scaler or engine skipped the update
    "step_seconds",  # since the last step of any optimizer
    "data_seconds",  # waited for the loader
    "backward_seconds",
    "optimizer_seconds",
    "collective_seconds",  # spent in collective operations that were called from Python
    "probe_seconds",  # spent in the probe
    "samples",  # rows in the batch
    "batch_hash",  # 48 bits of the batch's content
    "accuracy",  # of the batch, where a classification criterion was seen
    "training_mode",  # share of modules in training mode
    "evaluation_loss",  # mean of the criterion without gradients since the last step
    "evaluation_accuracy",
    "device_allocated",  # bytes
    "device_reserved",
    "device_peak",
    "parameter_checksum",
    "replica_norm",  # L2 over all weights in float64 before the update, to compare ranks by
    "stale_gradients",  # share of gradients that were not cleared since this optimizer's last update
    "criterion_loss",  # mean of the recognised criterion with gradients, unscaled: compare evaluation_loss with this
    "evaluation_training_mode",  # share of modules in training mode while the criterion was evaluated
)
_PLACES = {phase: place for place, phase in enumerate(PHASES)}
STATE_FIELDS = (
    "phase",
    "step",  # in progress; counts all optimizers' steps
    "monotonic",  # of the last change
    "time",
    "backwards",  # in the step in progress
    "collectives",  # how many were begun
    "collective",  # hash of the one begun last
    "pid",
)

current: Session | None = None
"""The session of this process, or None."""


class Listener:
    """A part of the probe that wants to hear of what happens; each call is guarded, all are optional."""

    def opened(self) -> None:
        """Hear that this process trains: its files are being made."""

    def batch_arrived(self, batch: Any) -> None:
        """Hear of a batch that a DataLoader handed out in this process."""

    def backward_begins(self, loss: Any) -> None:
        """Hear of the tensor on which backward is called; weights and graph are as the step made them."""

    def update_begins(self, optimizer: Any, values: dict[str, float]) -> None:
        """Hear that an optimizer is about to change the weights; `values` are the facts of the step so far."""

    def step_ending(self, track: int, values: dict[str, float]) -> None:
        """Hear that a step of an optimizer is over; facts can still be added to `values`."""

    def step_ended(self, step: int, values: dict[str, float]) -> None:
        """Hear that a step is over."""

    def failed(self, error: BaseException) -> None:
        """Hear of the exception that ends the program; its frames are still alive."""

    def exiting(self) -> None:
        """Hear that the interpreter ends; what is still held back must be written now."""

    def asked(self, request: str) -> None:
        """Hear of a request of the monitor (`control.REQUESTS`), between two steps."""


class Session:
    """One watched process.

    Files are made when the first step is seen, so that processes that do not train leave none.

    Parameters
    ----------
    folder : str
        The run folder.
    rank : int or None
    """

    def __init__(self, folder: str, rank: int | None = None) -> None:
        self.folder = folder
        self.rank = int(os.environ.get("RANK", 0)) if rank is None else rank
        self.pid = os.getpid()
        self.name = "%s-%d" % (socket.gethostname().split(".")[0] or "host", self.pid)
        self.step = 1
        """Number of the step in progress."""
        self.phase = "starting"
        self.active = True
        """Whether this process is the one that is watched, not a fork of it."""
        self.backwards = 0
        """Backward calls in the step in progress."""
        self.spent = 0.0
        """Seconds spent in the probe during the step in progress."""
        self.listeners: list[Listener] = []
        self._ears: dict[str, list[Callable[..., object]]] = {}
        self._known_listeners = 0
        self.closers: list[Callable[[], object]] = []
        """What must be undone when watching ends before the process does."""
        self.parts: Any = None
        """What `torch_parts.install` returned, once torch is there."""
        self.facts: dict[str, Any] = {}
        """What else the "process" event shall say."""
        self._events = Events(self.path("events.jsonl"))
        self._ring: Ring | None = None
        self.governor = Governor(self)
        self.control = Control(os.path.join(folder, "control"))
        guard.on_fault(self._fault)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def path(self, ending: str) -> str:
        """Return the path of one of this process's files."""
        return os.path.join(self.folder, "%s.%s" % (self.name, ending))

    def event(self, kind: str, **facts: Any) -> None:
        """Write down something that happened once, at the step in progress."""
        self._events.write(kind, self.step, **facts)

    def tell(self, what: str, *facts: Any) -> None:
        """Call the method `what` of every listener; one that fails harms nobody else."""
        if len(self.listeners) != self._known_listeners:
            self._known_listeners = len(self.listeners)
            self._ears = {}
        ears = self._ears.get(what)
        if ears is None:
            ears = self._ears[what] = [
                guard.guarded(getattr(listener, what))
                for listener in self.listeners
                if getattr(type(listener), what, getattr(Listener, what)) is not getattr(Listener, what)
            ]
        for ear in ears:
            ear(*facts)

    @property
    def ring(self) -> Ring:
        """The recorder, made on first use."""
        if self._ring is None:
            self._open()
        return cast("Ring", self._ring)

    def _open(self) -> None:
        about = {"rank": self.rank, "pid": self.pid, "host": socket.gethostname(), "phases": PHASES}
        try:
            self._ring = Ring(self.path("steps.ring"), FIELDS, STATE_FIELDS, about=about)
        except OSError as error:
            self.active = False
            sys.stderr.write("doctor: the run is not watched: %s: %s\n" % (self.folder, error.strerror))
            raise
        self._ring.state("pid", self.pid)
        self.tell("opened")
        self.event(
            "process",
            rank=self.rank,
            world=int(os.environ.get("WORLD_SIZE", 1)),
            local_rank=int(os.environ.get("LOCAL_RANK", 0)),
            pid=self.pid,
            host=socket.gethostname(),
            python=platform.python_version(),
            arguments=sys.argv,
            threads=threading.active_count(),
            **self.facts,
        )

    def enter(self, phase: str) -> str:
        """Say what the process is doing now; returns what it did before."""
        before, self.phase = self.phase, phase
        now = (_PLACES[phase], self.step, time.monotonic(), time.time(), self.backwards)
        self.ring.states("phase", now)
        return before

    def record(self, values: Mapping[str, float], step: int | None = None) -> None:
        """Add fields to the record of a step, by default the one in progress."""
        self.ring.write(step or self.step, values)

    def finish_step(self, track: int, values: Mapping[str, float]) -> None:
        """End the step in progress, of which `values` are the facts, and begin the next."""
        spent, self.spent = self.spent, 0.0
        step = self.step
        now = {"track": track, "time": time.time(), "monotonic": time.monotonic(), "probe_seconds": spent}
        self.ring.write(step, {**values, **now})
        self.step, self.backwards = step + 1, 0
        self.enter("forward")
        self.governor.step_took(step, values.get("step_seconds", 0.0), spent)

    def close(self, phase: str = "finished") -> None:
        """Write down that watching ends, and let go of everything; calling it again does nothing."""
        global current
        if not self.active:
            return
        if self.training:
            self.tell("exiting")
            self.governor.say()
            self.event("exit", steps=self.step - 1)
            self.enter(phase)
        self.active = False
        for undo in self.closers:
            guard.guarded(undo)()
        if current is self:
            current = None

    @property
    def training(self) -> bool:
        """Whether this process has files, because it trains."""
        return self._ring is not None

    def _fault(self, where: str, error: Exception) -> None:
        self.event("probe_fault", where=where, type=type(error).__name__, message=str(error)[:1000])

    def _forked(self) -> None:
        global current
        self.active = False
        if current is self:
            current = None
