"""Images of another light, colour, size or camera in the test split than in training.

What it finds
    Splits whose images differ in what is not what they show: brightness, contrast, sharpness, strength and tint of
    colour, size, proportions, quality of JPEG, bytes per pixel, the way they are stored, and the camera or program
    that EXIF names. One finding per split, with the traits that differ, the most different first, and typical images
    of both splits side by side. The rule is that of drift/feature-drift: a population stability index without what
    chance adds, of which the lower bound must pass.

Why it matters
    A model that saw only pictures taken by day fails at night. Where the test is unlike training, its score does not
    speak for training; where the world is unlike both, neither does.

What to do
    Look at both rows of thumbnails. If both splits should stand for one population, draw them anew. If the later one
    is what the model will meet, train on images like it, or vary light, colour and size while training.

Thresholds
    min_psi: lower 99 % bound of the index from which a trait is reported (0.1); see drift/feature-drift.
    max_q: Benjamini-Hochberg q over all traits and splits, above which nothing is said (0.01).
    max_blind_psi: index that would go unseen with so few images, above which there is no verdict (1.0).

Calibration
    `python bench/calibrate_images.py shift --photos FOLDER` prints the tables, of pictures cut from 33 photographs.
    Both splits drawn alike, 75 + 25 to 1,000 + 300 images, 100 data sets per size: no finding. The later split changed,
    found in 10 data sets each at 75 + 25 and at 300 + 100 images: light times 0.9 in 1 and 2, times 0.7 in 4 and 10,
    times 0.5 in all; blurred by a Gaussian of 1 pixel in 5 and 10, of 3 pixels in all; without colour in all; a tenth
    larger in none and 10.

Limits
    At most 10,000 images of each split are looked at; files of equal bytes count once. Frames of one film, or cuts of
    one picture, are alike and not independent: where splits are cut along them, a shift may be that of one film. What
    follows from other shares of the classes is left to labels' drift. What the images show is not compared.

Source
    drift/feature-drift names the sources of the rule.
"""

from collections.abc import Iterator
from typing import Any

from doctor.evidence.image_shifts import ImageShifts
from doctor.evidence.image_traits import WORDS
from doctor.evidence.shifts import ColumnShift, Contrast, follows_from_labels
from doctor.evidence.significance import false_discovery
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "drift/image-shift",
    Severity.WARNING,
    {
        "numbers": "images of {later} are unlike those of {earlier}: median of {word} {after_median:.3g}, in "
        "{earlier} {before_median:.3g} (stability index {psi:.2f}, at least {psi_lower:.2f}){others}",
        "shape": "images of {later} are unlike those of {earlier}: {word} is {level} in {after_share:.0%} of them and "
        "in {before_share:.0%} of {earlier} (stability index {psi:.2f}, at least {psi_lower:.2f}){others}",
    },
)


def examine(
    shifts: ImageShifts, *, min_psi: float = 0.1, max_q: float = 0.01, max_blind_psi: float = 1.0
) -> Iterator[Finding | Undecided]:
    """Judge all traits of all splits by the same rule, and tell each split once."""
    judged: list[tuple[Contrast, ColumnShift]] = []
    for contrast in shifts.contrasts:
        if why := contrast.undecided(min_psi=min_psi, max_blind_psi=max_blind_psi, min_clusters=0):
            yield CHECK.unavailable(why.replace("rows", "images"))
        else:
            judged += [(contrast, shift) for shift in contrast.columns]
    q_values = false_discovery([shift.divergence.p for _, shift in judged])
    shifted: dict[str, list[tuple[Contrast, ColumnShift, float]]] = {}
    for (contrast, shift), q in zip(judged, q_values, strict=True):
        plain = shift.divergence.psi_lower >= min_psi and q <= max_q
        if plain and not follows_from_labels(contrast, shift, min_psi):
            shifted.setdefault(contrast.later, []).append((contrast, shift, q))
    for found in shifted.values():
        yield _finding(shifts, sorted(found, key=lambda one: -round(one[1].divergence.psi_lower, 1)))


def _finding(shifts: ImageShifts, found: list[tuple[Contrast, ColumnShift, float]]) -> Finding:
    contrast, shift, q = found[0]
    facts = shifts.facts
    others = [WORDS[one.column] for _, one, _ in found[1:]]
    earlier, later = (shifts.typical(split, shift.column) for split in (contrast.earlier, contrast.later))
    pictures = [
        facts.thumbnail(index, f"typical of {split}", group)
        for group, (split, indices) in enumerate(((contrast.earlier, earlier), (contrast.later, later)))
        for index in indices
    ]
    return CHECK.finding(
        "numbers" if shift.middle_moved else "shape",
        at=Location(split=contrast.later),
        repair=Advise(
            safety=Safety.MANUAL,
            summary=f"draw the splits anew if both stand for one population, or train on images as in {contrast.later}",
        ),
        confidence=1 - q,
        earlier=contrast.earlier,
        later=contrast.later,
        word=WORDS[shift.column],
        trait=shift.column,
        others=f"; other traits that differ: {', '.join(others)}" if others else "",
        images_judged=contrast.drawn,
        traits={one.column: _told(one) for _, one, _ in found},
        q=q,
        **_told(shift),
    ).showing(thumbnails=[picture for picture in pictures if picture])


def _told(shift: ColumnShift) -> dict[str, Any]:
    place = shift.most_changed
    medians = shift.medians if shift.middle_moved and shift.medians else (None, None)
    return {
        "psi": shift.divergence.psi,
        "psi_lower": shift.divergence.psi_lower,
        "before_median": medians[0],
        "after_median": medians[1],
        "level": shift.bins[place],
        "before_share": shift.before[place],
        "after_share": shift.after[place],
    }
