"""Fits in the code that saw rows which a split sets apart afterwards."""

import ast
from collections.abc import Callable, Iterator, Set

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.fitted_tools import Family, names_in
from doctor.evidence.lineage_walk import LineageWalk, TooLong
from doctor.evidence.project import Function, Module, Project, is_function
from doctor.evidence.row_lineage import Leak, Ledger, Role, Spot, leaks, role_of
from doctor.subjects.source import Source

_FITS = names_in(
    "fit fit_transform fit_resample fit_sample adapt resample zscore scale minmax_scale quantile_transform"
    " power_transform robust_scale mean std median min sample fillna"
)
_SPLITS = names_in(
    "train_test_split random_split randomSplit cross_val_score cross_validate cross_val_predict split validation_split"
    " GridSearchCV RandomizedSearchCV Subset learning_curve validation_curve"
)


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
    def measure(cls, source: Source) -> "EarlyFits":
        """Follow each program from its first line to its last, then each function that none of them calls.

        Raises
        ------
        NotApplicable
            When nothing is fitted in the code, or nothing is divided.
        """
        project = Project(source.programs)
        said = {module: _said(module) for module in project.modules if not module.is_test}
        fitting = [module for module, words in said.items() if words & _FITS]
        dividing = [module for module in said if _divides(said[module])]
        if not (fitting and dividing):
            raise NotApplicable("nothing in the code is both fitted and split")
        found: dict[tuple[object, ...], EarlyFit] = {}
        entered: set[ast.AST] = set()
        too_long: dict[str, None] = {}
        started = [module for module in project.entries() if module in fitting or module in dividing]
        for module in dict.fromkeys([*started, *dividing]):
            for ledger in _flows(project, module, module in started, entered, too_long):
                for leak in leaks(ledger):
                    fit = _told(leak)
                    found.setdefault((fit.spot.at.path, fit.spot.at.cell, fit.spot.at.line, fit.spot.character), fit)
        return cls(fits=tuple(found.values()), too_long=tuple(too_long))


def _flows(
    project: Project, module: Module, started: bool, entered: set[ast.AST], too_long: dict[str, None]
) -> Iterator[Ledger]:
    """Yield what happens in a module, then in each of its functions that nothing called."""
    walk = LineageWalk(project, module if started else None)
    walk.entered = entered
    if not _goes_through(lambda: walk.run(module)):
        too_long[module.program.shown] = None
        return
    yield walk.ledger
    state = walk.state
    for function, cls in _functions(module):
        if function in entered or not _divides(names := _names(function)) or not names & _FITS:
            continue
        walk.begin_anew(state.copy())
        _goes_through(lambda: walk.run_function(module, function, cls))  # noqa: B023  # run at once
        yield walk.ledger


def _goes_through(follow: Callable[[], object]) -> bool:
    try:
        follow()
    except (RecursionError, TooLong):
        return False
    return True


def _functions(module: Module) -> Iterator[tuple[Function, ast.ClassDef | None]]:
    for node in module.definitions.values():
        if is_function(node):
            yield node, None
        elif isinstance(node, ast.ClassDef):
            yield from ((part, node) for part in node.body if is_function(part))


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


def _names(node: ast.AST) -> set[str]:
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute):
            names.add(part.attr)
        elif isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.keyword) and part.arg:
            names.add(part.arg)
    return names


def _divides(words: Set[str]) -> bool:
    """Whether something may be divided: by a function that does so, or by slices with the names of two sides."""
    return bool(words & _SPLITS) or set(Role) <= {role_of(word) for word in words}


def _said(module: Module) -> frozenset[str]:
    """Return the words by which a module may fit or divide."""
    return frozenset(_names(module.program.tree) | {name.rpartition(".")[2] for name in module.imports.values()})
