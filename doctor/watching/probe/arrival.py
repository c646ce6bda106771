"""Waits for a module to be imported, without importing it."""

from __future__ import annotations

import importlib.abc
import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .guard import guarded

_waiting: dict[str, list[Callable[[], object]]] = {}


def when_imported(name: str, act: Callable[[], object]) -> None:
    """Call `act()` right after module `name` was imported for the first time, now where it already is."""
    if name in sys.modules and not getattr(getattr(sys.modules[name], "__spec__", None), "_initializing", False):
        guarded(act)()
        return
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    _waiting.setdefault(name, []).append(guarded(act))


class _Finder(importlib.abc.MetaPathFinder):
    """Finds nothing itself: wraps the loader that the others found."""

    def find_spec(self, name: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if name not in _waiting:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec: ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is not None:
                if spec.loader is not None and hasattr(spec.loader, "exec_module"):
                    _wrap(spec.loader, name)
                return spec
        return None


def _wrap(loader: Any, name: str) -> None:
    original = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        original(module)
        for act in _waiting.pop(name, ()):
            act()

    loader.exec_module = exec_module
