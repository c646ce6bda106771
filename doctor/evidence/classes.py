"""The classes of the target and how many rows, or images, each has, counted over all of them."""

from collections import Counter

from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.targets import Target, Task
from doctor.subjects import sql
from doctor.subjects.images import Images
from doctor.subjects.table import Table

ROWS, IMAGES = "rows", "images"


class Classes(Struct, frozen=True, kw_only=True):
    """Rows per class of a classification target, or images per class; those without a label do not count.

    Attributes
    ----------
    counts : dict of str to int
        Over all splits, the most frequent class first.
    by_split : dict of str to dict of str to int
        The same for each split that has labels.
    unit : str
        What is counted: "rows" or "images".
    """

    target: str
    counts: dict[str, int]
    by_split: dict[str, dict[str, int]]
    unit: str = ROWS

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that a finding is about; of images none."""
        return (self.target,) if self.unit == ROWS else ()

    @classmethod
    def measure(
        cls,
        table: Table | None,
        profile: Profile | None,
        roles: Roles | None,
        target: Target | None,
        images: Images | None,
    ) -> "Classes":
        """Count, unless the target is a quantity; a target with a single value is one class, whatever it is.

        Raises
        ------
        NotApplicable
            Where there is no target, a regression target or one with a value per row, and of images where nothing
            tells their classes or a table does that is looked at by itself.
        """
        if images is not None:
            return _of_images(images)
        if table is None or profile is None or roles is None:
            raise NotApplicable("there is no table here")
        if roles.target is None:
            raise NotApplicable("no target is known; name it with --target COLUMN")
        name = roles.target
        if profile[name].distinct != 1 and (target is None or target.task is not Task.CLASSIFICATION):
            raise NotApplicable(f"the target {name} is a quantity, or has hardly a value twice, so it is no class")
        label = exp.cast(sql.column(name), "varchar").as_("label")
        count = sql.call("count", exp.Star()).as_("times")
        query = table.select(sql.column(sql.SPLIT).as_("split"), label, count)
        query = query.where(sql.column(name).is_(exp.null()).not_())
        query = query.group_by(exp.Literal.number(1), exp.Literal.number(2))
        by_split: dict[str, dict[str, int]] = {}
        totals: dict[str, int] = {}
        for split, value, times in table.ask(query):
            by_split.setdefault(split, {})[value] = times
            totals[value] = totals.get(value, 0) + times
        ordered = sorted(totals, key=lambda value: (-totals[value], value))
        splits = {split: by_split[split] for split in table.splits if split in by_split}
        return cls(target=name, counts={value: totals[value] for value in ordered}, by_split=splits)


def _of_images(images: Images) -> Classes:
    if images.table:
        raise NotApplicable(f"the classes of the images are looked at in {images.table}")
    counts = Counter((file.split, file.label) for file in images.files if file.label is not None)
    if not counts:
        raise NotApplicable("nothing tells the classes of the images; say so with --image-labels")
    totals: Counter[str] = Counter()
    by_split: dict[str, dict[str, int]] = {split: {} for split in images.splits}
    for (split, label), times in counts.items():
        totals[label] += times
        by_split[split][label] = times
    ordered = sorted(totals, key=lambda label: (-totals[label], label))
    return Classes(
        target="class",
        counts={label: totals[label] for label in ordered},
        by_split={split: found for split, found in by_split.items() if found},
        unit=IMAGES,
    )
