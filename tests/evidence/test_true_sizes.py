"""Which images are decoded whole to tell their true size, and how often."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from doctor.evidence import true_sizes
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.true_sizes import TrueSizes
from doctor.subjects.images import ImageFile, Images
from doctor.subjects.workers import Workers

ENLARGED = (2, 5)
COUNT = 8


@pytest.fixture
def photos(tmp_path: Path) -> Images:
    """Noise that is smooth enough to be a picture; some of it enlarged four times."""
    draw = np.random.default_rng(0)
    files = []
    for number in range(COUNT):
        side = 32 if number in ENLARGED else 128
        noise = draw.integers(0, 256, (side, side), dtype=np.uint8)
        path = tmp_path / f"{number}.png"
        Image.fromarray(noise).resize((128, 128), Image.Resampling.BICUBIC).save(path)
        files.append(ImageFile(path=path, name=path.name))
    return Images(shown="photos", files=tuple(files))


def looked_at(images: Images) -> tuple[TrueSizes, list[int]]:
    """Return what was found, and how many images each round decoded."""
    facts = ImageFacts.measure(images, Workers(threads=1))
    rounds: list[int] = []

    class Counting(Workers):
        def map(self, work, batches, schema):  # type: ignore[no-untyped-def]  # as that of its parent
            rounds.append(sum(batch.num_rows for batch in batches))
            return super().map(work, batches, schema)

    return TrueSizes.measure(facts, Counting(threads=1)), rounds


def test_enlarged_images_are_told_in_the_first_rounds(photos: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(true_sizes, "ROUND", 2)
    found, rounds = looked_at(photos)
    assert sorted(found.indices.tolist()) == list(ENLARGED)
    assert found.width.tolist() == found.height.tolist() == [32, 32]
    assert rounds == [2, 2], "both in the first round; the second, without one, is the last"
    assert (found.looked, found.eligible) == (4, COUNT)


def test_at_most_so_many_rounds_are_made(photos: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(true_sizes, "ROUND", 1)
    monkeypatch.setattr(true_sizes, "MAX_ROUNDS", 1)
    found, rounds = looked_at(photos)
    assert rounds == [1]
    assert len(found.indices) == 1


def test_what_was_looked_at_is_not_decoded_again(
    photos: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("doctor.evidence.image_cache.MIN_FILES", 1)
    first, rounds = looked_at(photos)
    assert rounds == [COUNT]
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (128, 128), dtype=np.uint8)).save(photos.files[0].path)
    second, rounds = looked_at(photos)
    assert rounds == [1]
    assert (first.indices == second.indices).all()
