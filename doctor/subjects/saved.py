"""Reads the two small files by which the Hugging Face library remembers which files hold a saved data set."""

import json
from pathlib import Path
from typing import Any

from doctor.subjects.split_words import split_named


def files_of_saved(folder: Path) -> tuple[list[Path], Path, str | None] | None:
    """Return the data files of a folder that `save_to_disk` wrote, or None where it is no such folder.

    Returns
    -------
    list of Path
        The files, caches left out.
    Path
        The folder of the whole data set.
    str or None
        The split, where the data set has several.
    """
    state = read_facts(folder / "state.json")
    listed = state.get("_data_files")
    if not isinstance(listed, list):
        return None
    names = [item.get("filename") for item in listed if isinstance(item, dict)]
    files = [folder / name for name in names if isinstance(name, str) and Path(name).name == name]
    splits = read_facts(folder.parent / "dataset_dict.json").get("splits")
    if isinstance(splits, list) and folder.name in splits:
        return files, folder.parent, split_named(folder.name)
    return files, folder, None


def read_facts(path: Path) -> dict[str, Any]:
    """Return what a JSON file of a saved data set says; nothing where it cannot be read."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
