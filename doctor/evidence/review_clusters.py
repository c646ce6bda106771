"""Puts doubtful images together that a person can judge in one go: one question, pictures that look alike."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from doctor.evidence.label_noise import Doubtful

Array = np.ndarray[Any, Any]

MIN_PAIR = 3
"""Images of one class that look like one other, from which on they stand by themselves."""
MAX_TOGETHER = 12
"""Images among which an odd one strikes the eye; more are divided by their looks."""
SEVERAL = "several classes"


class Together(Struct, frozen=True, kw_only=True):
    """Images that are judged in one go.

    Attributes
    ----------
    title : str
        Which class they bear, and which they look like, as far as these are the same.
    plain : bool
        Whether both are the same for all.
    places : tuple of int
        Into the list of what is doubtful, the most doubtful first.
    """

    title: str
    plain: bool
    places: tuple[int, ...]


def put_together(listed: Sequence[Doubtful], looks: Array) -> tuple[Together, ...]:
    """Group doubtful images by the class that they bear and the one that they look like, large groups by their looks.

    What few have in common is grouped by the class that it looks like alone; what is left then is one group.

    Parameters
    ----------
    listed : sequence of Doubtful
        The most doubtful first.
    looks : ndarray of float, shape (n, d)
        What they were judged by.

    Returns
    -------
    tuple of Together
        In the order of the most doubtful of each.
    """
    groups: dict[tuple[str, str], list[int]] = {}
    for place, row in enumerate(listed):
        groups.setdefault((row.given, row.suggested), []).append(place)
    for by_suggested in (True, False):
        for key in [key for key, places in groups.items() if len(places) < MIN_PAIR]:
            groups.setdefault(("", key[1] if by_suggested else ""), []).extend(groups.pop(key))
    parts = [
        Together(title=_title(*key), plain=bool(key[0]), places=tuple(part))
        for key, places in groups.items()
        for part in _divided(sorted(places), looks)
    ]
    return tuple(sorted(parts, key=lambda part: part.places[0]))


def _title(given: str, suggested: str) -> str:
    if given == suggested:
        return f"{given}, in doubt" if given else SEVERAL
    return f"{given}, looks like {suggested}" if given else f"{SEVERAL}, look like {suggested}"


def _divided(places: list[int], looks: Array) -> list[list[int]]:
    """Divide many images into clusters of about `MAX_TOGETHER` by Ward's method."""
    count = -(-len(places) // MAX_TOGETHER)
    if count == 1:
        return [places]
    from scipy.cluster.hierarchy import cut_tree, linkage

    number = cut_tree(linkage(looks[places], "ward"), n_clusters=[count]).ravel()
    return [[place for place, own in zip(places, number, strict=True) if own == one] for one in range(count)]
