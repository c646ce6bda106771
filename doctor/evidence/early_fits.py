"""Fits in the code that saw rows which a split sets apart afterwards."""

import ast
from collections.abc import Callable, Iterable, Iterator, Set

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.fitted_tools import Family, names_in
from doctor.evidence.lineage_walk import LineageWalk, TooLong
from doctor.evidence.project import Function, Module, Project, is_function
from doctor.evidence.row_lineage import Leak, Ledger, Role, Spot, leaks, role_of

_FITS = names_in(
    "fit fit_transform fit_resample fit_sample adapt resample zscore scale minmax_scale quantile_transform"
    " power_transform robust_scale mean std median min sample fillna"
)
_SPLITS = names_in(
    """
    train_test_split random_split randomSplit cross_val_score cross_validate cross_val_predict validation_split Subset
    GridSearchCV RandomizedSearchCV HalvingGridSearchCV BayesSearchCV learning_curve validation_curve KFold GroupKFold
    StratifiedKFold RepeatedKFold RepeatedStratifiedKFold StratifiedGroupKFold ShuffleSplit StratifiedShuffleSplit
    GroupShuffleSplit LeaveOneOut LeavePOut LeaveOneGroupOut TimeSeriesSplit PredefinedSplit
    """
)
MAX_VALUES_APART = 250_000
"""Expressions looked at in all functions that nothing in view calls."""
_GIVEN = "="


class EarlyFit(Struct, frozen=True, kw_only=True):
    """One fit on rows that were divided afterwards, or had been before.

    Attributes
    ----------
    tool : str
        What was fitted, as its library calls it, or the formula as it stands in the code.
    spot, split_spot : Spot
        Where the fit and the split are.
    split : str
        What divides the rows.
    nested : bool
        Whether the rows were the training part of another split: the test rows are not among them.
    before : bool
        Whether the fit comes first.
    """

    tool: str
    family: Family
    spot: Spot
    split: str
    split_spot: Spot
    nested: bool
    before: bool


class EarlyFits(Struct, frozen=True, kw_only=True):
    """All of them in the scanned code; `too_long` names programs that could not be followed to their end."""

    fits: tuple[EarlyFit, ...]
    too_long: tuple[str, ...] = ()

    @classmethod
    def measure(cls, project: Project) -> "EarlyFits":
        """Follow each program from its first line to its last, then each function that none of them calls.

        Raises
        ------
        NotApplicable
            When nothing is fitted in the code, or nothing is divided.
        """
        said = {module: _Words(module) for module in project.modules if not module.is_test}
        fitting = [module for module, words in said.items() if words.all & _FITS]
        dividing = [module for module, words in said.items() if _divides(words.all)]
        if not (fitting and dividing):
            raise NotApplicable("nothing in the code is both fitted and split")
        found: dict[tuple[object, ...], EarlyFit] = {}
        entered: set[ast.AST] = set()
        too_long: dict[str, None] = {}
        started = [module for module in project.entries() if module in fitting or module in dividing]
        looked_at = 0
        for module in dict.fromkeys([*started, *dividing]):
            if module not in started and looked_at > MAX_VALUES_APART:
                too_long[module.program.shown] = None
                continue
            for ledger, values in _flows(project, said[module], module in started, entered, too_long):
                looked_at += values
                for leak in leaks(ledger):
                    fit = _told(leak)
                    found.setdefault((fit.spot.at.path, fit.spot.at.cell, fit.spot.at.line, fit.spot.character), fit)
        return cls(fits=tuple(found.values()), too_long=tuple(too_long))


def _flows(
    project: Project, words: "_Words", started: bool, entered: set[ast.AST], too_long: dict[str, None]
) -> Iterator[tuple[Ledger, int]]:
    """Yield what happens in a module and the expressions looked at, then in each function that nothing called."""
    module = words.module
    walk = LineageWalk(project, module if started else None)
    walk.entered = entered
    if not _goes_through(lambda: walk.run(module)):
        too_long[module.program.shown] = None
        return
    yield walk.ledger, 0
    state = walk.state
    for function, cls in words.functions:
        if function in entered or not ((said := words.around(function)) & _FITS and _divides(said)):
            continue
        walk.begin_anew(state.copy())
        _goes_through(lambda: walk.run_function(module, function, cls))  # noqa: B023  # run at once
        yield walk.ledger, walk.looked_at


def _goes_through(follow: Callable[[], object]) -> bool:
    try:
        follow()
    except (RecursionError, TooLong):
        return False
    return True


def _told(leak: Leak) -> EarlyFit:
    return EarlyFit(
        tool=leak.fit.tool,
        family=leak.fit.family,
        spot=leak.fit.spot,
        split=leak.split.call,
        split_spot=leak.split.spot,
        nested=leak.nested,
        before=leak.before,
    )


def _divides(words: Set[str]) -> bool:
    """Whether something may be divided: by a function that does so, or by slices with the names of two sides."""
    return bool(words & _SPLITS) or set(Role) <= {role_of(word) for word in words if word.startswith(_GIVEN)}


class _Words:
    """The names in a module, in all of it and in each of its functions, by which it may fit or divide."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.functions = list(_functions(module))
        self._of = {function: _names([function]) for function, _ in self.functions}
        self._named: dict[str, list[Function]] = {}
        for function, _ in self.functions:
            self._named.setdefault(function.name, []).append(function)
        apart = set(self._of)
        rest = [node for node in module.program.tree.body if node not in apart]
        imported = {name.rpartition(".")[2] for name in module.imports.values()}
        self.all = imported.union(_names(rest, apart), *self._of.values())

    def around(self, function: Function) -> set[str]:
        """Return the names in a function and in those of the module that it may call."""
        seen, waiting = {function}, [function]
        for one in waiting:
            called = [other for name in self._of[one] for other in self._named.get(name, ()) if other not in seen]
            seen.update(called)
            waiting += called
        return set().union(*(self._of[one] for one in seen))


def _functions(module: Module) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    for node in module.definitions.values():
        if is_function(node):
            yield node, None
        elif isinstance(node, ast.ClassDef):
            yield from ((part, node) for part in node.body if is_function(part))


def _names(nodes: Iterable[ast.AST], apart: Set[ast.AST] = frozenset()) -> set[str]:
    """Return the names in nodes, without what stands in those apart; quicker than `ast.walk`.

    Names that a value is given to begin with a mark.
    """
    names: set[str] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            names.add(_GIVEN + node.id if isinstance(node.ctx, ast.Store) else node.id)
            continue
        if isinstance(node, ast.Attribute):
            names.add(_GIVEN + node.attr if isinstance(node.ctx, ast.Store) else node.attr)
        elif isinstance(node, ast.keyword) and node.arg:
            names.add(node.arg)
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [part for part in value if isinstance(part, ast.AST) and part not in apart]
    return names
