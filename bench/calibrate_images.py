"""Measures false alarms and recall of drift/image-shift, and of leakage/shortcut and labels/label-noise on images.

    python bench/calibrate_images.py [shift] [shortcut] [noise] [embeddings] [--photos FOLDER …]

prints one table per part; all parts by default. Pictures are cut from the photos in the folders, else from the two
that come with scikit-learn; the classes of `noise` are scikit-learn's digits. `embeddings` is
the same judged by what a small network sees in them, which learnt from other digits. What is found is what the checks
say.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_label_noise import ImageLabelNoise
from doctor.evidence.image_shifts import ImageShifts
from doctor.evidence.image_shortcuts import ImageShortcuts
from doctor.model import Finding
from doctor.subjects.embeddings import Embeddings
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.workers import Workers
from doctor_checks.drift import image_shift
from doctor_checks.labels import label_noise
from doctor_checks.leakage import shortcut

SIDE = 96
CUTS = 1500
SEEDS = 100
PLANTED_SEEDS = 10
SIZES = ((75, 25), (300, 100), (1000, 300))
Picture = Image.Image


def cuts(folders: list[Path]) -> list[Picture]:
    """Cut pictures from photos, at places drawn once."""
    paths = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".jpg", ".png")]
    bundled = resources("sklearn.datasets") / "images"
    contents = [path.read_bytes() for path in paths] or [
        (bundled / name).read_bytes() for name in ("china.jpg", "flower.jpg")
    ]
    photos = [Image.open(io.BytesIO(content)).convert("RGB") for content in contents]
    photos = [photo for photo in photos if min(photo.size) > SIDE]
    random = np.random.default_rng(0)
    made = []
    for _ in range(CUTS):
        photo = photos[random.integers(len(photos))]
        x, y = (int(random.integers(0, reach - SIDE)) for reach in photo.size)
        made.append(photo.crop((x, y, x + SIDE, y + SIDE)))
    return made


def measured(folder: Path, pictures: list[Picture], kind: str = "png", qualities: Any = None) -> ImageFacts:
    """Write pictures and measure them."""
    folder.mkdir(parents=True)
    for number, picture in enumerate(pictures):
        options: dict[str, Any] = {} if qualities is None else {"quality": int(qualities[number])}
        picture.save(folder / f"{number:05}.{kind}", **options)
    found = tuple(ImageFile(path=path, name=path.name) for path in sorted(folder.iterdir()))
    return ImageFacts.measure(Images(shown="", files=found), Workers())


def chosen(facts: ImageFacts, places: np.ndarray, splits: Any = None, labels: Any = None) -> ImageFacts:
    """Take some images, in these splits and of these classes."""
    taken: dict[str, Any] = {
        field.name: getattr(facts, field.name)[places]
        for field in fields(facts)
        if isinstance(getattr(facts, field.name), np.ndarray)
    }
    listed = tuple(
        ImageFile(
            path=facts.files[place].path,
            name=facts.files[place].name,
            split="all" if splits is None else str(splits[number]),
            label=None if labels is None else str(labels[number]),
        )
        for number, place in enumerate(places.tolist())
    )
    return replace(facts, files=listed, **taken)


def joined(first: ImageFacts, second: ImageFacts) -> ImageFacts:
    """Put two collections together."""
    both: dict[str, Any] = {
        field.name: np.concatenate([getattr(first, field.name), getattr(second, field.name)])
        for field in fields(first)
        if isinstance(getattr(first, field.name), np.ndarray)
    }
    return replace(first, files=(*first.files, *second.files), **both)


def shifted(facts: ImageFacts) -> list[Finding]:
    """Say what differs between train and test."""
    images = Images(shown="", files=facts.files, splits={"train": 1, "test": 1})
    said = image_shift.examine(ImageShifts.measure(images, facts))
    return [one for one in said if isinstance(one, Finding)]


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "light x 0.9": lambda picture: picture.point(lambda value: value * 0.9),
    "light x 0.7": lambda picture: picture.point(lambda value: value * 0.7),
    "light x 0.5": lambda picture: picture.point(lambda value: value * 0.5),
    "blurred by 1": lambda picture: picture.filter(ImageFilter.GaussianBlur(1)),
    "blurred by 3": lambda picture: picture.filter(ImageFilter.GaussianBlur(3)),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "a tenth larger": lambda picture: picture.resize((106, 106)),
}


def shift(pictures: list[Picture], folder: Path) -> None:
    """Print alarms of splits drawn alike, and recall where the later one is changed."""
    facts = measured(folder / "plain", pictures)
    print("drift/image-shift: both splits drawn alike: data sets with a finding\n")
    for before, after in SIZES:
        alarms = 0
        for seed in range(SEEDS):
            places = np.random.default_rng(seed).permutation(CUTS)[: before + after]
            alarms += bool(shifted(chosen(facts, places, ["train"] * before + ["test"] * after)))
        print(f"{before:>6} + {after:<5} {alarms} of {SEEDS}", flush=True)
    print("\nthe later split changed: found\n")
    for name, change in CHANGES.items():
        other = measured(folder / name.replace(" ", "-"), [change(picture) for picture in pictures[:500]])
        for before, after in SIZES[:2]:
            found = 0
            for seed in range(PLANTED_SEEDS):
                random = np.random.default_rng(seed)
                train = chosen(facts, random.permutation(CUTS)[:before], ["train"] * before)
                test = chosen(other, random.permutation(500)[:after], ["test"] * after)
                found += bool(shifted(joined(train, test)))
            print(f"{name:<16}{before:>6} + {after:<5}{found:>3} of {PLANTED_SEEDS}", flush=True)


def told(facts: ImageFacts) -> list[str]:
    """Name the shortcuts that are found."""
    said = shortcut.examine(ImageShortcuts.measure(facts))
    return [str(one.evidence["kind"]) for one in said if isinstance(one, Finding)]


def shortcuts(pictures: list[Picture], folder: Path) -> None:
    """Print alarms of shuffled classes, and recall where the quality of JPEG is known by the class."""
    random = np.random.default_rng(0)
    qualities = random.choice([70, 85, 92], CUTS)
    facts = measured(folder / "jpeg", pictures, "jpg", qualities)
    print("\nleakage/shortcut: shuffled classes: data sets with a finding\n")
    for rows in (150, 400, 1200):
        for classes in (2, 5):
            alarms = []
            for seed in range(SEEDS // 4):
                draw = np.random.default_rng(seed)
                labels = draw.integers(0, classes, rows)
                alarms += [told(chosen(facts, draw.permutation(CUTS)[:rows], labels=labels))]
            print(f"{rows:>6} images {classes} classes: {sum(map(bool, alarms))} of {SEEDS // 4}", flush=True)
    print("\nquality known by the class in a share of the images, 400 images of 2 classes: found\n")
    for share in (0.2, 0.4, 0.6, 0.8):
        found = 0
        for seed in range(PLANTED_SEEDS):
            draw = np.random.default_rng(seed)
            places = draw.permutation(CUTS)[:400]
            labels = np.where(draw.random(400) < share, facts.quality[places] > 80, draw.random(400) < 0.66)
            found += "quality" in told(chosen(facts, places, labels=labels))
        print(f"{share:>6.0%} {found:>3} of {PLANTED_SEEDS}", flush=True)


def digits(folder: Path) -> tuple[ImageFacts, np.ndarray]:
    """Write scikit-learn's digits and measure them; return what they show too."""
    known = load_digits()
    return measured(folder / "digits", [Image.fromarray((one * 15.9).astype(np.uint8)) for one in known.images]), (
        known.target
    )


