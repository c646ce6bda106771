"""The size that an enlarged picture had before, told by what interpolation leaves in its spectrum.

Enlarging a line of n pixels mirrors its spectrum about the n-th coefficient of its discrete cosine transform, with the
sign turned round, and each method of interpolation only fades the mirror image. So the sweep asks of each n how often
coefficients as far above n as below it have opposite signs: half of the time in a picture as it was taken, nearly
always in an enlarged one. A second witness must agree: the spectrum falls as by a cliff at n, or the unevenness of the
pixels returns with every pixel of the small picture. Both axes must say so.
"""

import itertools
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

MIN_FACTOR = 1.8
"""Enlargement below which nothing is said: little is lost, and the seams of JPEG, once shrunk, look alike."""
MAX_FACTOR = 12.0
MAX_STRETCH = 1.4
"""Enlargement of one axis over that of the other, beyond which it is no enlargement but a coincidence."""
MIN_SIDE = 64
MIN_TRUE_SIDE = 16
LINES = 96
FIRST_LINES = 32
OFFERED = 4
"""Of so many neighbouring lines the liveliest is read."""
REACH, FIRST_REACH = 16, 8
"""Coefficients on each side of n that are compared."""
FIRST_BEST = 24
MIN_TURNED = 0.35
"""Mean agreement with turned signs, -1 to 1. Pictures as they were taken stay below 0.28 on one of both axes."""
MIN_SIGMAS = 6.0
"""The same in standard deviations of chance, by as many lines as differ from each other."""
MIN_CLIFF = 5.0
"""Decibels between the power below n and above it. In a picture as it was taken it falls by about 2 there."""
MIN_PERIODICITY = 4.0
"""Amplitude of unevenness that returns with every small pixel, over that of other periods."""
BLOCK = 8
"""Pixels of a block of JPEG, whose seams return with it and turn signs too, about multiples of an eighth."""
LIKELY_EIGHTHS = (1, 2, 4)
"""Those of an eightfold, fourfold and twofold enlargement; the others are left to the seams."""
MIN_OVER_NEXT = 2.0
"""How much more an eighth must turn signs than the next one; by the seams of JPEG they all do."""
MIN_OVER_SECOND = 1.2
"""The same for the first eighth, about which seams turn few signs down to a quality of 30."""
MIN_MIRRORED = 0.75
"""Correlation of the spectrum above n with that below it, turned round."""
MAX_INSIDE = 0.25
"""Difference of pixels within one that was repeated, over that between such."""
LEAST_STEP = 0.05
"""Grey levels between neighbours that count as none."""
MIN_REGULAR = 0.98
"""Share of a line in which steps come as evenly as the repetition of pixels makes them."""
NEARLY = 0.75


def true_size(luminance: Array) -> tuple[int, int] | None:
    """Return the width and height that a picture had before it was enlarged.

    Parameters
    ----------
    luminance : ndarray of uint8, shape (h, w)
        All its pixels; one that was decoded at a fraction of its size tells nothing.

    Returns
    -------
    tuple of int or None
        Width and height, known to a pixel or two; None where the picture is as it was taken, or nothing can be told.
        A part that was cut out of an enlarged picture is not recognised, nor one enlarged by less than 1.8.

    Notes
    -----
    Follows the idea of sign inversion about the old limit of frequency that is known from the detection of resampling,
    as are periods in the second difference: A. C. Gallagher, Detection of linear and cubic interpolation in JPEG
    compressed images, CRV 2005.
    """
    if min(luminance.shape) < MIN_SIDE:
        return None
    across = _true_length(luminance)
    down = _true_length(luminance.T) if across else 0
    if not down:
        return None
    factors = luminance.shape[1] / across, luminance.shape[0] / down
    return (across, down) if max(factors) <= MAX_STRETCH * min(factors) else None


