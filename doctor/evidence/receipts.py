"""Where the memory of a step went, and what would have to change for it to fit."""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

from doctor.errors import NotApplicable
from doctor.subjects.run import Event, Run

_REQUESTED = re.compile(
    r"(?:tried to allocate|Unable to allocate)\s+(?P<count>[\d.]+)\s*(?P<unit>bytes|[KMGT]iB)", re.IGNORECASE
)
_UNITS = {"bytes": 1, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}
_ADAPTIVE = ("adam", "lamb", "adabelief", "nadam", "radam")
UNFINISHED_RATIO = 2
"""By which the activations of a forward pass that was cut off are taken: it got half way on average."""
MAX_PARTS = 64
"""How far a batch is cut whose rows nobody counted."""
TENSORS_PER_LAYER = 2
"""Activations that a layer leaves for backward on average, of which a checkpointed block keeps its input alone."""
MIN_BLOCKS = 4
"""In a chain of fewer parts there is little to drop and compute again."""
MARGIN_SHARE = 0.05
"""Left free: allocators round up."""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """The memory of one process on one device at one moment, in bytes.

    Attributes
    ----------
    when : str
        "step", or "out of memory".
    activations : int
        What the forward pass left for backward; up to where it got, where memory ran out in it.
    other : int
        What of the peak none of the categories explains.
    limit : int
        What the process could have had in all; `bound` says by whose limit.
    rows : int
        Of the batch; 0 where unknown.
    blocks : int
        Equal parts that the model is a chain of.
    block_layers : int
        Layers with weights of their own in such a part; 0 where unknown.
    in_forward : bool
        Whether the forward pass was under way, so that more activations were to come.
    """

    rank: int
    step: int | None
    when: str
    device: str
    parameters: int
    trainable: int
    gradients: int
    optimizer: int
    buffers: int
    activations: int
    other: int
    peak: int
    limit: int
    bound: str
    rows: int
    blocks: int
    block_layers: int
    optimizers: tuple[str, ...]
    modules: tuple[tuple[str, int], ...]
    in_forward: bool

    def to_come(self) -> tuple[int, int]:
        """Return gradients and optimizer state that the run had not yet allocated, as far as that is known."""
        states = 2 if any(word in name.lower() for name in self.optimizers for word in _ADAPTIVE) else 0
        return max(0, self.trainable - self.gradients), max(0, states * self.trainable - self.optimizer)


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """Memory that ran out with an exception.

    Attributes
    ----------
    requested : int or None
        Bytes of the allocation that failed.
    fragmented : int or None
        Bytes that torch's allocator held free and could not use, by its own word.
    """

    rank: int
    step: int | None
    message: str
    requested: int | None
    fragmented: int | None
    path: str | None
    line: int | None
    receipt: Receipt | None


