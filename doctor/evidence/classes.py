"""The classes of the target and how many rows each has, counted over all rows."""

from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.profile import Profile
from doctor.evidence.roles import Roles
from doctor.evidence.targets import Target, Task
from doctor.subjects import sql
from doctor.subjects.table import Table


class Classes(Struct, frozen=True, kw_only=True):
    """Rows per class of a classification target; rows without a label do not count.

    Attributes
    ----------
    counts : dict of str to int
        Over all splits, the most frequent class first.
    by_split : dict of str to dict of str to int
        The same for each split that has labels.
    """

    target: str
    counts: dict[str, int]
    by_split: dict[str, dict[str, int]]

    @classmethod
    def measure(cls, table: Table, profile: Profile, roles: Roles, target: Target | None) -> "Classes":
        """Count, unless the target is a quantity; a target with a single value is one class, whatever it is.

        Raises
        ------
        NotApplicable
            Where there is no target, a regression target or one with a value per row.
        """
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
