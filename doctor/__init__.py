"""Finds out why a training run failed or will fail, says so with evidence, and prescribes a repair."""

from typing import TYPE_CHECKING, Any

from doctor.version import VERSION as __version__

if TYPE_CHECKING:
    from doctor.watching.here import watch

__all__ = ["__version__", "watch"]


def __getattr__(name: str) -> Any:
    if name == "watch":  # lazy: what it needs is not needed by `doctor --help`
        from doctor.watching.here import watch

        return watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
