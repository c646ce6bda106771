"""Functions of training code as what they do, each read once, and which of them matter."""

import ast
from collections import deque
from collections.abc import Callable, Iterable

from doctor.evidence import training_names as known
from doctor.evidence.fitted_tools import names_in
from doctor.evidence.training_events import Block, Node
from doctor.evidence.training_reader import Reader, turns_off
from doctor.evidence.training_scopes import Scope, Scopes
from doctor.evidence.training_things import Things

TELLING = names_in(
    """
    backward manual_backward zero_grad step unscale_ eval train no_grad inference_mode set_epoch
    set_grad_enabled clip_grad_norm_ clip_grad_value_ grad
    """
)
"""Words by which a function may matter to training."""
BACKWARD = frozenset(("backward", "manual_backward"))
STEP = frozenset(("step", "optimizer_step"))
_COMMON = names_in("get set add append items values keys pop copy join forward __call__")


class Flows:
    """The bodies of functions as events and blocks; each is read once."""

    def __init__(self, things: Things) -> None:
        self.things = things
        self._kept: dict[Scope, list[Node]] = {}
        named = _by_word(things.scopes)
        self.telling = _reaching(things.scopes, named, lambda scope: bool(scope.words & TELLING) or _evaluates(scope))
        backward = _reaching(things.scopes, named, lambda scope: bool(scope.words & BACKWARD))
        step = _reaching(things.scopes, named, lambda scope: bool(scope.words & STEP))
        self._names = tuple(_names(scopes) | words for scopes, words in ((backward, BACKWARD), (step, STEP)))

    def may_train(self, scope: Scope) -> bool:
        """Whether a loop of a function may come to both a backward pass and a step, by the names in it."""
        both = all(not scope.words.isdisjoint(names) for names in self._names)
        return both and any(map(self._may_train, scope.loops))

    def _may_train(self, node: ast.AST) -> bool:
        words = {
            part.attr if isinstance(part, ast.Attribute) else part.id
            for part in ast.walk(node)
            if isinstance(part, ast.Attribute | ast.Name)
        }
        return all(words & names for names in self._names)

    def followed(self, scope: Scope) -> list[Node] | None:
        """Return what a called function does; None where it does not matter."""
        return self.of(scope) if scope in self.telling else None

    def of(self, scope: Scope) -> list[Node]:
        """Return what a function or a module does; of one that calls itself, what it does before."""
        if scope not in self._kept:
            body: list[Node] = []
            self._kept[scope] = body
            Reader(self.things, scope, self.followed).block(scope.node.body, body)
            for decorator in getattr(scope.node, "decorator_list", ()):
                if turns_off(decorator, scope):
                    quiet = Block("with", decorator, scope, list(body), quiet=True)
                    body[:] = [quiet]
        return self._kept[scope]


def _by_word(scopes: Scopes) -> dict[str, list[Scope]]:
    named: dict[str, list[Scope]] = {}
    for scope in scopes.all:
        for word in scope.words:
            named.setdefault(word, []).append(scope)
    return named


def _names(scopes: Iterable[Scope]) -> set[str]:
    """Return the names by which functions are called, those aside that so many things have."""
    names = {scope.owner.name if scope.owner and scope.name == "__init__" else scope.name for scope in scopes}
    return names - _COMMON - {""}


def _evaluates(scope: Scope) -> bool:
    return bool(scope.name and known.EVALUATING.search(scope.name))


def _reaching(scopes: Scopes, named: dict[str, list[Scope]], begins: Callable[[Scope], bool]) -> set[Scope]:
    """Find some functions and those that may come to them, as they speak of their names."""
    found = set(filter(begins, scopes.all))
    waiting = deque(found)
    spread: set[str] = set()
    while waiting:
        scope = waiting.popleft()
        name = scope.owner.name if scope.owner and scope.name == "__init__" else scope.name
        if not name or name in _COMMON or name in spread:
            continue
        spread.add(name)
        for caller in named.get(name, ()):
            if caller not in found:
                found.add(caller)
                waiting.append(caller)
    return found
