"""Finds out why a training run failed or will fail, says so with evidence, and prescribes a repair."""

from typing import TYPE_CHECKING, Any

from doctor.version import VERSION as __version__

if TYPE_CHECKING:
    from doctor.scanning import scan
    from doctor.watching.here import watch

__all__ = ["__version__", "scan", "watch"]


def __getattr__(name: str) -> Any:
    # Lazy: what they need is not needed by `doctor --help`.
    if name == "scan":
        from doctor.scanning import scan

        return scan
    if name == "watch":
        from doctor.watching.here import watch

        return watch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
