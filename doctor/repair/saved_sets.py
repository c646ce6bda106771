"""Keeps the notes of data sets that the Hugging Face library saved in step with their rewritten files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from doctor.repair.changes import Changes
from doctor.repair.columnar_files import Store, features, new_schema
from doctor.subjects.saved import files_of_saved, read_facts


def mended(changes: Changes) -> dict[Path, str]:
    """Return the new text of the notes beside rewritten files, by their path in the original."""
    parts = changes.table.parts
    folders = {part.path.parent for number, part in enumerate(parts) if number in changes.touched}
    saved = {folder for folder in folders if files_of_saved(folder) is not None}
    rows = {
        folder: sum(
            int(np.count_nonzero(changes.home == number))
            for number, part in enumerate(parts)
            if part.path.parent == folder
        )
        for folder in {part.path.parent for part in parts}
    }
    texts = {}
    for folder in saved:
        state = read_facts(folder / "state.json")
        # Caches are found by the fingerprint, so other rows need another one.
        state["_fingerprint"] = _mark(str(state.get("_fingerprint")), changes)
        texts[folder / "state.json"] = json.dumps(state, indent=2)
        if info := read_facts(folder / "dataset_info.json"):
            first = next(part for part in parts if part.path.parent == folder)
            texts[folder / "dataset_info.json"] = json.dumps(_info(info, changes, first.path, rows), indent=2)
    return texts


def _mark(old: str, changes: Changes) -> str:
    whole = hashlib.blake2b(old.encode(), digest_size=8)
    whole.update(changes.home.tobytes())
    whole.update(repr((sorted(changes.dropped), [added.name for added in changes.added])).encode())
    for name in sorted(changes.filled):
        whole.update(name.encode() + changes.filled[name].rows.tobytes() + changes.filled[name].donors.tobytes())
    for name in sorted(changes.written):
        written = changes.written[name]
        whole.update(name.encode() + written.rows.tobytes() + repr(written.texts).encode() + written.codes.tobytes())
    whole.update(repr(sorted(changes.retyped.items())).encode() if changes.retyped else b"")
    return whole.hexdigest()


def _info(info: dict[str, Any], changes: Changes, first: Path, rows: Mapping[Path, int]) -> dict[str, Any]:
    if isinstance(info.get("features"), dict):
        info["features"] = features(info["features"], new_schema(changes, Store.of(first)).names, changes)
    splits = info.get("splits")
    if isinstance(splits, dict):
        for folder, count in rows.items():
            known = splits.get(folder.name) or (next(iter(splits.values())) if len(splits) == 1 == len(rows) else None)
            if isinstance(known, dict):
                known["num_examples"] = count
                known.pop("shard_lengths", None)
    return info
