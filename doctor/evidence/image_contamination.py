"""Images of given benchmarks of which there are copies among the images that are trained on."""

from dataclasses import fields, replace
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct, structs

from doctor.errors import NotApplicable
from doctor.evidence.image_copies import MIN_SIDE, ImageCopies
from doctor.evidence.image_facts import ImageFacts
from doctor.evidence.image_families import ImageCrossing
from doctor.model import Location
from doctor.subjects.benchmarks import Benchmarks
from doctor.subjects.images import WHOLE, ImageFile, Images
from doctor.subjects.workers import Workers

BENCHMARK = "benchmark"
"""What the split of a benchmark's images is called beside the one that is trained on."""


class ImageOverlap(Struct, frozen=True, kw_only=True):
    """A benchmark of images beside those that are trained on.

    Attributes
    ----------
    benchmark : str
        Its path.
    earlier : str
        The split that is trained on.
    looked_for, tiny : int
        Images of the benchmark, and those of them that are too small to be compared unless they are the same bytes.
    copies : ImageCopies
        Of both together.
    crossing : ImageCrossing
        The images of the benchmark that are also in `earlier`.
    """

    benchmark: str
    earlier: str
    looked_for: int
    tiny: int
    copies: ImageCopies
    crossing: ImageCrossing

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the images that are trained on and are copies."""
        return self.copies.names(self.crossing.sources)

    @property
    def place(self) -> Location:
        """Where the first of them is."""
        return Location(split=None if self.earlier == WHOLE else self.earlier, file=self.sources[0])

    @property
    def judged(self) -> dict[str, Any]:
        """What a finding says of them."""
        return {
            "benchmark": self.benchmark,
            "earlier": self.earlier,
            "looked_for": self.looked_for,
            "images": len(self.crossing.copies),
            "sources": len(self.crossing.sources),
            **self.copies.kinds(self.crossing.copies),
            **self.copies.judged(self.crossing),
        }


class ImageContamination(Struct, frozen=True, kw_only=True):
    """All benchmarks of images."""

    COST: ClassVar[int] = 60

    overlaps: tuple[ImageOverlap, ...]

    @classmethod
    def measure(
        cls, images: Images, facts: ImageFacts, benchmarks: Benchmarks | None, workers: Workers
    ) -> "ImageContamination":
        """Search the images of each benchmark together with those that are trained on.

        Raises
        ------
        NotApplicable
            Where no benchmark of images is given.
        """
        if benchmarks is None or not benchmarks.images:
            raise NotApplicable("no benchmark of images is given; name one with --benchmark")
        trained = "train" if "train" in images.splits else next(iter(images.splits))
        chosen = np.flatnonzero(facts.splits == trained)
        overlaps = []
        for path, benchmark in benchmarks.images:
            theirs = ImageFacts.measure(benchmark, workers)
            files = [structs.replace(file, split=BENCHMARK) for file in benchmark.files]
            joined = _joined(_part(facts, chosen), replace(theirs, files=tuple(files)))
            both = Images(
                shown=path, files=joined.files, splits={trained: len(chosen), BENCHMARK: len(benchmark.files)}
            )
            copies = ImageCopies.measure(both, joined, workers)
            overlaps += [
                ImageOverlap(
                    benchmark=path,
                    earlier=trained,
                    looked_for=len(benchmark.files),
                    tiny=int((theirs.shorter < MIN_SIDE).sum()),
                    copies=copies,
                    crossing=crossing,
                )
                for crossing in copies.crossings
            ]
        return cls(overlaps=tuple(overlaps))


def _part(facts: ImageFacts, chosen: np.ndarray[Any, Any]) -> ImageFacts:
    """Return the facts of some of the images."""
    numbers = {int(old): new for new, old in enumerate(chosen.tolist())}
    return replace(
        facts,
        files=tuple(facts.files[index] for index in numbers),
        faults={numbers[old]: fault for old, fault in facts.faults.items() if old in numbers},
        reasons={numbers[old]: reason for old, reason in facts.reasons.items() if old in numbers},
        **{name: getattr(facts, name)[chosen] for name in _arrays(facts)},
    )


def _joined(one: ImageFacts, other: ImageFacts) -> ImageFacts:
    """Return the facts of two collections as of one."""
    begin = len(one.files)
    files: tuple[ImageFile, ...] = (*one.files, *other.files)
    return replace(
        one,
        files=files,
        faults={**one.faults, **{begin + index: fault for index, fault in other.faults.items()}},
        reasons={**one.reasons, **{begin + index: reason for index, reason in other.reasons.items()}},
        **{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in _arrays(one)},
    )


def _arrays(facts: ImageFacts) -> list[str]:
    return [field.name for field in fields(facts) if field.name not in ("files", "faults", "reasons")]
