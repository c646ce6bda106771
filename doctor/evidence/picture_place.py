"""Finds which part of a picture another one shows: cut at the edges, stretched, lighter or darker.

Lucas and Kanade's registration, 1981, of four edges, a gain and an offset, from coarse to fine.
"""

from typing import Any

import numpy as np

from doctor.evidence.hash_windows import WHOLE, Window, stretched
from doctor.evidence.pictures import shrunk

Array = np.ndarray[Any, Any]

STEPS = 8
STEPS_FINE = 4
STILL = 0.02
"""Pixels by which the edges move at most when they have arrived."""
MAX_OFF = 0.2
"""Share of the picture by which an edge may move: farther off, the search is lost."""
MAX_STEP = 0.05
STRAY = 4.0
"""Medians of the error, beyond which a pixel is taken for something written over the picture."""


def stretched_to(field: Array, window: Window) -> Array:
    """Stretch a part of a picture over the whole of it; the last two axes are its height and width."""
    if window == WHOLE:
        return field
    down, across = (stretched(span, field.shape[-1]) for span in window)
    return np.asarray(down @ field @ across.T)


def located(one: Array, two: Array, side: int, window: Window, *, robust: bool = False, fine: bool = False) -> Window:
    """Return the part of one square picture that another shows.

    Parameters
    ----------
    one, two : float32[128, 128]
    side : int
        To which it is worth going into detail.
    window : Window
        About where it is.
    robust : bool
        Whether to pass over pixels that do not fit at all.
    fine : bool
        Whether the window is nearly right already.
    """
    edges = np.array([*window[0], *window[1]])
    for size in (side,) if fine else sorted({min(side, 32), side}):
        moved = _registered(shrunk(one, size), shrunk(two, size), edges, STEPS_FINE if fine else STEPS, robust)
        if moved is None:
            return window
        edges = moved
    return ((float(edges[0]), float(edges[1])), (float(edges[2]), float(edges[3])))


def _registered(one: Array, two: Array, edges: Array, steps: int, robust: bool) -> Array | None:
    """Move the edges until the part between them fits best; None where they run away."""
    side = len(one)
    slopes = np.stack([one, *np.gradient(one)])
    share = ((np.arange(side) + 0.5) / side).astype(np.float32)
    down, across = share[:, None], share[None, :]
    weights = np.ones_like(two)
    for _ in range(steps):
        shown, steep, wide = stretched_to(slopes, ((edges[0], edges[1]), (edges[2], edges[3])))
        columns = np.stack(
            [steep * (1 - down), steep * down, wide * (1 - across), wide * across, -two, -np.ones_like(two)]
        ).reshape(6, -1)
        columns[:4] *= side
        if robust:
            weights = _weights(shown, two)
        weighted = columns * weights.reshape(1, -1)
        square = weighted @ columns.T
        square[np.diag_indices(6)] += 1e-3 + 1e-6 * np.diag(square)
        change = np.linalg.solve(square.astype(np.float64), -(weighted @ shown.reshape(-1)).astype(np.float64))[:4]
        edges = edges + np.clip(change, -MAX_STEP, MAX_STEP)
        if np.abs(edges - (0, 1, 0, 1)).max() > MAX_OFF:
            return None
        if np.abs(change).max() * side < STILL:
            break
    return edges


def _weights(shown: Array, two: Array) -> Array:
    """Leave out what lies farthest from a common brightness and contrast."""
    kept = np.ones(two.shape, dtype=bool)
    for _ in range(2):
        x, y = two[kept], shown[kept]
        gain = float(((x - x.mean()) * (y - y.mean())).sum()) / max(1e-6, float(((x - x.mean()) ** 2).sum()))
        error = np.abs(shown - gain * two - (y.mean() - gain * x.mean()))
        kept = error <= STRAY * np.median(error) + 1e-6
    return kept.astype(np.float32)
