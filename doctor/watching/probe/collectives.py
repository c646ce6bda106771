"""Counts the collective operations of this rank and keeps the last ones, so that ranks can be compared after a death.

Nothing is asked of another rank. What DDP does in C++ while gradients are made is not seen here: there the phase is
"backward".
"""

from __future__ import annotations

import os
import sys
import threading
import time
import zlib
from functools import partial
from typing import TYPE_CHECKING, Any

from . import arrival
from .entry import around, entry
from .ring import Ring
from .session import Listener

if TYPE_CHECKING:
    from .replicas import Replicas
    from .session import Session

KEPT = 64
"""Operations in the ring."""
MAX_SITES = 128
"""Different calls that are described by an event."""
MAX_FRAMES = 60
SAME_SIZE = (
    "all_reduce",
    "broadcast",
    "reduce",
    "reduce_scatter_tensor",
    "_reduce_scatter_base",
    "all_gather_into_tensor",
    "_all_gather_base",
)
"""In these every rank must give equally many values of one type."""
OTHERS = (
    "all_reduce_coalesced",
    "all_gather",
    "all_gather_coalesced",
    "reduce_scatter",
    "gather",
    "scatter",
    "all_to_all",
    "all_to_all_single",
    "barrier",
    "monitored_barrier",
    "all_gather_object",
    "gather_object",
    "scatter_object_list",
    "broadcast_object_list",
)
PAIRWISE = ("send", "recv", "isend", "irecv", "batch_isend_irecv")
"""These two ranks do, the others not: they are not numbered."""
FIELDS = (
    "group",  # hash of the ranks that take part
    "sequence",  # the how-manieth operation of that group this is, from 1
    "hash",  # of what all ranks must have in common: operation, size and type
    "site",  # number of the event "collective" that describes the call
    "begin",  # monotonic seconds
    "end",  # missing while the call has not returned
)


