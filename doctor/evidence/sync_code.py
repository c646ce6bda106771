"""What makes the processor wait for the device in every step of training."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import TrainingCode, spot_of
from doctor.evidence.training_scopes import written

_WAITING = {
    "torch.cuda.synchronize": "wait",
    "torch.cuda.empty_cache": "cache",
    "torch.accelerator.synchronize": "wait",
}
_READING = frozenset(("item", "tolist", "numpy"))
_MEASURED = re.compile(r"time|perf_counter|elapsed|profil|Event|memory|bench", re.IGNORECASE)


class Waiting(Struct, frozen=True, kw_only=True):
    """One loop that waits in every step.

    Attributes
    ----------
    kind : str
        "wait" for a synchronisation, "cache" for emptying the cache, "reads" for values read from the device.
    calls : tuple of str
        What waits, as it is written.
    """

    kind: str
    calls: tuple[str, ...]
    spot: Spot


class SyncCode(Struct, frozen=True, kw_only=True):
    """All of them."""

    loops: int
    waits: tuple[Waiting, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "SyncCode":
        """Look at what each loop that trains does on no condition."""
        loops = [loop for loop in code.loops if loop.of("backward")]
        found: dict[Spot, Waiting] = {}
        for loop in loops:
            node, module = loop.block.node, loop.scope.module
            if not isinstance(node, ast.For | ast.While):
                continue
            text = " ".join(sorted(loop.scope.words))
            calls = list(_always(node.body))
            for call in calls:
                kind = _WAITING.get(written(call.func, module), "")
                if kind and not (kind == "wait" and _MEASURED.search(text)):
                    spot = spot_of(call, loop.scope)
                    found.setdefault(spot, Waiting(kind=kind, calls=(ast.unparse(call),), spot=spot))
            reads = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in _READING]
            if reads and {"cuda", "device"} & {word for one in loop.scope.around for word in one.words}:
                spot = spot_of(reads[0], loop.scope)
                told = tuple(ast.unparse(call)[:60] for call in reads)
                found.setdefault(spot, Waiting(kind="reads", calls=told, spot=spot))
        return cls(loops=len(loops), waits=tuple(found.values()), too_deep=code.too_deep)


def _always(body: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls that each turn of a loop makes, those in its own block."""
    for statement in body:
        if isinstance(statement, ast.With):
            yield from _always(statement.body)
        elif isinstance(statement, ast.Expr | ast.Assign | ast.AugAssign | ast.AnnAssign):
            yield from (part for part in ast.walk(statement) if isinstance(part, ast.Call))
