"""The classes of the target and how many rows each has, counted over all rows."""

from msgspec import Struct
from sqlglot import exp

from doctor.errors import NotApplicable
from doctor.evidence.profile import ColumnProfile, Profile
from doctor.evidence.roles import Roles
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

MAX_CLASSES = 1_000
MAX_INTEGER_CLASSES = 30
MAX_INTEGER_CLASS_SHARE = 0.05


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
    def measure(cls, table: Table, profile: Profile, roles: Roles) -> "Classes":
        """Count, unless the target is a quantity.

        Raises
        ------
        NotApplicable
            Where there is no target, or a regression target.
        """
        if roles.target is None:
            raise NotApplicable("no target is known; name it with --target")
        if not is_classification(profile[roles.target]):
            raise NotApplicable(f"the target {roles.target} is a quantity or free text, not a class")
        label = exp.cast(sql.column(roles.target), "varchar").as_("label")
        count = sql.call("count", exp.Star()).as_("times")
        query = table.select(sql.column(sql.SPLIT).as_("split"), label, count)
        query = query.where(sql.column(roles.target).is_(exp.null()).not_())
        query = query.group_by(exp.Literal.number(1), exp.Literal.number(2))
        by_split: dict[str, dict[str, int]] = {}
        totals: dict[str, int] = {}
        for split, value, times in table.ask(query):
            by_split.setdefault(split, {})[value] = times
            totals[value] = totals.get(value, 0) + times
        ordered = sorted(totals, key=lambda value: (-totals[value], value))
        splits = {split: by_split[split] for split in table.splits if split in by_split}
        return cls(target=roles.target, counts={value: totals[value] for value in ordered}, by_split=splits)


def is_classification(target: ColumnProfile) -> bool:
    """Whether a target's values are classes rather than quantities or free text."""
    if target.kind is Kind.BOOLEAN:
        return True
    if target.kind is Kind.TEXT:
        return target.distinct <= min(MAX_CLASSES, 0.5 * target.present)
    whole = target.kind is Kind.INTEGER or all(float(value).is_integer() for value in target.quantiles.values())
    few = target.distinct <= MAX_INTEGER_CLASSES and target.distinct <= max(2, MAX_INTEGER_CLASS_SHARE * target.present)
    return target.numeric and whole and few
