"""Which labels are doubted, which classes are exchanged, and which rows nearly equal one with another label."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable
from doctor.evidence.error_floor import ErrorFloor
from doctor.evidence.exchanges import Exchange
from doctor.evidence.keys import Keys
from doctor.evidence.label_doubts import MAX_ROWS, LabelDoubts, Reference, Suspicion
from doctor.evidence.near_labels import near_pairs, verified
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.surprisal import Surprisal
from doctor.evidence.targets import Target, Task
from doctor.model import AnyRepair, Cluster, Location, Relabel, ReviewFiles, ReviewRows, Safety, Thumbnail
from doctor.subjects.table import Table

Array = np.ndarray[Any, Any]

MIN_DISTINCT_SHARE = 0.5
MAX_PAIRS_TOLD = 10
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
        The two of at least three classes between which most rows are astray, if they are both ways.
    swapped : tuple of Doubtful
        The rows that bear the one's label and are called the other, most doubtful first.
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
    swapped: tuple[Doubtful, ...]
    copies: tuple[tuple[Doubtful, Doubtful], ...]
    ring: int
    entities: bool
    doubts: LabelDoubts
    file: str | None = None
    unit: str = "rows"

    @property
    def witnesses(self) -> float:
        """See `LabelDoubts`."""
        return self.doubts.witnesses

    def also_told(self, rows: Sequence[Doubtful]) -> dict[str, Any]:
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

    def pictures(self, rows: Sequence[Doubtful]) -> Sequence[Thumbnail]:
        """Show doubtful images; of rows there is nothing to be seen."""
        return ()

    def clusters(self, rows: Sequence[Doubtful]) -> Sequence[Cluster]:
        """Show doubtful images in clusters that a person goes through; of rows there is nothing to be seen."""
        return ()

    def place(self, rows: Sequence[Doubtful]) -> Location:
        """Say where rows are."""
        return Location(columns=(self.target,), rows=tuple(row.row for row in rows), file=self.file)

    def repair(self, *, exchanged: bool) -> AnyRepair:
        """Give rows of two exchanged classes the other label where all rows were judged, else have a person look."""
        if exchanged and self.whole:
            return self.relabel(self.swapped)
        return self.review(self.swapped if exchanged else self.listed, SUMMARY)

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
        exchange = Exchange.of(doubts.settled, labels, doubts.names)
        swapped = swapped_of(exchange, told)
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
            exchange=exchange,
            swapped=tuple(place.of(row, int(doubts.settled.called[row])) for row in swapped.tolist()),
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


def swapped_of(exchange: Exchange | None, told: Suspicion) -> Array:
    """Return the rows of two exchanged classes, by their positions, most doubtful first."""
    rows = np.sort(exchange.rows) if exchange else np.empty(0, dtype=np.int64)
    return rows[np.argsort(-told.doubt[rows], kind="stable")]


def taken_for(rows: Sequence[Doubtful]) -> dict[str, int]:
    """Count rows by the label that they bear and the likelier one, the most frequent first."""
    counts = Counter(f"{row.given} → {row.suggested}" for row in rows if row.given != row.suggested)
    return dict(counts.most_common(MAX_PAIRS_TOLD))
