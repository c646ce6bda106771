"""Which line of whose code an operation stands in, and which module it belongs to."""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import weakref
from typing import Any

import torch

LIBRARIES = tuple({os.path.join(sysconfig.get_paths()[name], "") for name in ("purelib", "platlib", "stdlib")})
_TORCH = os.path.join(os.path.dirname(os.path.abspath(torch.__file__)), "")
_OWN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "")
ENTRY = "__doctor_replay__"
"""Name of the function that holds what is run again; nothing outside it belongs to the step."""
BARRIER = "__doctor_backward__"
"""Name of the function that runs backward; the frames outside it only wait."""

_modules: dict[int, str] = {}
_roots: list[Any] = []
"""Weak references to the models that were seen."""


class Place:
    """A line of code.

    Attributes
    ----------
    path, line, function : str, int, str
        The innermost frame of the user's code; of a library, other than torch, where the user's code has none. Empty
        where there is neither.
    library_path, library_line : str, int
        The innermost frame outside torch where that is another one.
    owner : torch.nn.Module or None
        The innermost module at work.
    """

    __slots__ = ("function", "library_line", "library_path", "line", "owner", "path", "scaling")

    def __init__(self) -> None:
        self.path = ""
        self.line = 0
        self.function = ""
        self.library_path = ""
        self.library_line = 0
        self.owner: Any = None
        self.scaling = False
        """Whether it is a gradient scaler at work, to which infinity is nothing special."""

    @property
    def module(self) -> str:
        """The dotted name of the module in its model."""
        return module_name(self.owner)

    @property
    def code(self) -> str:
        """The text of the line."""
        return linecache.getline(self.path, self.line).strip() if self.path else ""


def here() -> Place:
    """Return the place of the call in progress, up to the entry of the replay."""
    place = Place()
    frame: Any = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        path = code.co_filename
        if code.co_name == BARRIER:
            break
        if place.owner is None:
            place.owner = _module_at(frame)
        place.scaling |= path.endswith("grad_scaler.py")
        if not path.startswith((_TORCH, _OWN)) and not path.startswith("<frozen"):
            if not path.startswith(LIBRARIES):
                if not place.path or place.library_path == place.path:
                    place.path, place.line, place.function = path, frame.f_lineno, code.co_name
                if place.owner is not None:
                    break
            elif not place.path:
                place.path, place.line, place.function = path, frame.f_lineno, code.co_name
                place.library_path, place.library_line = path, frame.f_lineno
        if code.co_name == ENTRY:
            break
        frame = frame.f_back
    if place.function == ENTRY:
        place.function = function_replayed
    return place


function_replayed = ""
"""What the function that is run again is called in the user's code."""


def know_modules(root: Any, name: str = "") -> None:
    """Give the parts of a model their dotted names, unless a larger model has named them."""
    if isinstance(root, torch.nn.parallel.DistributedDataParallel):
        root = root.module
    if not any(reference() is root for reference in _roots):
        _roots.append(weakref.ref(root))
    for path, module in root.named_modules():
        dotted = ".".join(part for part in (name, path) if part) or type(root).__name__
        known = _modules.get(id(module))
        if known is None or (dotted.count(".") > known.count(".") and known == type(module).__name__):
            _modules[id(module)] = dotted


def know_modules_once(module: Any) -> None:
    """Name the parts of a module that is called, where nothing is known of it yet."""
    if id(module) not in _modules:
        know_modules(module)


def know_models_on_stack() -> None:
    """Name the parts of the outermost model at work."""
    frame: Any = sys._getframe(1)
    outermost = None
    while frame is not None and frame.f_code.co_name not in (ENTRY, BARRIER):
        outermost = _module_at(frame) or outermost
        frame = frame.f_back
    if frame is not None:
        outermost = _module_at(frame) or outermost
    if outermost is not None:
        know_modules(outermost)


def _module_at(frame: Any) -> Any:
    code = frame.f_code
    first = frame.f_locals.get("self") if code.co_argcount and code.co_varnames[0] == "self" else None
    return first if isinstance(first, torch.nn.Module) else None


def parameter_name(tensor: Any, models: list[tuple[str, Any]]) -> str | None:
    """Return the dotted name of the parameter or buffer whose memory a tensor shares."""
    storage = tensor.untyped_storage()._cdata
    roots = [model for _, model in models] + [known for known in (reference() for reference in _roots) if known]
    for root in roots:
        for name, held in [*root.named_parameters(), *root.named_buffers()]:
            if held.layout == torch.strided and held.untyped_storage()._cdata == storage:
                return str(name)
    return None


def module_name(module: Any) -> str:
    """Return the dotted name of a module; its class where the model is unknown or it is the model."""
    if module is None:
        return ""
    return _modules.get(id(module)) or type(module).__name__
