"""Calls that read a file in a way in which the file can run code."""

import ast
import re

from msgspec import Struct

from doctor.errors import NotApplicable
from doctor.evidence.code_changes import change
from doctor.evidence.row_lineage import Spot
from doctor.evidence.training_code import TrainingCode, spot_of
from doctor.evidence.training_scopes import Scope, written
from doctor.model import CodeChange

_YAML = re.compile(r"yaml\.(load|load_all|unsafe_load|unsafe_load_all)")
_UNSAFE_LOADERS = frozenset(("Loader", "UnsafeLoader", "CLoader"))


class UnsafeLoad(Struct, frozen=True, kw_only=True):
    """One such call.

    Attributes
    ----------
    kind : str
        "asked" for torch.load with weights_only=False, "unsaid" where it says nothing of it, "yaml".
    """

    kind: str
    call: str
    spot: Spot
    changes: tuple[CodeChange, ...]


class UnsafeLoads(Struct, frozen=True, kw_only=True):
    """All of them, and how many loads were looked at."""

    loads: int
    unsafe: tuple[UnsafeLoad, ...]
    too_deep: tuple[str, ...] = ()

    @classmethod
    def measure(cls, code: TrainingCode) -> "UnsafeLoads":
        """Look at every call of torch.load and yaml.load.

        Raises
        ------
        NotApplicable
            When no code loads in one of these ways.
        """
        loads = 0
        found = []
        for scope in code.judged:
            for call in scope.calls:
                dotted = written(call.func, scope.module)
                if dotted == "torch.load" or _YAML.fullmatch(dotted):
                    loads += 1
                    unsafe = _torch(call, scope) if dotted == "torch.load" else _yaml(call, dotted, scope)
                    found += [unsafe] if unsafe else []
        if not (loads or code.too_deep):
            raise NotApplicable("nothing here reads by torch.load or yaml.load")
        return cls(loads=loads, unsafe=tuple(found), too_deep=code.too_deep)


def _torch(call: ast.Call, scope: Scope) -> UnsafeLoad | None:
    if any(keyword.arg is None for keyword in call.keywords) or any(isinstance(one, ast.Starred) for one in call.args):
        return None
    said = next((keyword for keyword in call.keywords if keyword.arg == "weights_only"), None)
    if any(keyword.arg == "pickle_module" for keyword in call.keywords):
        return _told("unsaid" if said is None else "asked", call, scope) if _is_open(said) else None
    if said is None:
        return _told("unsaid", call, scope, "keyword", "weights_only=True")
    if _is_open(said):
        return _told("asked", call, scope, "keyword", "weights_only=True")
    return None


def _is_open(said: ast.keyword | None) -> bool:
    """Whether a load takes more than weights: it says so, or says nothing."""
    return said is None or (isinstance(said.value, ast.Constant) and said.value.value is False)


def _yaml(call: ast.Call, dotted: str, scope: Scope) -> UnsafeLoad | None:
    if not isinstance(call.func, ast.Attribute) or len(call.args) < 1:
        return None
    name = "safe_load_all" if dotted.endswith("_all") else "safe_load"
    safe = f"{ast.unparse(call.func.value)}.{name}({{0}})"
    if "unsafe" in dotted:
        return _told("yaml", call, scope, "replace", safe)
    loader = next((keyword.value for keyword in call.keywords if keyword.arg == "Loader"), None)
    loader = loader if loader is not None else call.args[1] if len(call.args) > 1 else None
    if loader is None or written(loader, scope.module).rpartition(".")[2] not in _UNSAFE_LOADERS:
        return None
    return _told("yaml", call, scope, "replace", safe) if written(loader, scope.module).startswith("yaml.") else None


def _told(kind: str, call: ast.Call, scope: Scope, action: str = "", code: str = "") -> UnsafeLoad:
    # Another pickle module and weights_only exclude each other, so there a person must decide.
    changes = (change(action, call, scope, code),) if action else ()
    return UnsafeLoad(kind=kind, call=ast.unparse(call)[:80], spot=spot_of(call, scope), changes=changes)
