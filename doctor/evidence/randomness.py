"""What the programs draw at random, where they seed it, and whether it reaches a training run or a data set."""

import ast
import re
from collections.abc import Iterator

from msgspec import Struct

from doctor.evidence.project import Module, Project, first_line_after_imports, is_function, words
from doctor.evidence.random_libraries import EVERY, draw, from_clock, is_aside, purpose, seeded_by
from doctor.evidence.unordered import source_of_disorder
from doctor.evidence.walkthrough import Step, Walk, full_name, shown
from doctor.subjects.source import Place

GENERATORS = {
    "numpy.random.default_rng": "numpy",
    "numpy.random.RandomState": "numpy",
    "numpy.random.Generator": "numpy",
    "random.Random": "random",
    "torch.Generator": "torch",
}
_SEED_CALLS = {
    "random": "random.seed(0)",
    "numpy": "numpy.random.seed(0)",
    "torch": "torch.manual_seed(0)",
    "tensorflow": "tensorflow.keras.utils.set_random_seed(0)",
}


class Remedy(Struct, frozen=True, kw_only=True):
    """The code that would make a draw repeatable: an edited line, or one to be put before `line`."""

    code: str
    line: int
    inserted: bool


class Draw(Struct, frozen=True, kw_only=True):
    """A call that draws at random.

    Attributes
    ----------
    library : str
        Whose generator it uses, or "set", "listing", "hash" for an order that comes from nowhere.
    generators : frozenset of str
        Seeding any of them before makes it repeatable; empty where only an argument or another call would.
    use : str
        "order" (which rows, in which order), "value" or "model" (initial weights, an estimator's randomness).
    turn : int
        Its turn in the order in which the program makes its calls.
    child : str
        How the process is started in which it happens; empty for the main one.
    """

    library: str
    call: str
    generators: frozenset[str]
    use: str
    at: Place
    place: Place
    turn: int
    child: str
    remedy: Remedy


class Seeding(Struct, frozen=True, kw_only=True):
    """A call that seeds, with what may be wrong with where it stands.

    Attributes
    ----------
    turn : int or None
        None where nothing ever calls it.
    function : str
        The function in which it stands, empty at the top of a program.
    moving : bool
        The seed is another one on each run.
    branch : str
        The test of the debugging branch that it stands in.
    each_epoch : bool
        The same seed is set anew in every turn of a loop over epochs.
    """

    call: str
    generators: frozenset[str]
    at: Place
    place: Place
    turn: int | None
    function: str = ""
    moving: bool = False
    branch: str = ""
    each_epoch: bool = False
    child: str = ""


class CopiedGenerator(Struct, frozen=True, kw_only=True):
    """A generator made once by a data set and copied, in the same state, into every worker of its loader."""

    library: str
    attribute: str
    data_set: str
    at: Place
    made: Place


class ProgramRandomness(Struct, frozen=True, kw_only=True):
    """One started program, with all that it calls in other scanned files."""

    path: str
    purposes: frozenset[str]
    draws: tuple[Draw, ...]
    seedings: tuple[Seeding, ...]
    copied: tuple[CopiedGenerator, ...]


class Randomness(Struct, frozen=True, kw_only=True):
    """All started programs among the scanned ones; libraries and tests are none."""

    programs: tuple[ProgramRandomness, ...]
    too_deep: tuple[str, ...]
    """Programs that could not be followed because their code is nested too deeply."""

    @classmethod
    def measure(cls, project: Project) -> "Randomness":
        """Follow each program that trains or draws from its first line to its last. Nothing is executed."""
        programs = []
        too_deep = []
        anywhere = _Anywhere()
        for entry in project.entries():
            try:
                programs.append(_measure(project, entry, anywhere))
            except RecursionError:
                too_deep.append(entry.program.shown)
        return cls(programs=tuple(programs), too_deep=tuple(too_deep))


def _measure(project: Project, entry: Module, anywhere: "_Anywhere") -> ProgramRandomness:
    walk = Walk(project, entry)
    draws = tuple(_draws(walk))
    return ProgramRandomness(
        path=entry.program.shown,
        purposes=frozenset(str(found) for step in walk.steps if (found := purpose(step))),
        draws=draws,
        seedings=(*_seedings(walk), *(_uncalled(walk, anywhere) if draws else ())),
        copied=tuple(_copied(walk)),
    )


def _draws(walk: Walk) -> Iterator[Draw]:
    set_elsewhere = _set_elsewhere(walk.entry)
    for turn, step in enumerate(walk.steps):
        kind = draw(step)
        disorder = None if kind else source_of_disorder(step)
        if not (kind or disorder) or is_aside(step, kind):
            continue
        if kind and kind.argument.startswith("random_state") and set_elsewhere:
            continue
        library = kind.library if kind else disorder or ""
        generators = kind.generators if kind else frozenset()
        if kind and step.frame.framework in ("__getitem__", "__iter__", "__next__", "__call__", "collate_fn"):
            generators |= {"torch"} & (EVERY if "torch" in step.frame.module.roots and generators else frozenset())
        yield Draw(
            library=library,
            call=step.shown,
            generators=generators,
            use=str(kind.use) if kind else "order",
            at=step.at,
            place=step.place,
            turn=turn,
            child=step.frame.child,
            remedy=_remedy(walk, step, library, kind.argument if kind else ""),
        )