def _true_length(luminance: Array) -> int:
    """Return the true length of the lines of a picture; 0 where none is told."""
    lines = _lines(luminance)
    width = lines.shape[1]
    low, high = max(MIN_TRUE_SIDE, int(width / MAX_FACTOR)), int(width / MIN_FACTOR)
    if len(lines) < BLOCK or low > high:
        return 0
    if length := _repeated(lines):
        return length
    waves = _waves(lines)
    signs = np.sign(waves)
    first = _turned(signs[:: max(1, len(lines) // FIRST_LINES)], np.arange(low, high + 1), FIRST_REACH)
    likely = np.sort(low + np.argsort(-first, kind="stable")[:FIRST_BEST])
    turned = _turned(signs, likely, REACH)
    best = int(turned.argmax())
    if turned[best] < MIN_TURNED:
        return 0
    length = _whole_part(likely, turned, best)
    share = float(turned[likely == length][0])
    if share < MIN_TURNED or share * np.sqrt(REACH * _different(signs, length)) < MIN_SIGMAS:
        return 0
    if _by_blocks(lines, signs, length, share):
        return 0
    cliff, periodicity = _cliff(waves, length) >= MIN_CLIFF, _periodicity(lines, length) >= MIN_PERIODICITY
    return length if cliff or periodicity or _mirrored(waves, length) >= MIN_MIRRORED else 0


def _lines(luminance: Array) -> Array:
    """Return lively lines from all over the picture."""
    height = len(luminance)
    offered = np.unique(np.linspace(0, height - 1, min(height, LINES * OFFERED)).astype(np.int64))
    lines = luminance[offered].astype(np.float32)
    if len(lines) > LINES:
        lively = np.abs(np.diff(lines[:, :: max(1, lines.shape[1] // 512)], axis=1)).mean(axis=1)
        bounds = np.linspace(0, len(lines), LINES + 1).astype(np.int64)
        lines = lines[[a + int(lively[a:b].argmax()) for a, b in itertools.pairwise(bounds)]]
    flat = np.ptp(lines, axis=1) == 0
    return np.asarray(lines[~flat])


def _waves(lines: Array) -> Array:
    from scipy.fft import dct

    waves: Array = dct(lines - lines.mean(axis=1, keepdims=True), axis=1, norm="ortho")
    return waves


def _turned(signs: Array, lengths: Array, reach: int) -> Array:
    """Return how far the signs above each length are those below it turned round, from -1 to 1."""
    width = signs.shape[1]
    total = np.zeros(len(lengths))
    counted = np.zeros(len(lengths))
    for step in range(1, reach + 1):
        inside = (lengths - step > 0) & (lengths + step < width)
        known = lengths[inside]
        below, above = signs[:, known - step], signs[:, known + step]
        total[inside] -= np.einsum("ij,ij->j", below, above) / len(signs)
        counted += inside
    return np.asarray(total / np.maximum(counted, 1))


def _whole_part(lengths: Array, turned: Array, best: int) -> int:
    """Return the shortest length of which the best is a multiple, where it turns signs nearly as well.

    Mirror images return about the odd multiples of a length, those of repeated pixels about all.
    """
    multiple = lengths[best] / lengths
    whole = np.abs(multiple - np.round(multiple)) * lengths <= 1
    return int(lengths[whole & (turned >= NEARLY * turned[best])].min())


def _different(signs: Array, length: int) -> float:
    """Return how many lines say something of their own: alike ones, as of a drawing, count as one."""
    band = signs[:, max(1, length - REACH) : length + REACH + 1]
    alike = band @ band.T / band.shape[1]
    return float(len(band) ** 2 / (alike**2).sum())


def _by_blocks(lines: Array, signs: Array, length: int, share: float) -> bool:
    """Whether the seams of JPEG may turn the signs as well: about an eighth of the line, and the next ones more."""
    width = lines.shape[1]
    eighth = length * BLOCK / width
    place = round(eighth)
    if place == 0 or abs(eighth - place) * width > BLOCK:
        return False
    if place not in LIKELY_EIGHTHS:
        return True
    whole = width - width % BLOCK
    seams = signs if whole == width else np.sign(_waves(lines[:, :whole]))
    following = float(_turned(seams, np.array([whole * (place + 1) // BLOCK]), REACH)[0])
    return share < (MIN_OVER_SECOND if place == 1 else MIN_OVER_NEXT) * following


def _repeated(lines: Array) -> int:
    """Return how many pixels a line had before each was repeated; 0 where they were not."""
    width = lines.shape[1]
    steps = np.abs(np.diff(lines, axis=1)).mean(axis=0)
    ascending = np.sort(steps)[::-1]
    ratio = (ascending[:-1] + LEAST_STEP) / (ascending[1:] + LEAST_STEP)
    few, many = max(MIN_TRUE_SIDE, int(width / MAX_FACTOR)) - 1, int(width / MIN_FACTOR)
    seams = few + int(ratio[few - 1 : many - 1].argmax())
    seam, length = steps >= ascending[seams - 1], seams + 1
    if np.count_nonzero(seam) != seams or steps[~seam].mean() > MAX_INSIDE * steps[seam].mean():
        return 0
    expected = np.arange(1, width) * length / width
    return length if np.mean(np.abs(np.cumsum(seam) - expected) <= 1) >= MIN_REGULAR else 0


def _mirrored(waves: Array, length: int) -> float:
    """Return the correlation of what lies above a length with what lies below it, turned round."""
    reach = min(REACH, length - 1, waves.shape[1] - length - 1)
    steps = np.arange(1, reach + 1)
    below, above = waves[:, length - steps], waves[:, length + steps]
    both = np.sqrt((below * below).sum(axis=0) * (above * above).sum(axis=0)) + 1e-9
    return float((-(below * above).sum(axis=0) / both).mean())


def _cliff(waves: Array, length: int) -> float:
    """Return by how many decibels the power falls at a length."""
    reach = max(4, min(length, waves.shape[1] - length) // 3)
    power = (waves * waves).mean(axis=0)
    below, above = power[length - reach : length].mean(), power[length + 1 : length + reach + 1].mean()
    return float(10 * np.log10((below + 1e-9) / (above + 1e-9)))


def _periodicity(lines: Array, length: int) -> float:
    """Return how much of the unevenness of the pixels returns with every pixel of the small picture."""
    uneven = np.abs(lines[:, 2:] - 2 * lines[:, 1:-1] + lines[:, :-2]).mean(axis=0)
    span = 2 * (lines.shape[1] // length) + 1
    smooth = np.convolve(uneven, np.ones(span) / span, mode="same")
    shape = np.full(lines.shape[1], 0.0)
    shape[1:-1] = uneven / np.maximum(smooth, 1e-6) - 1
    strength = np.abs(np.fft.rfft(shape))
    around = np.r_[strength[max(1, length - 24) : max(1, length - 2)], strength[length + 3 : length + 25]]
    return (
        float(strength[min(length, len(strength) - 1)] / (np.sqrt((around**2).mean()) + 1e-9)) if len(around) else 0.0
    )