class Collectives(Listener):
    """The collective operations of one process."""

    def __init__(self, session: Session, replicas: Replicas) -> None:
        self.session, self.replicas = session, replicas
        self.count = 0
        self.seconds = 0.0
        """Spent in collectives during the step in progress."""
        self._local = threading.local()
        self._ring: Ring | None = None
        self._groups: dict[str, tuple[float, list[int]]] = {}
        self._sequences: dict[float, int] = {}
        self._sites: dict[tuple[Any, ...], int] = {}
        self._libraries: dict[str, bool] = {}
        self._c10d: Any = None

    def install(self) -> None:
        """Wrap the operations as soon as there are any."""
        self.session.listeners.append(self)
        arrival.when_imported("torch.distributed", self._arrived)

    def _arrived(self) -> None:
        self._c10d = sys.modules.get("torch.distributed.distributed_c10d")
        if self._c10d is None:
            return
        self._wrap("init_process_group", self.joining, self.joined)
        for name in (*SAME_SIZE, *OTHERS, *PAIRWISE):
            self._wrap(name, partial(self.begins, name), self.ended)

    def _wrap(self, name: str, before: Any, after: Any) -> None:
        original = getattr(self._c10d, name, None)
        around(self._c10d, name, before, after)
        package = sys.modules["torch.distributed"]
        if original is not None and getattr(package, name, None) is original:
            setattr(package, name, getattr(self._c10d, name))

    @entry
    def joining(self, *args: Any, **kwargs: Any) -> str | None:
        """Hear that this rank begins to wait for the others; returns what it did before."""
        rank = kwargs.get("rank", args[4] if len(args) > 4 else -1)
        if self.session.training:
            return self.session.enter("joining")
        if not isinstance(rank, int) or (rank < 0 and "RANK" not in os.environ):
            return None
        if rank >= 0:
            self.session.rank = rank
        before = self.session.phase
        self.session.enter("joining")  # makes the files: a rank that joins takes part in the training
        return before

    @entry
    def joined(self, token: str | None, result: Any, *args: Any, **kwargs: Any) -> None:
        """Hear that the ranks have found each other, or have not."""
        if token is not None:
            self.session.enter(token)
        if not self._c10d.is_initialized():
            return
        rank = self._c10d.get_rank()
        if not self.session.training:
            self.session.rank = rank
        self.session.enter(self.session.phase)
        world, backend = self._c10d.get_world_size(), str(self._c10d.get_backend())
        self.session.event("joined", rank=rank, world=world, backend=backend)
        self.session.event("versions", **versions())

    @entry
    def begins(self, name: str, *args: Any, **kwargs: Any) -> tuple[str, float, int] | None:
        """Hear that an operation begins; those that it is made of are not counted."""
        self._local.depth = depth = getattr(self._local, "depth", 0) + 1
        if depth > 1 or not self.session.training:
            return None
        given = (*args, *kwargs.values())
        outsider = getattr(getattr(self._c10d, "GroupMember", None), "NON_GROUP_MEMBER", self)
        if any(one is outsider for one in given):
            return None
        numel, shape, kind = _described(given)
        if name == "all_reduce":
            self.replicas.summing(*args, **kwargs)
        group, ranks = self._group(given)
        site = self._site(name, shape, kind, ranks)
        begin = time.monotonic()
        number = 0
        if name not in PAIRWISE:
            text = "%s %s %s" % (name, numel, kind) if name in SAME_SIZE else name
            number = self._number(group, float(zlib.crc32(text.encode())), site, begin)
        return self.session.enter("collective"), begin, number

    @entry
    def ended(self, token: tuple[str, float, int] | None, result: Any, *args: Any, **kwargs: Any) -> None:
        """Hear that an operation has returned."""
        self._local.depth = getattr(self._local, "depth", 1) - 1
        if token is None:
            return
        phase, begin, number = token
        now = time.monotonic()
        self.seconds += now - begin
        if self._ring is not None and number:
            self._ring.write(number, {"end": now})
        self.session.enter(phase)

    def step_ending(self, track: int, values: dict[str, float]) -> None:
        if self.seconds:
            values["collective_seconds"] = self.seconds
        self.seconds = 0.0

    def _number(self, group: float, mark: float, site: int, begin: float) -> int:
        self.count += 1
        self._sequences[group] = sequence = self._sequences.get(group, 0) + 1
        if self._ring is None:
            self._ring = Ring(self.session.path("collectives.ring"), FIELDS, (), KEPT, 0)
        record = {"group": group, "sequence": sequence, "hash": mark, "site": site, "begin": begin}
        self._ring.write(self.count, record)
        self.session.ring.state("collectives", self.count)
        self.session.ring.state("collective", mark)
        return self.count

    def _group(self, given: tuple[Any, ...]) -> tuple[float, list[int]]:
        found = next((one for one in given if isinstance(one, self._c10d.ProcessGroup)), None)
        group = found if found is not None else self._c10d.group.WORLD
        name = str(getattr(group, "group_name", ""))
        if name not in self._groups:
            ranks = list(self._c10d.get_process_group_ranks(group))
            self._groups[name] = float(zlib.crc32(("%s %s" % (name, ranks)).encode())), ranks
        return self._groups[name]

    def _site(self, name: str, shape: str, kind: str, ranks: list[int]) -> int:
        """Return the number of this call; what it is goes into an event the first time."""
        frame: Any = sys._getframe(3)
        for _ in range(MAX_FRAMES):
            if frame.f_back is None or not self._in_library(frame.f_code.co_filename):
                break
            frame = frame.f_back
        key = (name, frame.f_code.co_filename, frame.f_lineno, shape, kind)
        if key not in self._sites and len(self._sites) < MAX_SITES:
            self._sites[key] = number = len(self._sites) + 1
            self.session.event(
                "collective",
                site=number,
                operation=name,
                shape=shape,
                dtype=kind,
                ranks=ranks[:64],
                path=frame.f_code.co_filename,
                line=frame.f_lineno,
                function=frame.f_code.co_name,
            )
        return self._sites.get(key, 0)

    def _in_library(self, path: str) -> bool:
        known = self._libraries.get(path)
        if known is None:
            plain = path.replace("\\", "/")
            marks = ("/site-packages/", "/dist-packages/", "/lib/python", "/torch/", "/watching/probe/")
            known = self._libraries[path] = plain.startswith("<") or any(mark in plain for mark in marks)
        return known


def _described(given: tuple[Any, ...]) -> tuple[int, str, str]:
    """Return number of values, shape and type of the first tensor; 0 and empty words where there is none."""
    for one in given:
        first = one[0] if isinstance(one, (list, tuple)) and one else one
        if hasattr(first, "numel") and hasattr(first, "dtype"):
            return first.numel(), "x".join(map(str, first.shape)) or "scalar", str(first.dtype).replace("torch.", "")
    return 0, "", ""


def versions() -> dict[str, str]:
    """Return the versions of what is loaded that ranks must have in common."""
    import torch

    known = {"python": sys.version.split()[0], "torch": str(torch.__version__)}
    if torch.version.cuda:
        known["cuda"] = str(torch.version.cuda)
        known["nccl"] = ".".join(map(str, torch.cuda.nccl.version()))
    for name in ("numpy", "deepspeed", "transformers", "accelerate", "lightning", "flash_attn", "xformers"):
        if name in sys.modules:
            known[name] = str(getattr(sys.modules[name], "__version__", "?"))
    return known