def doubted(facts: ImageFacts, vectors: np.ndarray | None = None) -> tuple[ImageLabelNoise, list[Finding]]:
    """Look for wrong labels."""
    given = None if vectors is None else Embeddings(shown="", vectors=vectors, row=np.arange(len(vectors)))
    noise = ImageLabelNoise.measure(facts, Images(shown="", files=facts.files, embeddings=given), Workers())
    return noise, [one for one in label_noise.examine(noise, None) if isinstance(one, Finding)]


def seen_by_network(facts: ImageFacts, truth: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return what a network that learnt from all other images has in its hidden layer."""
    inputs = (facts.descriptor - facts.descriptor.mean(axis=0)) / np.maximum(facts.descriptor.std(axis=0), 1e-3)
    others = np.setdiff1d(np.arange(len(truth)), places)
    network = MLPClassifier((64,), alpha=1, max_iter=200, random_state=0).fit(inputs[others], truth[others])
    return np.maximum(0, inputs[places] @ network.coefs_[0] + network.intercepts_[0])


def flaws(truth: np.ndarray, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Make wrong labels of several kinds."""
    random = np.random.default_rng(seed)
    for share in (0.03, 0.05, 0.08):
        labels = truth.copy()
        wrong = random.random(len(truth)) < share
        labels[wrong] = (truth[wrong] + random.integers(1, 10, wrong.sum())) % 10
        yield f"any, {share:.0%}", labels
    for share in (0.05, 0.1, 0.2):
        wrong = random.random(len(truth)) < share
        exchanged = np.where(truth == 3, 7, np.where(truth == 7, 3, truth))
        yield f"3 and 7, {share:.0%}", np.where(wrong, exchanged, truth)


def noise(folder: Path, embedded: bool) -> None:
    """Print alarms on digits as they are, and recall on wrong labels."""
    facts, truth = digits(folder)
    print("\nlabels/label-noise" + ", by embeddings" * embedded + ": digits as they are: data sets with a finding\n")
    for rows in (200, 500, 1000):
        alarms = 0
        for seed in range(PLANTED_SEEDS):
            places = np.random.default_rng(seed).permutation(len(truth))[:rows]
            vectors = seen_by_network(facts, truth, places) if embedded else None
            alarms += bool(doubted(chosen(facts, places, labels=truth[places]), vectors)[1])
        print(f"{rows:>6} images {alarms} of {PLANTED_SEEDS}", flush=True)
    print("\n1,000 digits with wrong labels: found, named, and wrong labels in the first 10 % of the list\n")
    found: dict[str, list[tuple[bool, bool, float]]] = {}
    for seed in range(PLANTED_SEEDS // 2):
        places = np.random.default_rng(seed).permutation(len(truth))[:1000]
        vectors = seen_by_network(facts, truth, places) if embedded else None
        for name, labels in flaws(truth[places], seed):
            measure, said = doubted(chosen(facts, places, labels=labels), vectors)
            wrong = set(np.flatnonzero(labels != truth[places]).tolist())
            listed = {row.number for row in measure.listed}
            named = bool(said) and said[0].evidence["kind"] == "exchanged"
            found.setdefault(name, []).append((bool(said), named, len(listed & wrong) / max(1, len(wrong))))
    for name, each in found.items():
        warned, named, shares = zip(*each, strict=True)
        print(f"{name:<14}{sum(warned)} of {len(each)}, named {sum(named)}, in the list {np.mean(shares):.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=[])
    parser.add_argument("--photos", nargs="*", type=Path, default=[])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        wanted = asked.parts or ["shift", "shortcut", "noise", "embeddings"]
        cut = cuts(asked.photos) if set(wanted) & {"shift", "shortcut"} else []
        if "shift" in wanted:
            shift(cut, Path(place) / "shift")
        if "shortcut" in wanted:
            shortcuts(cut, Path(place) / "shortcut")
        if "noise" in wanted:
            noise(Path(place) / "noise", embedded=False)
        if "embeddings" in wanted:
            noise(Path(place) / "embeddings", embedded=True)
