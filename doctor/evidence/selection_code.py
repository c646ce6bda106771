"""Models that are chosen by their score on test data."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence import training_names as known
from doctor.evidence.reaching import reaching
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import TrainingCode, spot_of
from doctor.evidence.training_scopes import Scope
from doctor.evidence.training_things import last_name

_KEEPING = re.compile(r"save|deepcopy|state_dict|dump|copy_weights|clone|checkpoint", re.IGNORECASE)
_STOPPING = re.compile(r"patience|counter|wait|bad_epochs|no_improve|early|stop", re.IGNORECASE)
_CHOSEN = re.compile(r"best|chosen|selected", re.IGNORECASE)
_MEASURING = re.compile(r"eval|test|score|valid|predict|accuracy|metric|loss|acc", re.IGNORECASE)


class Selection(Struct, frozen=True, kw_only=True):
    """A choice by a score on test data.

    Attributes
    ----------
    kind : str
        "kept" where a model or its settings are kept, "stopped" where training ends by it, "schedule".
    score, measured : str
        What is compared, and how it was had.
    """

    kind: str
    score: str
    measured: str
    spot: Spot
    measured_spot: Spot


class SelectionCode(Struct, frozen=True, kw_only=True):
    """All of them, and how many choices by a score were seen."""

    choices: int
    by_test: tuple[Selection, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "SelectionCode":
        """Look at each comparison in a loop that keeps what is best."""
        choices = 0
        found: dict[Spot, Selection] = {}
        for scope in code.judged:
            for loop in scope.loops:
                for kind, score, node in _choices(loop, code, scope):
                    choices += 1
                    hit = _of_test(score, loop, scope)
                    if hit is not None and not _validates(scope):
                        spot = spot_of(node, scope)
                        found.setdefault(
                            spot,
                            Selection(
                                kind=kind,
                                score=score.id,
                                measured=ast.unparse(hit).partition("\n")[0][:70],
                                spot=spot,
                                measured_spot=spot_of(hit, scope),
                            ),
                        )
        return cls(choices=choices, by_test=tuple(found.values()), too_deep=code.too_deep)


def _choices(loop: ast.AST, code: TrainingCode, scope: Scope) -> Iterator[tuple[str, ast.Name, ast.AST]]:
    for node in ast.walk(loop):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Compare) and len(node.test.comparators) == 1:
            sides = (node.test.left, node.test.comparators[0])
            for score, best in (sides, sides[::-1]):
                kind = _kept(node, score, best) if isinstance(score, ast.Name) else ""
                if kind and isinstance(score, ast.Name):
                    yield kind, score, node
        elif isinstance(node, ast.Call) and last_name(node.func) == "step" and isinstance(node.func, ast.Attribute):
            given = node.args[0] if len(node.args) == 1 else None
            if isinstance(given, ast.Name) and any(
                known.PLATEAU.fullmatch(thing.name) for thing in code.things.of(node.func.value, scope)
            ):
                yield "schedule", given, node


def _kept(node: ast.If, score: ast.Name, best: ast.expr) -> str:
    """Say what a branch keeps when a score is the best so far; empty where it only notes the score."""
    written = ast.unparse(best)
    notes = kept = stopped = False
    for part in (part for one in node.body for part in ast.walk(one)):
        match part:
            case ast.Assign(targets=[target], value=value):
                name = ast.unparse(target)
                own = name == written and score.id in {one.id for one in ast.walk(value) if isinstance(one, ast.Name)}
                notes = notes or own
                kept = kept or (not own and bool(_CHOSEN.search(name)))
                stopped = stopped or bool(_STOPPING.search(name))
            case ast.Call(func=function):
                kept = kept or bool(_KEEPING.search(last_name(function)))
    if not notes:
        return ""
    return "kept" if kept else "stopped" if stopped else ""


def _of_test(score: ast.Name, loop: ast.AST, scope: Scope) -> ast.AST | None:
    """Return what measured a score on test data; None where that is not known."""
    binding = reaching(score.id, score, scope)
    if binding is None or binding.node not in set(ast.walk(loop)) or not isinstance(binding.value, ast.expr):
        return None
    value = binding.value
    if isinstance(value, ast.Call) and _MEASURING.search(ast.unparse(value.func)) and _is_of_test(value):
        return binding.node
    if isinstance(value, ast.BinOp | ast.Call):
        names = {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}
        for inner in ast.walk(loop):
            if (
                isinstance(inner, ast.For)
                and _is_of_test(inner.iter)
                and any(
                    isinstance(part, ast.AugAssign) and isinstance(part.target, ast.Name) and part.target.id in names
                    for part in ast.walk(inner)
                )
            ):
                return inner
    return None


def _is_of_test(node: ast.AST) -> bool:
    words = {
        part.id if isinstance(part, ast.Name) else part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute)
    }
    given = {word for word in words if word not in ("test", "testing")}
    return any(known.TESTING.search(word.lower()) for word in given) and not any(
        known.TRAINING.search(word.lower()) or known.VALIDATING.search(word.lower()) for word in given
    )


def _validates(scope: Scope) -> bool:
    """Whether the module speaks of validation data: then the test data may be there to be reported only."""
    top = scope.module.program.tree
    said = {part.id for part in ast.walk(top) if isinstance(part, ast.Name)}
    said |= {part.arg for part in ast.walk(top) if isinstance(part, ast.arg)}
    said |= {part.attr for part in ast.walk(top) if isinstance(part, ast.Attribute)} - {"eval"}
    return any(known.VALIDATING.search(word.lower()) for word in said)