@dataclass(frozen=True, kw_only=True)
class Receipts:
    """All receipts, and all shortages."""

    receipts: tuple[Receipt, ...]
    shortages: tuple[Shortage, ...]

    @classmethod
    def measure(cls, run: Run) -> "Receipts":
        """Read the events of kinds "receipt" and "exception".

        Raises
        ------
        NotApplicable
            When there are none of either kind.
        """
        receipts, shortages = [], []
        for process in run.processes:
            micro = [int(event.facts.get("micro_batch") or 0) for event in process.events if event.kind == "engine"]
            rows = micro[-1] if micro else 0
            here = [_receipt(process.rank, event, rows) for event in process.events if event.kind == "receipt"]
            receipts += here
            for event in process.events:
                if event.kind == "exception" and _out_of_memory(event):
                    shortages.append(_shortage(process.rank, event, here))
        if not any(process.events for process in run.processes):
            raise NotApplicable("no process wrote down what happened in it")
        return cls(receipts=tuple(receipts), shortages=tuple(shortages))


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of the training, and what it would need in all.

    Attributes
    ----------
    changes : dict
        By the names of `doctor.repair.treatments`; empty where none of them does it.
    """

    summary: str
    needed: int
    changes: dict[str, float | str | bool]


def needed_bytes(shortage: Shortage) -> int | None:
    """Return what the step would have needed at least, gradients and optimizer state that were to come included."""
    receipt = shortage.receipt
    if receipt is None:
        return None
    # Gradients come while activations go, so only the larger of them adds to the peak.
    gradients, states = receipt.to_come()
    return receipt.peak + (shortage.requested or 0) + states + max(0, gradients - receipt.activations)


def fitting_changes(shortage: Shortage, world: int) -> list[Change]:
    """Return the changes with which the step fits, in order of what they cost the user."""
    receipt, needed = shortage.receipt, needed_bytes(shortage)
    if receipt is None or needed is None:
        return []
    room = (1 - MARGIN_SHARE) * receipt.limit
    return [change for change in _changes(receipt, needed, shortage.requested or 0, world) if change.needed <= room]


def _changes(receipt: Receipt, needed: int, requested: int, world: int) -> Iterator[Change]:
    activations = receipt.activations + requested
    fixed = needed - activations
    activations *= UNFINISHED_RATIO if receipt.in_forward else 1
    parts = 2
    while parts <= (receipt.rows or MAX_PARTS):
        size = f"of {receipt.rows // parts} instead of {receipt.rows} rows" if receipt.rows else f"1/{parts} the size"
        words = f"micro-batches {size}, gradients accumulated over {parts} of them"
        cut = math.ceil(activations / parts)
        yield Change(summary=words, needed=fixed + cut, changes={"micro_batch_ratio": 1 / parts})
        parts *= 2
    if receipt.blocks >= MIN_BLOCKS:
        kept = math.ceil(activations * _kept_share(receipt))
        words = "activation checkpointing (about a fifth more time)"
        yield Change(summary=words, needed=fixed + kept, changes={"activation_checkpointing": True})
    yield from _lighter_states(receipt, fixed, activations)
    yield from _sharded(receipt, fixed, activations, world)


def _kept_share(receipt: Receipt) -> float:
    """Return the share of the activations that checkpointing of every block keeps at least: inputs, and one block."""
    if receipt.block_layers:
        return min(1.0, 1 / receipt.blocks + 1 / (TENSORS_PER_LAYER * receipt.block_layers))
    return min(1.0, 2 / math.sqrt(receipt.blocks))  # of a chain cut into as many parts as each has layers


def _lighter_states(receipt: Receipt, fixed: int, activations: int) -> Iterator[Change]:
    """Spare optimizer state, first with the batch as it is, then with rows one by one."""
    states = receipt.optimizer + receipt.to_come()[1]
    one_row, least = _one_row(receipt, activations)
    for words, spared, change in _lighter_optimizers(receipt.device, states) if states else ():
        yield Change(summary=words, needed=fixed + activations - spared, changes=change)
        words += ", with micro-batches of 1 row"
        yield Change(summary=words, needed=fixed + least - spared, changes={**change, **one_row})


def _lighter_optimizers(device: str, states: int) -> Iterator[tuple[str, int, dict[str, float | str | bool]]]:
    """Return optimizers instead of Adam in words, the bytes of state that each spares, and the change."""
    if device != "cpu":
        yield "an 8-bit optimizer", states * 3 // 4, {"optimizer": "adam8bit"}
        return
    yield "RMSprop, which keeps one number per weight instead of two", states // 2, {"optimizer": "RMSprop"}
    # Its rates are relative to the weights, and ten times Adam's by the libraries' defaults.
    change: dict[str, float | str | bool] = {"optimizer": "Adafactor", "learning_rate_ratio": 10.0}
    yield "Adafactor, which keeps one number per row and per column", states * 9 // 10, change


def _sharded(receipt: Receipt, fixed: int, activations: int, world: int) -> Iterator[Change]:
    """Spread over the ranks, or move to the host, what one device cannot hold."""
    states = receipt.optimizer + receipt.to_come()[1]
    one_row, least = _one_row(receipt, activations)
    least += fixed
    if world > 1:
        spared = states * (world - 1) // world
        words = f"ZeRO stage 1 over {world} ranks, with micro-batches of 1 row"
        yield Change(summary=words, needed=least - spared, changes={"zero_stage": 1} | one_row)
        spared += (receipt.parameters + receipt.gradients) * (world - 1) // world
        words = f"ZeRO stage 3 over {world} ranks, with micro-batches of 1 row"
        yield Change(summary=words, needed=least - spared, changes={"zero_stage": 3} | one_row)
    if receipt.device != "cpu" and states:
        words = "optimizer state in host memory (offload), micro-batches of 1 row"
        yield Change(summary=words, needed=least - states, changes={})


def _one_row(receipt: Receipt, activations: int) -> tuple[dict[str, float | str | bool], int]:
    """Return the change to micro-batches of one row, and what activations take then."""
    if receipt.rows <= 1:
        return {}, activations
    return {"micro_batch_ratio": 1 / receipt.rows}, math.ceil(activations / receipt.rows)


def _out_of_memory(event: Event) -> bool:
    kind, message = str(event.facts.get("type", "")), str(event.facts.get("message", ""))
    return kind in ("OutOfMemoryError", "MemoryError") or "can't allocate memory" in message


def _shortage(rank: int, event: Event, receipts: list[Receipt]) -> Shortage:
    message = str(event.facts.get("message", ""))
    asked = _REQUESTED.search(message)
    reserved = re.search(r"(?P<count>[\d.]+)\s*(?P<unit>[KMGT]iB) is reserved by PyTorch but unallocated", message)
    frames = [frame for frame in event.facts.get("frames", ()) if isinstance(frame, dict)]
    own = [frame for frame in frames if "site-packages" not in str(frame.get("path", ""))]
    frame = (own or frames or [{}])[-1]
    ran_out = [receipt for receipt in receipts if receipt.when == "out of memory"]
    return Shortage(
        rank=rank,
        step=event.step,
        message=message,
        requested=_size(asked),
        fragmented=_size(reserved),
        path=frame.get("path"),
        line=frame.get("line"),
        receipt=ran_out[-1] if ran_out else None,
    )


def _size(found: "re.Match[str] | None") -> int | None:
    return int(float(found["count"]) * _UNITS[found["unit"].lower()]) if found else None


def _receipt(rank: int, event: Event, rows: int) -> Receipt:
    facts = event.facts
    numbers = ("parameters", "trainable", "gradients", "optimizer", "buffers", "activations", "other", "peak", "limit")
    return Receipt(
        rank=rank,
        step=event.step,
        when=str(facts.get("when", "")),
        device=str(facts.get("device", "")),
        bound=str(facts.get("bound", "")),
        rows=int(facts.get("rows") or rows),
        blocks=int(facts.get("blocks") or 1),
        block_layers=int(facts.get("block_layers") or 0),
        optimizers=tuple(str(one.get("class", "")) for one in facts.get("optimizers", ())),
        in_forward=facts.get("phase") == "forward",
        modules=tuple((str(one["name"]), int(one["parameters"])) for one in facts.get("by_module", ())),
        **{name: int(facts.get(name) or 0) for name in numbers},
    )
