"""Which labels are doubted, which classes are exchanged, and which rows nearly equal one with another label."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable
from doctor.evidence.error_floor import ErrorFloor
from doctor.evidence.keys import Keys
from doctor.evidence.label_doubts import MAX_ROWS, LabelDoubts, Reference, Suspicion
from doctor.evidence.near_labels import near_pairs, verified
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.significance import binomial_upper_tail
from doctor.evidence.surprisal import Surprisal
from doctor.evidence.targets import Target, Task
from doctor.model import AnyRepair, Cluster, Location, Relabel, ReviewFiles, ReviewRows, Safety, Thumbnail
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MIN_DISTINCT_SHARE = 0.5
MIN_EACH_WAY = 4
MAX_EXCHANGE_CHANCE = 0.001
MAX_GOINGS = 10
SUMMARY = "look at the most doubtful rows first; each comes with the label that the models hold to be right"
SETTLE = "settle on one label for each pair of near copies"
FIRST_SHARE, NEXT_SHARE = 0.05, 0.10
"""At least and at most so many of the rows are listed for review."""


class Doubtful(Struct, frozen=True, kw_only=True):
    """A row whose label is in doubt.

    Attributes
    ----------
    number, row : int
        `sql.ROW`, and the row as a person counts it.
    given, suggested : str
        Its label, and the likelier one.
    like : int
        `sql.ROW` of a row that bears the likelier one undoubted.
    file : str
        Its file, where it is an image; then the numbers are places in the collection.
    suspect : bool
        Whether both families call it another class.
    """

    number: int
    row: int
    given: str
    suggested: str
    like: int
    doubt: float
    suspect: bool
    file: str = ""

    @property
    def told(self) -> dict[str, Any]:
        """What a finding says of it."""
        place = {"file": self.file} if self.file else {"row": self.row}
        return place | {"label": self.given, "suggested": self.suggested}


class Exchange(Struct, frozen=True, kw_only=True):
    """Two classes that are taken for each other.

    Attributes
    ----------
    first_rows, second_rows : int
        Suspects labelled as the one that are of the other.
    first_share, second_share : float
        The same per row labelled so.
    floor : ErrorFloor
        Of errors among the rows of these two classes.
    error_share : float
        All errors among them, per row.
    """

    first: str
    second: str
    first_rows: int
    second_rows: int
    first_share: float
    second_share: float
    floor: ErrorFloor
    error_share: float


class LabelNoise(Struct, frozen=True, kw_only=True):
    """What is known of wrong labels.

    Attributes
    ----------
    rows, total : int
        Rows judged, and labelled rows of the sample; the table may have more.
    whole : bool
        Whether each row of the table that has a label was judged.
    flips, competence, distinct_share, errors, floor
        Those of `doubts`.
    suspects : int
        Rows whose label both families call another.
    listed : tuple of Doubtful
        Most doubtful first: the suspects, at least 5 % and at most 10 % of the rows.
    exchange : Exchange or None
        The two of at least three classes between which most suspects go, if they go both ways.
    pairs : int
        Pairs of classes of which they are one; of images see `confused_pairs`.
    copies : tuple of (Doubtful, Doubtful)
        Rows that nearly equal each other and have different labels.
    ring : int
        Pairs with different labels that are up to four times as far apart.
    entities : bool
        Whether a column names an entity that owns several rows.
    unit : str
        What is judged: "rows" or "images".
    """

    COST: ClassVar[int] = 95

    target: str
    rows: int
    total: int
    whole: bool
    flips: int
    competence: float
    distinct_share: float
    errors: int
    floor: ErrorFloor
    suspects: int
    listed: tuple[Doubtful, ...]
    exchange: Exchange | None
    pairs: int
    copies: tuple[tuple[Doubtful, Doubtful], ...]
    ring: int
    entities: bool
    doubts: LabelDoubts
    file: str | None = None
    unit: str = "rows"

    @property
    def witnesses(self) -> float | None:
        """See `LabelDoubts`."""
        return self.doubts.witnesses

    @property
    def also_told(self) -> dict[str, Any]:
        """What a finding says beside what it says of rows."""
        return {}

    @property
    def error_share(self) -> float:
        """Rows that the models hold to be of another class, per row."""
        return self.errors / self.rows

    def unable(self, min_competence: float, max_errors: float) -> str:
        """Say why wrong labels cannot be told from hard rows here; empty where they can."""
        if self.distinct_share < MIN_DISTINCT_SHARE:
            return "so many rows have equal features that overlap cannot be told from wrong labels"
        if self.competence < min_competence:
            told = f"of {self.flips:,} known flips the models find too few (AUROC {self.competence:.2f})"
            return f"{told}, so they cannot tell wrong labels from hard rows"
        if self.error_share > max_errors:
            return f"the models err in {self.error_share:.0%} of the rows, for whatever reason"
        return ""

    def plainly_exchanged(self, min_exchanged: float, min_share: float) -> bool:
        """Whether most suspects go between the two classes of `exchange`, both ways, more than if spread evenly."""
        pair = self.exchange
        if pair is None:
            return False
        both = pair.first_rows + pair.second_rows
        each = min(pair.first_rows, pair.second_rows) >= MIN_EACH_WAY
        shares = min(pair.first_share, pair.second_share) >= min_share
        # With three classes a third of even flips lies between two of them, with more classes less.
        rare = binomial_upper_tail(both, self.suspects, 1 / 3) <= MAX_EXCHANGE_CHANCE
        return each and shares and both >= min_exchanged * self.suspects and rare

    @property
    def goings(self) -> dict[str, int]:
        """Listed rows by the label that they bear and the likelier one, the most frequent first."""
        counts = Counter(f"{row.given} → {row.suggested}" for row in self.listed if row.given != row.suggested)
        return dict(counts.most_common(MAX_GOINGS))

    def pictures(self, rows: Sequence[Doubtful]) -> Sequence[Thumbnail]:
        """Show doubtful images; of rows there is nothing to be seen."""
        return ()

    def clusters(self) -> Sequence[Cluster]:
        """Show doubtful images in clusters that a person goes through; of rows there is nothing to be seen."""
        return ()

    def place(self, rows: Sequence[Doubtful]) -> Location:
        """Say where rows are."""
        return Location(columns=(self.target,), rows=tuple(row.row for row in rows), file=self.file)

    def repair(self, exchanged: Exchange | None) -> AnyRepair:
        """Give rows of two exchanged classes the other label where all rows were judged, else have a person look."""
        if exchanged and self.whole:
            pair = {exchanged.first, exchanged.second}
            return self.relabel([row for row in self.listed if row.suspect and {row.given, row.suggested} == pair])
        return self.review(self.listed, SUMMARY)

    def repair_of_copies(self, *, competent: bool) -> AnyRepair:
        """Give near copies one label where the models tell it and judged all rows, else have a person look."""
        rows = [row for pair in self.copies for row in pair]
        if competent and self.whole:
            return self.relabel([row for row in rows if row.given != row.suggested])
        return self.review(rows, SETTLE, suggested=competent)

    def review(self, rows: Sequence[Doubtful], summary: str, *, suggested: bool = True) -> ReviewRows | ReviewFiles:
        """Have a person look at rows, beside the labels that are likelier where `suggested`."""
        return ReviewRows(
            rows=tuple(row.row for row in rows),
            numbers=tuple(row.number for row in rows),
            suggested=tuple(row.suggested for row in rows) if suggested else (),
            safety=Safety.MANUAL,
            summary=summary,
        )

    def relabel(self, rows: Sequence[Doubtful]) -> Relabel | ReviewFiles:
        """Give rows the likelier label."""
        return Relabel(
            column=self.target,
            numbers=tuple(row.number for row in rows),
            like=tuple(row.like for row in rows),
            suggested=tuple(row.suggested for row in rows),
            safety=Safety.UNSAFE,
            summary=f"give {len(rows):,} rows the {self.target} that the models hold to be right",
        )

    @classmethod
    def measure(
        cls,
        table: Table,
        roles: Roles,
        sample: Sample,
        keys: Keys,
        surprisal: Surprisal,
        target: Target,
        reference: Reference,
    ) -> "LabelNoise":
        """List what is doubted, with places in the table.

        Raises
        ------
        NotApplicable
            Where the target is a quantity.
        Unavailable
            Where there are no models.
        """
        if target.task is not Task.CLASSIFICATION:
            raise NotApplicable(f"the target {target.name} is a quantity, so no label is flipped")
        doubts = reference.doubts
        if doubts is None:
            raise Unavailable(reference.why_not)
        told, labels = doubts.told, doubts.labels
        place = _Places(table, sample.row[doubts.rows], doubts)
        listed = [place.of(row) for row in listed_of(told).tolist()]
        near, ring = near_pairs(doubts.matrix, labels)
        out = {target.name, roles.item, roles.predictions, *roles.annotators, *keys.names}
        compared = [column.name for column in table.columns if column.name not in out]
        back = {int(position): row for row, position in enumerate(doubts.rows.tolist())}
        there = [(int(doubts.rows[first]), int(doubts.rows[second])) for first, second in near]
        copies = verified(there, sample, surprisal, compared, len(labels))
        pairs = [(back[first], back[second]) for first, second in copies]
        return cls(
            target=doubts.target,
            rows=len(labels),
            total=doubts.total,
            whole=doubts.total <= MAX_ROWS and sample.rows == sample.total,
            flips=doubts.flips,
            competence=doubts.competence,
            distinct_share=doubts.distinct_share,
            errors=doubts.errors,
            floor=doubts.floor,
            suspects=int(told.suspect.sum()),
            listed=tuple(listed),
            exchange=exchange_of(doubts),
            pairs=math.comb(len(doubts.names), 2),
            copies=tuple(sorted(map(place.pair, pairs), key=lambda pair: (pair[0].number, pair[1].number))),
            ring=ring,
            entities=bool(keys.entities),
            doubts=doubts,
            file=str(table.place(listed[0].number)[0]) if listed else None,
        )


class _Places:
    """Names rows and, for each class, a row that bears it undoubted."""

    def __init__(self, table: Table, numbers: Array, doubts: LabelDoubts) -> None:
        self._table, self._numbers, self._doubts = table, numbers, doubts
        order = np.lexsort((np.arange(len(numbers)), doubts.told.doubt))
        self._like = {int(doubts.labels[row]): int(numbers[row]) for row in order[::-1].tolist()}

    def of(self, row: int, suggested: int | None = None) -> Doubtful:
        """Describe a judged row, by its position."""
        doubts, number = self._doubts, int(self._numbers[row])
        better = int(doubts.told.suggested[row]) if suggested is None else suggested
        return Doubtful(
            number=number,
            row=self._table.numbers([number])[0],
            given=doubts.names[doubts.labels[row]],
            suggested=doubts.names[better],
            like=self._like[better],
            doubt=float(doubts.told.doubt[row]),
            suspect=bool(doubts.told.suspect[row]),
        )

    def pair(self, rows: tuple[int, int]) -> tuple[Doubtful, Doubtful]:
        """Describe two rows of which one label is wrong: that which is doubted more."""
        labels, doubt = self._doubts.labels, self._doubts.told.doubt
        better = int(labels[min(rows, key=lambda row: (doubt[row], self._numbers[row]))])
        first, second = sorted(rows, key=lambda row: self._numbers[row])
        return self.of(first, better), self.of(second, better)


def listed_of(told: Suspicion) -> Array:
    """Return the rows that are listed for review, by their positions."""
    rows = len(told.doubt)
    wanted = min(max(int(told.suspect.sum()), round(FIRST_SHARE * rows)), round(NEXT_SHARE * rows))
    return np.lexsort((np.arange(rows), -told.doubt, ~told.suspect))[:wanted]


def confused_pairs(doubts: LabelDoubts) -> int:
    """Count the pairs of classes that enough rows are taken for each other of to be called exchanged; at least 1.

    A pair between which the models hardly err cannot be found, so that it is no try. Source: R. E. Tarone, A modified
    Bonferroni method for discrete data, Biometrics 46 (1990).
    """
    wrong = np.zeros((len(doubts.names), len(doubts.names)), dtype=int)
    erred = doubts.likeliest != doubts.labels
    np.add.at(wrong, (doubts.labels[erred], doubts.likeliest[erred]), 1)
    return max(1, int(np.triu(np.minimum(wrong, wrong.T) >= MIN_EACH_WAY, 1).sum()))


def exchange_of(doubts: LabelDoubts) -> Exchange | None:
    """Return the two of several classes between which most suspects go both ways; None where there are none."""
    told, labels, names = doubts.told, doubts.labels, doubts.names
    wrong = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(wrong, (labels[told.suspect], told.suggested[told.suspect]), 1)
    both = np.triu(np.where((wrong > 0) & (wrong.T > 0), wrong + wrong.T, 0), 1)
    if len(names) < 3 or not both.any():
        return None
    first, second = divmod(int(both.argmax()), len(names))
    sizes = np.bincount(labels, minlength=len(names))
    floor, error_share = doubts.floor_between(first, second)
    return Exchange(
        first=names[first],
        second=names[second],
        first_rows=int(wrong[first, second]),
        second_rows=int(wrong[second, first]),
        first_share=float(wrong[first, second] / sizes[first]),
        second_share=float(wrong[second, first] / sizes[second]),
        floor=floor,
        error_share=error_share,
    )
