"""Keeps a `doctor.toml` that lies beside the data in step with the copy's columns."""

import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

import tomli_w

ROLES = ("target", "time", "group", "annotators", "item")


def mended(path: Path, gone: Collection[str]) -> str | None:
    """Return the settings without roles for columns that are gone; None where they name none of them."""
    try:
        settings: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    kept = dict(settings)
    for role in ROLES:
        told = settings.get(role)
        if isinstance(told, str) and told in gone:
            del kept[role]
        elif isinstance(told, list):
            left = [name for name in told if name not in gone]
            # One annotator alone is nobody to agree with.
            if len(left) < (2 if role == "annotators" else 1) and left != told:
                del kept[role]
            else:
                kept[role] = left
    return None if kept == settings else tomli_w.dumps(kept)
