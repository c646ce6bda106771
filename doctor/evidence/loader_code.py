"""Loaders that training loops go over: how they are made, in which order, and for which rank."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence import training_names as known
from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import StepLoop, TrainingCode, spot_of
from doctor.evidence.training_scopes import Scope, written
from doctor.evidence.training_things import Thing, last_name, surely_same
from doctor.model import CodeChange

_WRAPPING = ("enumerate", "tqdm", "trange", "iter", "list", "track", "islice", "prefetch", "zip")
_RANKS = re.compile(
    r"rank|world|shard|distribut|sampler|split_dataset_by_node|num_replicas|process_index", re.IGNORECASE
)
_MIXED = re.compile(r"shuffle|perm|random|sample|train_test_split", re.IGNORECASE)
_ORDERED = re.compile(r"sort|bptt|sequen|time|stream|stateful|window|order|curriculum|replay|buffer", re.IGNORECASE)
_MANAGED = {"Accelerator", "accelerator", "Fabric", "fabric", "LightningModule", "prepare_data_loader", "ray"}


class TrainingLoader(Struct, frozen=True, kw_only=True):
    """A loader that was seen to be made and that a loop which steps goes over.

    Attributes
    ----------
    name : str
        As the loop calls it.
    spot : Spot
        Where it is made.
    loop_spot : Spot
        The loop.
    epochs : bool
        Whether the loop stands in another, or in a function that one calls.
    distributed : bool
        Whether it has a DistributedSampler that shuffles and nothing speaks of set_epoch.
    parallel : str
        Where the model is wrapped for several ranks while nothing divides the data; empty else.
    unshuffled : bool
        Whether it gives items in the order in which they are stored, and they are known to be stored.
    drawn : bool
        Whether the order was drawn once before, as by random_split.
    """

    name: str
    spot: Spot
    loop_spot: Spot
    epochs: bool
    distributed: bool
    parallel: str
    unshuffled: bool
    drawn: bool
    epoch_changes: tuple[CodeChange, ...]
    shuffle_changes: tuple[CodeChange, ...]


class LoaderCode(Struct, frozen=True, kw_only=True):
    """All of them."""

    loaders: tuple[TrainingLoader, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "LoaderCode":
        """Look at what each loop that trains goes over."""
        found: dict[Spot, TrainingLoader] = {}
        wrapped = list(_wrapped(code))
        for loop in code.loops:
            node = loop.block.node
            if not isinstance(node, ast.For) or not loop.of("backward"):
                continue
            over = _iterated(node.iter)
            things = code.things.of(over, loop.scope)
            if (
                len(things) == 1
                and things[0].kind == "loader"
                and isinstance(things[0].key, ast.Call)
                and things[0].scope
            ):
                loader = _told(things[0], over, loop, code, wrapped)
                found.setdefault(loader.spot, loader)
        return cls(loaders=tuple(found.values()), too_deep=code.too_deep)


def _iterated(node: ast.expr) -> ast.expr:
    """Return what is gone over, without what counts it or shows progress."""
    while isinstance(node, ast.Call) and node.args and last_name(node.func) in _WRAPPING:
        node = node.args[0]
    return node


def _wrapped(code: TrainingCode) -> Iterator[tuple[tuple[Thing, ...], Spot]]:
    """Yield each model that is copied to several ranks, and where."""
    for scope in code.judged:
        for call in scope.calls:
            if call.args and known.PARALLEL.fullmatch(written(call.func, scope.module)):
                yield code.things.of(call.args[0], scope), spot_of(call, scope)


def _told(
    loader: Thing, over: ast.expr, loop: StepLoop, code: TrainingCode, wrapped: list[tuple[tuple[Thing, ...], Spot]]
) -> TrainingLoader:
    call, scope = loader.key, loader.scope
    if not isinstance(call, ast.Call) or scope is None:
        raise TypeError(loader)
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    open_ended = None in given or len(call.args) > 3
    near = {loop.scope.module, scope.module, *(caller.module for caller, _ in code.things.callers(loop.scope))}
    words = {word for one in code.scopes.all if one.module in near for word in one.words}
    managed = bool(words & _MANAGED)
    sampler = given.get("sampler")
    kinds = code.things.of(sampler, scope) if sampler is not None else ()
    distributed = bool(kinds) and all(one.kind == "sampler" and _shuffles(one) for one in kinds)
    plain = not (open_ended or managed or set(given) & {"sampler", "batch_sampler"})
    text = ast.unparse(call) + " ".join(ast.unparse(value) for value in _sources(call, scope))
    parallel = ""
    if plain and _is_map_style(call, scope, code) and not _RANKS.search(text):
        models = [thing for event, _ in loop.of("forward") for thing in event.things]
        hits = [spot for things, spot in wrapped if surely_same(things, tuple(models))]
        parallel = str(hits[0].at) if hits else ""
    told = given.get("shuffle", call.args[2] if len(call.args) == 3 else None)
    off = told is None or (isinstance(told, ast.Constant) and told.value is False)
    whole = "len(" in ast.unparse(given.get("batch_size", ast.Constant(1)))
    stored = _is_map_style(call, scope, code) and not _ORDERED.search(text)
    unshuffled = plain and off and not whole and not parallel and stored
    return TrainingLoader(
        name=ast.unparse(over),
        spot=spot_of(call, scope),
        loop_spot=spot_of(loop.block.node, loop.scope),
        epochs=_repeats(loop, code),
        distributed=distributed and not managed and "set_epoch" not in words,
        parallel=parallel,
        unshuffled=unshuffled,
        drawn=bool(_MIXED.search(text.replace("shuffle=False", ""))),
        epoch_changes=_epoch_set(over, loop),
        shuffle_changes=(change("keyword", call, scope, "shuffle=True"),) if len(call.args) < 3 else (),
    )


def _shuffles(sampler: Thing) -> bool:
    call = sampler.key
    if not isinstance(call, ast.Call) or any(keyword.arg is None for keyword in call.keywords) or len(call.args) > 3:
        return False
    told = next((keyword.value for keyword in call.keywords if keyword.arg == "shuffle"), None)
    return told is None or (isinstance(told, ast.Constant) and told.value is True)


def _sources(call: ast.Call, scope: Scope) -> list[ast.expr]:
    """Return the values that the data set of a loader was made from, two names back."""
    found: list[ast.expr] = []
    waiting = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "dataset")]
    for _ in range(3):
        names = {part.id for value in waiting for part in ast.walk(value) if isinstance(part, ast.Name)}
        values = [binding.value for name in names for binding in scope.bindings.get(name, ())]
        waiting = [value for value in values if isinstance(value, ast.expr) and value not in found]
        found += waiting
    return found


def _is_map_style(call: ast.Call, scope: Scope, code: TrainingCode) -> bool:
    """Whether the data set is known to be read by number, and not as a stream."""
    data = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "dataset"), None)
    if data is None:
        return False
    things = code.things.of(data, scope)
    return bool(things) and all(_by_number(thing, code) for thing in things)


def _by_number(thing: Thing, code: TrainingCode) -> bool:
    if thing.kind == "part":
        return True
    if isinstance(thing.definition, ast.ClassDef):
        bases = code.scopes.bases(thing.definition)
        streams = any(known.ITERABLE.fullmatch(base) for base in bases)
        return not streams and code.scopes.method(thing.definition, "__getitem__") is not None
    return bool(known.MAP_STYLE.fullmatch(thing.name))


def _repeats(loop: StepLoop, code: TrainingCode) -> bool:
    if any(block.kind == "loop" for block in loop.around):
        return True
    return any(
        any(isinstance(outer, ast.For | ast.While) for outer in caller.module.enclosing(call))
        for caller, call in code.things.callers(loop.scope)
    )


def _epoch_set(over: ast.expr, loop: StepLoop) -> tuple[CodeChange, ...]:
    outer = next((block for block in reversed(loop.around) if block.kind == "loop"), None)
    if outer is None or not isinstance(outer.node, ast.For) or not isinstance(outer.node.target, ast.Name):
        return ()
    if not isinstance(over, ast.Name | ast.Attribute):
        return ()
    code = f"{ast.unparse(over)}.sampler.set_epoch({outer.node.target.id})"
    return (change("first", outer.node, loop.scope, code),)
