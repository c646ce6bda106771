"""Tells copies of a picture from other pictures, by its pixels.

One picture is laid upon the other, as well as cutting and stretching can, and their detail is compared: what is
neither as coarse as light and shade, in which many pictures agree, nor as fine as noise. A copy that was blurred is
compared with the original blurred alike. What was written over a copy spoils only some of its blocks.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from doctor.evidence.hash_windows import WHOLE, Window
from doctor.evidence.picture_place import located, stretched_to
from doctor.evidence.pictures import Picture, shrunk, turned

Array = np.ndarray[Any, Any]

MIN_DETAIL = 0.95
"""Correlation of the detail of copies. Of made-up photographs of one scene, in which near things moved by 0.04 of the
width, 20 pairs reach 0.941; 300 pairs of different pictures reach 0.21."""
MIN_BLOCK_DETAIL = 0.92
"""The same within a block of the picture, if what spoils it is something written over it."""
MAX_SPOILT = 0.3
"""Share of the blocks that something written over a copy may cover."""
MIN_REST = 0.97
"""Correlation of luminance over the blocks that are not covered."""
MIN_PROMISE = 0.3
"""What both kinds of correlation must reach so that a closer look is worth its time."""
COARSE_SIDE = 64
MIN_COARSE = 0.3
"""What must fit at `COARSE_SIDE` pixels so that more are looked at."""
SURE = 0.97
"""Correlation of detail that needs no closer look."""
MIN_CONTRAST = 1.0
"""Levels by which detail must vary, so that there is something to compare."""
MIN_TINT = 3.0
"""Levels of colour below which a picture is grey."""
MAX_TINT_LEFT = 0.5
"""Share of the colour that the other picture's colour, more or less vivid, may leave unexplained."""
FINE, COARSE = 1.0, 4.0
"""Blurs, in pixels, between which lies what is called detail."""
BLURS = (0.7, 1.2, 2.0, 3.0)
MIN_BLOCKS = 8


class Match(NamedTuple):
    """How well one picture fits another.

    Attributes
    ----------
    detail : float
        Correlation of detail.
    blocks : float
        The same of blocks, of which only `MAX_SPOILT` have less.
    rest : float
        Correlation of luminance but in the blocks that fit worst.
    coloured_alike : bool
    way : int
        How the one must be turned, see `doctor.evidence.pictures`.
    window : Window
        The part of the one that the other shows.
    """

    detail: float
    blocks: float
    rest: float
    coloured_alike: bool
    way: int = 0
    window: Window = WHOLE

    @property
    def copies(self) -> bool:
        """Whether they are copies of one picture."""
        marked = self.blocks >= MIN_BLOCK_DETAIL and self.rest >= MIN_REST
        return self.coloured_alike and (self.detail >= MIN_DETAIL or marked)

    @property
    def fit(self) -> float:
        """The better of both ways to agree."""
        return max(self.detail, min(self.blocks, self.rest))


def match(one: Picture, other: Picture, way: int = 0, window: Window = WHOLE, *, closely: bool = True) -> Match | None:
    """Lay one picture upon another and compare them.

    Parameters
    ----------
    way, window
        How the one must be turned, and about which part of it the other shows.
    closely : bool
        Whether to search for the place where the one lies best upon the other.

    Returns
    -------
    Match or None
        None where one of them has no detail that could be compared.
    """
    side = min(one.side, other.side)
    light = np.ascontiguousarray(turned(one.light, way))
    first = _compared(light, other, side, WHOLE, closely=False)
    if first is None:
        return None
    best = first
    if closely and first.detail < SURE and not (first.copies and window == WHOLE):
        # Alone on the whole picture can what is written over it be in the way of finding the place.
        for robust in (False, True) if window == WHOLE else (False,):
            found = _placed(light, other, side, window, robust)
            if found is not None and (found.copies, found.fit) > (best.copies, best.fit):
                best = found
            if best.copies:
                break
    return best._replace(way=way, coloured_alike=_coloured_alike(turned(one.tint, way), other.tint, best))


def _placed(light: Array, other: Picture, side: int, window: Window, robust: bool) -> Match | None:
    """Compare after laying the one upon the other; in full only where it looks promising when coarse."""
    coarse = min(side, COARSE_SIDE)
    place = located(light, other.light, coarse, window, robust=robust)
    found = _compared(light, other, coarse, place, closely=True)
    if found is None or found.fit < MIN_COARSE:
        return found
    if coarse < side:
        place = located(light, other.light, side, place, robust=robust, fine=True)
    seen = [_compared(light, other, side, one, closely=True) for one in dict.fromkeys((place, WHOLE))]
    return max((one for one in seen if one is not None), key=lambda one: (one.copies, one.fit), default=None)


