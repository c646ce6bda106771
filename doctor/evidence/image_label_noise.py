"""Which classes of images are doubted, by models of what their pictures look like or of embeddings."""

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from doctor.evidence.exchanges import Exchange
from doctor.evidence.image_facts import MAX_NAMES, MAX_THUMBNAILS, ImageFacts
from doctor.evidence.image_targets import content_keys, image_target
from doctor.evidence.inputs import Inputs
from doctor.evidence.label_doubts import MAX_ROWS, LabelDoubts
from doctor.evidence.label_noise import Doubtful, LabelNoise, listed_of, swapped_of
from doctor.evidence.one_feature import folds_of
from doctor.evidence.review_clusters import Together, put_together
from doctor.evidence.targets import Target
from doctor.evidence.thumbnails import thumbnail_of
from doctor.model import Cluster, Location, ReviewFiles, Safety, Thumbnail
from doctor.subjects.images import Images
from doctor.subjects.vision_models import VisionModel
from doctor.subjects.workers import Workers

Array = np.ndarray[Any, Any]

LEAST_SPREAD = 1e-4
"""Of a feature, below which it says nothing: colours of grey images."""
MAX_REVIEWED = 200
"""Pictures of a review: a tenth of the rows that are judged, and some 3 kB each."""
REVIEW_SIDE = 96
MAX_WIDTH = 240
"""Of embeddings, as many as the descriptor has; of wider ones that many main axes are taken."""


class ImageLabelNoise(LabelNoise, frozen=True, kw_only=True):
    """What is known of wrong classes of images.

    Attributes
    ----------
    judged_by : str
        "pictures", the file of embeddings, or the model that made them.
    numbers : ndarray of int64
        Places in the collection of the images that were judged, in the order of `doubts`.
    """

    COST: ClassVar[int] = 90

    facts: ImageFacts
    numbers: Array
    judged_by: str = "pictures"

    def also_told(self, rows: Sequence[Doubtful]) -> dict[str, Any]:
        """The images in the order of their doubts, and by what they were judged."""
        files = [row.file for row in rows][:MAX_NAMES]
        return {"files": files, "clusters": len(self._together(rows)), "judged_by": self.judged_by}

    def pictures(self, rows: Sequence[Doubtful]) -> Sequence[Thumbnail]:
        """Show the most doubtful images, those that look like one class instead of another side by side."""
        shown = list(rows[:MAX_THUMBNAILS])
        pairs = list(dict.fromkeys((row.given, row.suggested) for row in shown))
        made = []
        for group, pair in enumerate(pairs):
            for row in shown:
                if (row.given, row.suggested) == pair:
                    made.append(self.facts.thumbnail(row.number, _words(row), group))
        return [one for one in made if one is not None]

    def _together(self, rows: Sequence[Doubtful]) -> tuple[Together, ...]:
        place = {number: place for place, number in enumerate(self.numbers.tolist())}
        return put_together(rows, self.doubts.matrix[[place[row.number] for row in rows]])

    def clusters(self, rows: Sequence[Doubtful]) -> Sequence[Cluster]:
        """Show all of these, in the clusters in which a person goes through them."""
        from doctor.evidence.image_opening import quiet

        made, left = [], MAX_REVIEWED
        with quiet():
            for number, part in enumerate(self._together(rows), start=1):
                members = [rows[place] for place in part.places[:left]]
                left -= len(members)
                shown = (
                    thumbnail_of(self.facts.files[row.number], "" if part.plain else _words(row), number, REVIEW_SIDE)
                    for row in members
                )
                pictures = [one for one in shown if one is not None]
                made += [Cluster(number=number, title=part.title, thumbnails=pictures)] if pictures else []
        return made

    def place(self, rows: Sequence[Doubtful]) -> Location:
        """Say where images are."""
        return self.facts.place([row.number for row in rows])

    def review(self, rows: Sequence[Doubtful], summary: str, *, suggested: bool = True) -> ReviewFiles:
        """Have a person look at images, beside the classes that are likelier where `suggested`."""
        number = {place: n for n, part in enumerate(self._together(rows), 1) for place in part.places}
        return ReviewFiles(
            files=tuple(row.file for row in rows),
            suggested=tuple(row.suggested for row in rows) if suggested else (),
            clusters=tuple(number[place] for place in range(len(rows))),
            safety=Safety.MANUAL,
            summary=summary.replace("rows", "images"),
        )

    def relabel(self, rows: Sequence[Doubtful]) -> ReviewFiles:
        """List images with the likelier class; folders are not renamed by a model's word."""
        return self.review(rows, "look at the images of the two classes; each comes with the class that it looks like")

    @classmethod
    def measure(cls, facts: ImageFacts, images: Images, workers: Workers) -> "ImageLabelNoise":  # type: ignore[override]  # of images, not of a table
        """Judge the classes of at most 2,000 drawn images of the train split, or of all where there is none.

        Raises
        ------
        NotApplicable
            Where the images have no classes.
        Unavailable
            Where there are too few of them.
        UsageError
            Where the embeddings that are given hold what is no number, or the model cannot be used.
        """
        target = image_target(facts)
        given = images.embeddings
        drawn = target.rows[:MAX_ROWS]
        if given is None:
            features = facts.descriptor[drawn]
        elif isinstance(given, VisionModel):
            from doctor.evidence.vision_vectors import vectors_of

            features = vectors_of(given, facts, drawn, workers)
        else:
            features = given.of(drawn)
        doubts = LabelDoubts.of(target, inputs_of(features, facts, target))
        exchange = Exchange.of(doubts.settled, doubts.labels, doubts.names)
        listed, swapped = listed_of(doubts.told), swapped_of(exchange, doubts.told)
        numbers = target.rows[doubts.rows]
        return cls(
            target=doubts.target,
            rows=len(doubts.labels),
            total=doubts.total,
            whole=doubts.total <= MAX_ROWS,
            flips=doubts.flips,
            competence=doubts.competence,
            distinct_share=doubts.distinct_share,
            errors=doubts.errors,
            floor=doubts.floor,
            suspects=int(doubts.told.suspect.sum()),
            listed=_named(doubts, facts, numbers, listed, doubts.told.suggested),
            exchange=exchange,
            swapped=_named(doubts, facts, numbers, swapped, doubts.settled.called),
            copies=(),
            ring=0,
            entities=False,
            doubts=doubts,
            unit="images",
            facts=facts,
            judged_by="pictures" if given is None else str(given),
            numbers=numbers,
        )


