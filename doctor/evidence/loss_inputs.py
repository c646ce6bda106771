"""What losses that want logits are given: whether it went through softmax or sigmoid before."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence import training_names as known
from doctor.evidence.code_changes import change
from doctor.evidence.fitted_tools import names_in
from doctor.evidence.project import is_function
from doctor.evidence.reaching import reaching
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import TrainingCode, spot_of
from doctor.evidence.training_scopes import Scope, written
from doctor.evidence.training_things import Thing, Things
from doctor.model import CodeChange

_LOSS_WORD = re.compile(r"loss|crit|cross_entropy|(^|[._])(ce|bce)($|_)|objective", re.IGNORECASE)
_SHAPING = names_in(
    """
    view reshape squeeze unsqueeze float double half permute transpose contiguous flatten to cuda cpu clone
    """
)
MAX_HOPS = 8


class SquashedInput(Struct, frozen=True, kw_only=True):
    """A loss that applies softmax or sigmoid itself gets what already went through it.

    Attributes
    ----------
    loss : str
        "cross-entropy" or "with-logits".
    call, squash : str
        The loss and what squashes, as they are written.
    spot, squash_spot : Spot
        Where they are.
    inside : str
        The class of the model whose output is squashed; empty where it is squashed beside the loss.
    """

    loss: str
    call: str
    squash: str
    spot: Spot
    squash_spot: Spot
    inside: str
    changes: tuple[CodeChange, ...]


class LossInputs(Struct, frozen=True, kw_only=True):
    """All such losses, and how many losses that want logits there are."""

    losses: int
    squashed: tuple[SquashedInput, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "LossInputs":
        """Follow the first argument of each such loss back to what made it."""
        found: list[SquashedInput] = []
        losses = 0
        for scope in code.judged:
            for call in scope.calls:
                kind = _kind(call, scope, code.things)
                given = _input(call) if kind else None
                if given is None:
                    continue
                losses += 1
                pattern = known.SOFTMAX if kind == "cross-entropy" else known.SIGMOID
                hit = _Search(code.things, pattern).look(given, scope, "", 0)
                if hit is not None:
                    found.append(_told(kind, call, scope, hit))
        return cls(losses=losses, squashed=tuple(found), too_deep=code.too_deep)


Hit = tuple[ast.Call, Scope, str, str]
"""What squashes, where, in which class, and what can stand in its place: see `CodeChange`."""


def _told(kind: str, call: ast.Call, scope: Scope, hit: Hit) -> SquashedInput:
    node, where, inside, instead = hit
    action = "replace" if instead else "drop"
    plain = instead != "{0}" or (node.args and not isinstance(node.args[0], ast.Starred))
    changes = (change(action, node, where, instead),) if plain else ()
    return SquashedInput(
        loss=kind,
        call=ast.unparse(call.func),
        squash=ast.unparse(node.func),
        spot=spot_of(call, scope),
        squash_spot=spot_of(node, where),
        inside=inside,
        changes=changes,
    )


def _kind(call: ast.Call, scope: Scope, things: Things) -> str:
    """Say whether a call is of a loss that wants logits."""
    dotted = written(call.func, scope.module)
    last = dotted.rpartition(".")[2] if dotted else ""
    if last and not _LOSS_WORD.search(last):
        return ""
    if dotted and last[:1].isupper():
        return ""
    names = [dotted] if known.CROSS_ENTROPY.fullmatch(dotted) or known.WITH_LOGITS.fullmatch(dotted) else []
    if not names:
        callees = things.of(call.func, scope)
        if not callees or any(thing.kind != "loss" for thing in callees):
            return ""
        names = [thing.name for thing in callees]
    for kind, pattern in (("cross-entropy", known.CROSS_ENTROPY), ("with-logits", known.WITH_LOGITS)):
        if all(map(pattern.fullmatch, names)):
            return kind
    return ""


def _input(call: ast.Call) -> ast.expr | None:
    if call.args:
        return call.args[0] if not isinstance(call.args[0], ast.Starred) else None
    return next((keyword.value for keyword in call.keywords if keyword.arg == "input"), None)


class _Search:
    """Looks for a function that squashes behind an expression."""

    def __init__(self, things: Things, pattern: re.Pattern[str]) -> None:
        self.things = things
        self.pattern = pattern

    def look(self, node: ast.expr, scope: Scope, inside: str, hops: int) -> Hit | None:
        """Return the call that squashes what an expression gives; None where none surely does."""
        if hops > MAX_HOPS:
            return None
        match node:
            case ast.Name(id=name):
                binding = reaching(name, node, scope)
                if binding is None or binding.path or not isinstance(binding.value, ast.expr):
                    return None
                return self.look(binding.value, scope, inside, hops + 1)
            case ast.Subscript(value=value):
                return self.look(value, scope, inside, hops + 1)
            case ast.Call():
                return self._call(node, scope, inside, hops)
        return None

    def _call(self, node: ast.Call, scope: Scope, inside: str, hops: int) -> Hit | None:
        function = node.func
        dotted = written(function, scope.module)
        if self.pattern.fullmatch(dotted):
            return (node, scope, inside, "{0}") if not dotted.rpartition(".")[2][:1].isupper() else None
        if isinstance(function, ast.Attribute):
            if function.attr in _SHAPING:
                return self.look(function.value, scope, inside, hops + 1)
            by_method = self.pattern.fullmatch(f"torch.{function.attr}") and not dotted.startswith("torch")
            if by_method and not any(thing.definition for thing in self.things.of(function, scope)):
                return (node, scope, inside, "{receiver}")
        callees = self.things.of(function, scope)
        hits = [self._behind(node, thing, scope, inside, hops) for thing in callees]
        return hits[0] if hits and all(hits) else None

    def _behind(self, node: ast.Call, thing: Thing, scope: Scope, inside: str, hops: int) -> Hit | None:
        """Look into what is called: a layer, a chain of layers, a model in view, or a function in view."""
        if thing.kind == "model" and self.pattern.fullmatch(thing.name):
            return node, scope, inside, "{0}"
        if thing.kind == "model" and thing.name.endswith(".Sequential") and isinstance(thing.key, ast.Call):
            return self._last_layer(thing, inside)
        if thing.kind in ("model", "self") and isinstance(thing.definition, ast.ClassDef):
            forward = self.things.scopes.method(thing.definition, "forward")
            return self._returned(forward, thing.definition.name, hops) if forward is not None else None
        if thing.kind in ("function", "method") and is_function(thing.definition):
            return self._returned(thing.definition, inside, hops)
        return None

    def _last_layer(self, thing: Thing, inside: str) -> Hit | None:
        chain = thing.key
        if not isinstance(chain, ast.Call) or not chain.args or thing.scope is None:
            return None
        last = chain.args[-1]
        if isinstance(last, ast.Call) and self.pattern.fullmatch(written(last.func, thing.scope.module)):
            return last, thing.scope, inside, ""
        return None

    def _returned(self, function: ast.AST, inside: str, hops: int) -> Hit | None:
        scope = self.things.scopes.of.get(function)
        if scope is None or scope.yields or not scope.returns:
            return None
        hits = [self.look(value, scope, inside, hops + 1) for value in scope.returns]
        return hits[0] if all(hits) else None


def squashes(loss_inputs: LossInputs, loss: str) -> Iterator[SquashedInput]:
    """Yield those of one loss."""
    return (one for one in loss_inputs.squashed if one.loss == loss)
