"""Measures the search for copies of images.

    python bench/near_images.py [hashes] [planted] [alike] [--photos FOLDER]

prints one table per part; all parts by default. `hashes`: the exact search among a million random 64-bit hashes, its
time and memory, and whether it misses any that comparing all pairs finds. `planted`: recall and precision on copies of
pictures under nine changes at three strengths. `alike`: what is told of pictures that resemble each other and are no
copies. Pictures are made up by `photo_scenes.py` or cut from the photographs of scikit-learn, and of a folder such as
scikit-image's `data`.
"""

import argparse
import resource
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import sklearn.datasets
from photo_scenes import CHANGES, View, photographs, scene
from PIL import Image

from doctor.evidence.image_copies import ImageCopies
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.near_hashes import bits_set, near
from doctor.subjects.images import WHOLE, ImageFile, Images
from doctor.subjects.workers import Workers

HASHES = 1_000_000
PLANTED_PAIRS = 20_000
RADIUS = 6
SAMPLE = 300
SCENES = 40
VIEWS = {
    "from 0.02 of the width apart": View(across=0.02, noise=1),
    "from 0.04 of the width apart": View(across=0.04, noise=2),
    "from 0.06 apart, darker": View(across=0.06, light=0.9, noise=3),
    "from 0.08 apart": View(across=-0.08, noise=4),
}


def hashes() -> None:
    """Search a million hashes, of which some are near by construction."""
    random = np.random.default_rng(5)
    many = random.integers(0, 2**64, HASHES, dtype=np.uint64)
    changed = many[:PLANTED_PAIRS].copy()
    for _ in range(RADIUS):
        changed ^= np.uint64(1) << random.integers(0, 64, PLANTED_PAIRS, dtype=np.uint64)
    many[-PLANTED_PAIRS:] = changed
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begin, computed = time.perf_counter(), time.process_time()
    found = near(many, RADIUS)
    seconds, computed = time.perf_counter() - begin, time.process_time() - computed
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asked = np.sort(random.choice(HASHES, SAMPLE, replace=False))
    asked[: SAMPLE // 3] = np.arange(SAMPLE // 3)
    true = {
        (min(int(i), int(j)), max(int(i), int(j)))
        for i in asked
        for j in np.flatnonzero(bits_set(many ^ many[i]) <= RADIUS)
        if i != j
    }
    told = set(zip(found.one.tolist(), found.other.tolist(), strict=True))
    chosen = set(asked.tolist())
    extra = {pair for pair in told if chosen & set(pair)} - true
    print(f"{HASHES:,} hashes within {RADIUS} bits: {seconds:.1f} s, {computed:.1f} s computed, {len(told):,} pairs")
    print(f"memory: {peak / 1024:,.0f} MiB, {before / 1024:,.0f} MiB before")
    print(
        f"against all pairs of {SAMPLE} of them: {len(true):,} pairs, {len(true - told)} missed, {len(extra)} false\n"
    )


def searched(folder: Path, names: Iterable[str]) -> ImageCopies:
    """Open images, measure them and search for copies as a scan does."""
    files = tuple(ImageFile(path=folder / name, name=name) for name in sorted(names))
    images = Images(shown=str(folder), files=files, splits={WHOLE: len(files)})
    workers = Workers()
    return ImageCopies.measure(images, ImageFacts.measure(images, workers), workers)


def pictures(folders: Iterable[Path]) -> list[Image.Image]:
    """Return different pictures."""
    cut = [piece for folder in folders for piece in photographs(folder)]
    return [*cut, *map(scene, range(SCENES))]


def planted(folders: Iterable[Path]) -> None:
    """Plant copies and count how many are told with their original, and how many with another picture."""
    random = np.random.default_rng(3)
    originals = pictures(folders)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth: dict[str, tuple[int, str, int]] = {}
        for number, picture in enumerate(originals):
            truth[f"{number:03}.png"] = (number, "original", 0)
            picture.save(folder / f"{number:03}.png")
            for change, strengths in CHANGES.items():
                for strength, make in enumerate(strengths):
                    copy = f"{number:03} {change} {strength}.jpg"
                    truth[copy] = (number, change, strength)
                    make(picture, random).save(folder / copy, quality=90)
        begin = time.process_time()
        found = searched(folder, truth)
        seconds = time.process_time() - begin
    family = {}
    for place, members in enumerate(found.families):
        family.update({found.files[index].name: place for index in members})
    hits: Counter[tuple[str, int]] = Counter()
    false = told = 0
    owners = {place: Counter(truth[found.files[i].name][0] for i in m) for place, m in enumerate(found.families)}
    for copy, (number, change, strength) in truth.items():
        if copy not in family:
            continue
        told += 1
        false += owners[family[copy]].most_common(1)[0][0] != number
        hits[change, strength] += family[copy] == family.get(f"{number:03}.png") and change != "original"
    print(f"{len(originals)} pictures, {len(truth) - len(originals):,} copies, {seconds:.0f} s computed\n")
    print(f"{'share found, by strength':<26}{'weak':>8}{'middle':>8}{'strong':>8}")
    for change in CHANGES:
        print(f"{change:<26}" + "".join(f"{hits[change, strength] / len(originals):>8.3f}" for strength in range(3)))
    recall = sum(hits.values()) / (len(truth) - len(originals))
    print(
        f"\nrecall {recall:.3f}, precision {1 - false / max(1, told):.4f} ({false} of {told:,} with another picture)\n"
    )


def alike(folders: Iterable[Path]) -> None:
    """Count what is told of pictures that are no copies."""
    sets: dict[str, list[Image.Image]] = {"different pictures": pictures(folders)}
    for words, view in VIEWS.items():
        sets[f"one scene {words}"] = [scene(n, one) for n in range(SCENES) for one in (View(), view)]
    digits = sklearn.datasets.load_digits().images
    for side in (8, 28, 64):
        grown = [Image.fromarray((255 - 15 * digit).astype(np.uint8)) for digit in digits[:600]]
        sets[f"digits at {side} pixels"] = [digit.resize((side, side), Image.Resampling.BICUBIC) for digit in grown]
    print(f"{'no copies among':<44}{'pictures':>9}{'told':>6}{'alike':>7}  verdict")
    for words, those in sets.items():
        with tempfile.TemporaryDirectory() as name:
            for number, picture in enumerate(those):
                picture.save(Path(name) / f"{number:04}.png")
            found = searched(Path(name), [f"{number:04}.png" for number in range(len(those))])
        told = sum(len(repeated.copies) for repeated in found.near)
        verdict = "too small" if found.tiny else "only what agrees in nearly everything" if found.strict else "all told"
        print(f"{words:<44}{len(those):>9}{told:>6}{found.lookalikes:>7}  {verdict}", flush=True)


def main() -> None:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--photos", type=Path, action="append", default=[])
    wanted = parser.parse_args()
    folders = [Path(sklearn.datasets.__file__).parent / "images", *wanted.photos]
    parts = {"hashes": hashes, "planted": lambda: planted(folders), "alike": lambda: alike(folders)}
    for part in wanted.parts or parts:
        parts[part]()


if __name__ == "__main__":
    main()