def _set_elsewhere(module: Module) -> bool:
    """Whether `random_state` is set as an attribute or named in a grid of parameters."""
    for node in module.program.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.endswith("random_state"):
            return True
        if isinstance(node, ast.Attribute) and node.attr == "random_state" and isinstance(node.ctx, ast.Store):
            return True
        if isinstance(node, ast.keyword) and node.arg and node.arg.endswith("__random_state"):
            return True
    return False


def _remedy(walk: Walk, step: Step, library: str, argument: str) -> Remedy:
    code = ast.unparse(step.call)
    if library in ("set", "listing"):
        inner = code if library == "listing" else ast.unparse(step.call.args[0])
        cured = f"enumerate(sorted({inner}))" if step.name == "enumerate" else f"sorted({inner})"
        return Remedy(code=cured, line=step.place.line, inserted=False)
    if library == "hash":
        inner = ast.unparse(step.call.args[0])
        return Remedy(code=f"zlib.crc32(str({inner}).encode())", line=step.place.line, inserted=False)
    if argument == "0":
        return Remedy(code=f"{ast.unparse(step.call.func)}(0)", line=step.place.line, inserted=False)
    if argument:
        comma = ", " if step.call.args or step.call.keywords else ""
        return Remedy(code=f"{code[:-1]}{comma}{argument})", line=step.place.line, inserted=False)
    call = _SEED_CALLS[library]
    for alias, module in walk.entry.imports.items():
        if call.startswith(f"{module}."):
            call = alias + call[len(module) :]
            break
    line = walk.entry.program.place(first_line_after_imports(walk.entry.program.tree)).line
    return Remedy(code=call, line=line, inserted=True)


def _seedings(walk: Walk) -> Iterator[Seeding]:
    for turn, step in enumerate(walk.steps):
        generators = seeded_by(step.name)
        if not generators or _is_temporary(step):
            continue
        if generators == EVERY and _is_followed(walk, step):
            continue
        frame = step.frame
        yield Seeding(
            call=step.shown,
            generators=generators,
            at=step.at,
            place=step.place,
            turn=turn,
            function=frame.functions[-1] if frame.functions else "",
            moving=from_clock(step),
            branch=frame.branch,
            each_epoch=frame.epoch is not None and not _varies(step),
            child=frame.child,
        )


def _is_followed(walk: Walk, step: Step) -> bool:
    """Whether the function is in view, so that what it seeds was seen rather than taken at its word."""
    return step.call in walk.followed


def _is_temporary(step: Step) -> bool:
    """Whether the state of the generators is put back afterwards."""
    return any(
        isinstance(outer, ast.With)
        and any(re.search("seed|rng|random", word) for item in outer.items for word in words(item))
        for outer in step.frame.module.enclosing(step.call)
    )


def _varies(step: Step) -> bool:
    loop = step.frame.epoch
    stored = (
        {part.id for part in ast.walk(loop) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
        if loop
        else set()
    )
    said = {
        word for argument in (*step.call.args, *(key.value for key in step.call.keywords)) for word in words(argument)
    }
    return bool(stored & said) or step.frame.framework != ""


class _Anywhere:
    """The calls of each module that would seed, were they reached; looked for once for all programs."""

    def __init__(self) -> None:
        self._kept: dict[Module, list[tuple[ast.Call, Seeding]]] = {}

    def of(self, module: Module) -> list[tuple[ast.Call, Seeding]]:
        if module not in self._kept:
            self._kept[module] = list(self._found(module))
        return self._kept[module]

    def _found(self, module: Module) -> Iterator[tuple[ast.Call, Seeding]]:
        for node in module.calls:
            name = full_name(node.func, module, {}) or ""
            if "." in name and (generators := seeded_by(name)):
                function = next((outer.name for outer in module.enclosing(node) if is_function(outer)), "")
                place = module.program.place(node.lineno)
                call = shown(node)
                yield (
                    node,
                    Seeding(call=call, generators=generators, at=place, place=place, turn=None, function=function),
                )


def _uncalled(walk: Walk, anywhere: _Anywhere) -> Iterator[Seeding]:
    """Find seeding that stands in the code but is never reached."""
    reached = {step.call for step in walk.steps}
    for module in walk.modules:
        yield from (seeding for node, seeding in anywhere.of(module) if node not in reached)


def _copied(walk: Walk) -> Iterator[CopiedGenerator]:
    """Find data sets that draw from a generator of their own and are read by several workers."""
    for step in walk.steps:
        if not re.fullmatch(r"torch\.utils\.data\.(\w+\.)?DataLoader", step.name) or not step.call.args:
            continue
        workers = step.argument("num_workers")
        none = workers is None or (isinstance(workers, ast.Constant) and not workers.value)
        if none or step.argument("worker_init_fn") is not None:
            continue
        found = walk.class_of(step.call.args[0], step.frame)
        if found is None:
            continue
        cls = found[1]
        for (owner, attribute), kind in walk.attributes.items():
            if owner is cls and kind in GENERATORS and _draws_per_item(cls, attribute):
                yield CopiedGenerator(
                    library=GENERATORS[kind],
                    attribute=f"self.{attribute}",
                    data_set=cls.name,
                    at=step.at,
                    made=found[0].program.place(cls.lineno),
                )


def _draws_per_item(cls: ast.ClassDef, attribute: str) -> bool:
    methods = {part.name: part for part in cls.body if is_function(part)}
    if "__getitem__" not in methods or any("get_worker_info" in set(words(part)) for part in methods.values()):
        return False
    waiting = ["__getitem__"]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        seen.add(name)
        said = set(words(methods[name]))
        if attribute in said:
            return True
        waiting += [word for word in said & methods.keys() if word not in seen and word != "__init__"]
    return False
