"""Writes documents anew: one that is dropped is left out, one whose text changes is written in its own encoding."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from doctor.repair.changes import GONE, Changes, Unsure
from doctor.subjects.documents import decoded


def are_documents(changes: Changes) -> bool:
    """Whether the rows of a table are documents, each a file of its own."""
    return any(part.form is not None and part.form.whole for part in changes.table.parts)


def rewrite(changes: Changes, numbers: Sequence[int], targets: Mapping[int, Path]) -> dict[int, list[str]]:
    """Write documents.

    Parameters
    ----------
    changes : Changes
        What becomes of the table.
    numbers : sequence of int
        The documents that are touched.
    targets : mapping of int to Path
        The new file of each.

    Returns
    -------
    dict
        Empty: a document has no records that could be left out.

    Raises
    ------
    Unsure
        For changes that a document can't hold: it lies in the folder of its split and of its class, and has no columns.
    """
    for number in numbers:
        part = changes.table.parts[number]
        (home,) = changes.homes(part)
        if home == GONE:
            continue
        if home != number or changes.schema_changes or changes.cells(part):
            raise Unsure(part.path, "documents are named by their folders; move or label them by hand")
        encoding = part.form.encoding if part.form else "utf-8"
        text, _ = decoded(part.path.read_bytes(), encoding)
        text = changes.texts(part).get("text", {}).get(0, text)
        targets[number].write_bytes(text.encode(encoding, "xmlcharrefreplace"))
    return {}
