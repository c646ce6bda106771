"""Finds the installed checks, reads what they declare, and holds what the user says of them against that.

Checks are found through the entry-point group `doctor.checks`; nothing here knows one by name.
"""

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any

import msgspec

from doctor.errors import DoctorError, UsageError
from doctor.model import Check, Finding, Undecided
from doctor.rendering import load_renderer as load_renderer
from doctor.settings import Settings, Suppression


@dataclass(frozen=True, kw_only=True)
class LoadedCheck:
    """A check as found on disk: its declaration, its function and its manual page."""

    check: Check
    examine: Callable[..., Iterable[Finding | Undecided]]
    manual: str
    evidence: tuple[type, ...]
    thresholds: Mapping[str, inspect.Parameter]

    @property
    def id(self) -> str:
        """`family/name`."""
        return self.check.id

    @property
    def summary(self) -> str:
        """The first line of the manual page."""
        return self.manual.strip().partition("\n")[0]


@cache
def load_checks() -> tuple[LoadedCheck, ...]:
    """Find all installed checks, sorted by id.

    Raises
    ------
    DoctorError
        When there is none, when two bear the same id or when one does not load: silence is not health.
    """
    found: dict[str, LoadedCheck] = {}
    for point in sorted(entry_points(group="doctor.checks"), key=lambda point: (point.name, point.value)):
        for module in _modules(point):
            if isinstance(getattr(module, "CHECK", None), Check):
                loaded = read_check(module)
                rival = found.setdefault(loaded.id, loaded)
                if rival.examine is not loaded.examine:
                    both = f"{rival.examine.__module__} and {module.__name__}"
                    raise DoctorError(f"two checks are called {loaded.id}: {both}")
    if not found:
        raise DoctorError("no check is installed: the entry-point group 'doctor.checks' is empty")
    return tuple(found[id] for id in sorted(found))


def read_check(module: ModuleType) -> LoadedCheck:
    """Read a check's declaration out of its module.

    Raises
    ------
    DoctorError
        When it has no function `examine` whose every parameter has a type.
    """
    try:
        examine = module.examine
        signature = inspect.signature(examine)
        hints = typing.get_type_hints(examine)
        untyped = [name for name in signature.parameters if name not in hints]
    except (AttributeError, NameError, TypeError) as error:
        raise DoctorError(f"{module.__name__} is no check: {error}") from error
    if untyped:
        raise DoctorError(f"{module.__name__} is no check: examine gives no type for {', '.join(untyped)}")
    positional = [
        name for name, parameter in signature.parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY
    ]
    keywords = {name: parameter for name, parameter in signature.parameters.items() if name not in positional}
    return LoadedCheck(
        check=module.CHECK,
        examine=examine,
        manual=inspect.cleandoc(module.__doc__ or ""),
        evidence=tuple(hints[name] for name in positional),
        thresholds={name: parameter.replace(annotation=hints[name]) for name, parameter in keywords.items()},
    )


def _modules(point: EntryPoint) -> Iterator[ModuleType]:
    name = point.module
    try:
        root = importlib.import_module(name)
        yield root
        if hasattr(root, "__path__"):
            for info in pkgutil.walk_packages(root.__path__, f"{root.__name__}."):
                name = info.name
                yield importlib.import_module(name)
    except Exception as error:
        owner = point.dist.name if point.dist else point.name
        raise DoctorError(f"checks of {owner}: {name} does not load: {type(error).__name__}: {error}") from error


def choose(checks: Sequence[LoadedCheck], settings: Settings) -> tuple[LoadedCheck, ...]:
    """Return those that `--select` and `--ignore` leave; a pattern is an id, a family or a name.

    Raises
    ------
    UsageError
        When a pattern fits no check.
    """

    def matching(patterns: Sequence[str]) -> set[str]:
        chosen: set[str] = set()
        for pattern in patterns:
            hits = {check.id for check in checks if pattern in (check.id, *check.id.split("/"))}
            if not hits:
                raise UsageError(
                    f"no check is called {pattern!r}; 'doctor list' shows them all{_nearest(pattern, checks)}"
                )
            chosen |= hits
        return chosen

    selected = matching(settings.select) if settings.select else {check.id for check in checks}
    ignored = matching(settings.ignore)
    return tuple(check for check in checks if check.id in selected - ignored)


def _nearest(word: str, checks: Iterable[LoadedCheck]) -> str:
    import difflib

    ids = {name: check.id for check in checks for name in (check.id, check.id.split("/")[1])}
    close = difflib.get_close_matches(word, ids, n=1)
    return f"; did you mean {ids[close[0]]!r}?" if close else ""


def thresholds_for(loaded: LoadedCheck, settings: Settings) -> dict[str, Any]:
    """Return the thresholds the user set for a check, converted to their type.

    Raises
    ------
    UsageError
        For an unknown name, naming the known ones, and for a value of the wrong type.
    """
    values = {}
    for name, given in settings.thresholds.get(loaded.id, {}).items():
        if name not in loaded.thresholds:
            known = ", ".join(loaded.thresholds) or "none"
            raise UsageError(f"{loaded.id} has no threshold {name!r}; it has: {known}")
        wanted = loaded.thresholds[name].annotation
        try:
            values[name] = msgspec.convert(given, wanted, strict=False)
        except msgspec.ValidationError as error:
            raise UsageError(
                f"{loaded.id}.{name}: {given!r} is not of type {getattr(wanted, '__name__', wanted)}"
            ) from error
    return values


def check_settings(checks: Sequence[LoadedCheck], settings: Settings) -> None:
    """Refuse settings that speak of checks or thresholds that do not exist."""
    known = {check.id: check for check in checks}
    for id in settings.thresholds:
        if id not in known:
            raise UsageError(f"no check is called {id!r}; 'doctor list' shows them all{_nearest(id, checks)}")
        thresholds_for(known[id], settings)
    for suppression in settings.suppressions:
        # A baseline, which is a kind of its own, may hold findings of checks that are not installed here.
        if type(suppression) is Suppression and suppression.check not in known:
            raise UsageError(
                f"suppression of {suppression.check!r}: no such check{_nearest(suppression.check, checks)}"
            )