def _words(row: Doubtful) -> str:
    return f"{row.given}, looks like {row.suggested}" if row.given != row.suggested else row.given


def _named(doubts: LabelDoubts, facts: ImageFacts, numbers: Array, rows: Array, better: Array) -> tuple[Doubtful, ...]:
    """Describe judged images, by their positions; `better` are the likelier classes."""
    return tuple(
        Doubtful(
            number=(number := int(numbers[row])),
            row=number,
            given=doubts.names[doubts.labels[row]],
            suggested=doubts.names[int(better[row])],
            like=number,
            doubt=float(doubts.told.doubt[row]),
            suspect=bool(doubts.told.suspect[row]),
            file=facts.files[number].name,
        )
        for row in rows.tolist()
    )


def inputs_of(features: Array, facts: ImageFacts, target: Target) -> Inputs:
    """Scale features of the images that have a class; copies of one file share a fold.

    Parameters
    ----------
    features : ndarray of float32, shape (n, d)
        One row for each of the first images of the target.
    """
    rows = target.rows[: len(features)]
    chosen = features.astype(np.float64)
    spread = chosen.std(axis=0)
    told = np.flatnonzero(spread > LEAST_SPREAD * max(1e-9, float(np.abs(chosen).max(initial=0.0))))
    scaled = (chosen[:, told] - chosen[:, told].mean(axis=0)) / spread[told]
    matrix = (scaled if len(told) <= MAX_WIDTH else main_axes(scaled)).astype(np.float32)
    width = matrix.shape[1]
    return Inputs(
        rows=np.arange(len(rows)),
        matrix=matrix,
        origin=np.arange(width),
        values=target.values[: len(rows)],
        fold=folds_of(content_keys(facts, rows)),
        features=width,
        unread=(),
    )


def main_axes(scaled: Array) -> Array:
    """Reduce centred features to `MAX_WIDTH` columns of which the main axes are what is kept; mean square 1.

    The axes keep their unequal spreads: made equal, those that hold nothing but noise would count like the others. They
    are turned at random then, as no column of an embedding stands for a thing by itself: halves of the columns, as
    `LabelDoubts.witnesses` takes them, should each hold a bit of every axis.
    """
    between = scaled @ scaled.T if len(scaled) < scaled.shape[1] else scaled.T @ scaled
    powers, axes = np.linalg.eigh(between)
    powers, axes = powers[::-1][:MAX_WIDTH], axes[:, ::-1][:, :MAX_WIDTH]
    kept = powers > LEAST_SPREAD * powers[0]
    axes = axes[:, kept]
    turned = axes * np.sqrt(powers[kept]) if len(scaled) < scaled.shape[1] else scaled @ axes
    apart, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(MAX_WIDTH, turned.shape[1])))
    spread: Array = turned @ apart.T
    spread /= np.sqrt((spread**2).mean())
    return spread