def _compared(light: Array, other: Picture, side: int, window: Window, *, closely: bool) -> Match | None:
    """Compare what a window shows; `closely` also after blurring either of them."""
    one, two = shrunk(stretched_to(light, window), side), shrunk(other.light, side)
    coarse, fine = _detail(one), _detail(two)
    if min(coarse.std(), fine.std()) < MIN_CONTRAST:
        return None
    if closely and MIN_PROMISE < correlation(coarse, fine) < MIN_DETAIL:
        one, two = _blurred_alike(one, two)
        coarse, fine = _detail(one), _detail(two)
    return Match(
        detail=correlation(coarse, fine),
        blocks=_of_blocks(coarse, fine),
        rest=_of_rest(one, two),
        coloured_alike=True,
        window=window,
    )


def _blurred_alike(one: Array, two: Array) -> tuple[Array, Array]:
    """Blur the one that is sharper until both are most alike."""
    tried = [(one, two), *((_blur(one, s), two) for s in BLURS), *((one, _blur(two, s)) for s in BLURS)]
    return max(tried, key=lambda pair: correlation(*pair))


def correlation(one: Array, two: Array) -> float:
    """Return the correlation of two fields."""
    one, two = one - one.mean(), two - two.mean()
    scale = float(np.sqrt((one * one).sum() * (two * two).sum()))
    return float((one * two).sum()) / scale if scale > 0 else 0.0


def _detail(light: Array) -> Array:
    return _blur(light, FINE) - _blur(light, COARSE)


def _blur(light: Array, sigma: float) -> Array:
    blurring = _blurring(len(light), sigma)
    return np.asarray(blurring @ light @ blurring.T)


@lru_cache(maxsize=64)
def _blurring(side: int, sigma: float) -> Array:
    """Return the matrix that blurs a line of pixels, mirrored at its ends."""
    reach = int(4 * sigma) + 1
    shape = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    places = np.arange(side)[:, None] + np.arange(-reach, reach + 1)[None]
    places = places % (2 * side)
    places = np.where(places < side, places, 2 * side - 1 - places)
    matrix = np.zeros((side, side))
    np.add.at(matrix, (np.arange(side)[:, None], places), shape / shape.sum())
    return matrix.astype(np.float32)


def _in_blocks(field: Array) -> Array:
    """Cut a picture into 8 × 8 blocks, or 4 × 4 where it is small: blocks by pixels."""
    count = 8 if len(field) >= 64 else 4
    size = len(field) // count
    return field.reshape(count, size, count, size).swapaxes(1, 2).reshape(count * count, size * size)


def _of_blocks(one: Array, two: Array) -> float:
    """Compare detail block by block, where there is some in either picture."""
    first, second = _in_blocks(one), _in_blocks(two)
    energy = np.stack([(first**2).mean(axis=1), (second**2).mean(axis=1)])
    gain = float(np.sqrt(np.median(energy[1] / (energy[0] + 1e-3))))
    largest = np.maximum(gain**2 * energy[0], energy[1])
    filled = largest > max(MIN_CONTRAST**2, 0.04 * float(largest.mean()))
    if filled.sum() < MIN_BLOCKS:
        return 0.0
    fits = 2 * gain * (first * second).mean(axis=1) / (gain**2 * energy[0] + energy[1] + 1e-6)
    return float(np.quantile(fits[filled], MAX_SPOILT))


def _of_rest(one: Array, two: Array) -> float:
    """Correlate luminance but in the quarter of the blocks that fit a common brightness and contrast worst."""
    first, second = _in_blocks(one), _in_blocks(two)
    kept = np.ones(len(first), dtype=bool)
    for _ in range(3):
        x, y = first[kept], second[kept]
        gain = float(((x - x.mean()) * (y - y.mean())).sum() / max(1e-6, float(((x - x.mean()) ** 2).sum())))
        wrong = ((second - gain * first - (y.mean() - gain * x.mean())) ** 2).mean(axis=1)
        kept = wrong <= np.quantile(wrong, 0.75)
    return correlation(first[kept], second[kept])


def _coloured_alike(one: Array, two: Array, best: Match) -> bool:
    """Whether the colour of the one, more or less vivid, is that of the other; a grey copy has none to compare."""
    one = stretched_to(one, best.window)
    vivid = [float(np.sqrt((tint**2).mean())) for tint in (one, two)]
    if min(vivid) < MIN_TINT:
        return max(vivid) < 2 * MIN_TINT or best.detail >= SURE
    one, two = one.reshape(2, -1), two.reshape(2, -1)
    apart = np.ones(one.shape[1], dtype=bool)
    for _ in range(2):
        gain = float((one[:, apart] * two[:, apart]).sum() / max(1e-6, float((one[:, apart] ** 2).sum())))
        wrong = ((two - gain * one) ** 2).sum(axis=0)
        apart = wrong <= np.quantile(wrong, 1 - MAX_SPOILT)
    left = float(wrong[apart].sum() / max(1e-6, float((two[:, apart] ** 2).sum())))
    return gain > 0 and np.sqrt(left) <= MAX_TINT_LEFT
