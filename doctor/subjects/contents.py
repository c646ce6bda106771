"""What the files of a table hold, by hash, so that it can be told later whether they are still the same."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import xxhash

from doctor.errors import CannotOpen
from doctor.subjects.images import Images
from doctor.subjects.table import Table


def contents_of(table: Table, roots: Sequence[Path]) -> dict[str, Any]:
    """Return the names of a table's columns and, of each of its files, the rows, the size and the hash of all bytes.

    All bytes and not some: an edit in place may change a single one, and XXH3 reads faster than a disk. It tells edits,
    not attacks.

    Parameters
    ----------
    table : Table
        Opened.
    roots : sequence of Path
        What was scanned; files are named from there, so that the data may be moved as a whole.

    Raises
    ------
    CannotOpen
        When a file can no longer be read.
    """
    return {
        "columns": [column.name for column in table.columns],
        "files": {
            inner_name(part.path, roots): {
                "rows": part.rows,
                "bytes": part.path.stat().st_size,
                "hash": hash_of(part.path),
            }
            for part in table.parts
        },
    }


def names_and_sizes(images: Images) -> str:
    """Return the hash of the names of images and of the sizes of their files, which costs no reading of them.

    An edit of an image hardly ever leaves its size; a list of images to leave out is about names in any case.
    """
    told = xxhash.xxh3_128()
    for file in images.files:
        try:
            size = file.length if file.length is not None else file.path.stat().st_size
        except OSError:
            size = -1
        told.update(f"{file.name}\0{size}\n".encode("utf-8", "surrogateescape"))
    return told.hexdigest()


def inner_name(path: Path, roots: Sequence[Path]) -> str:
    """Name a file from the folder that was scanned; where several were, the folder's name stands first."""
    whole = path.absolute()
    for root in roots:
        top = root.absolute()
        if whole.is_relative_to(top) and top.is_dir():
            inner = whole.relative_to(top)
            return (Path(top.name) / inner if len(roots) > 1 else inner).as_posix()
    return os.fspath(whole.name)


def hash_of(path: Path) -> str:
    """Return the hash of a file's bytes."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, xxhash.xxh3_128).hexdigest()
    except OSError as error:
        raise CannotOpen(path, error.strerror or str(error)) from error
