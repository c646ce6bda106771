"""Finds out why a training run failed or will fail, says so with evidence, and prescribes a repair."""

from doctor.version import VERSION as __version__

__all__ = ["__version__"]
