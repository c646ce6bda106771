"""What the head of a model and the limits of its inputs have to do with the scanned data."""

import ast
from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import Any

from msgspec import Struct
from sqlglot import exp

from doctor.evidence.classes import ROWS, Classes
from doctor.evidence.profile import Profile
from doctor.evidence.setting_names import Quantity
from doctor.evidence.settings_told import Setting
from doctor.evidence.setups import Setups
from doctor.model import Company
from doctor.subjects import sql
from doctor.subjects.table import Kind, Table

ABSOLUTE = ("bert", "roberta", "distilbert", "electra", "albert", "gpt2", "xlm-roberta", "camembert", "bart", "opt")
"""Kinds of models with a table of positions, which ends; others turn positions into angles and go on."""
DEFAULT_IGNORED = -100
MIN_IMBALANCE = 2.0
"""Rows of the commonest class for one of the rarest, from which weights in their order are no accident."""

MIN_APART = 1.2
"""Rows of one class for one of another, from which their weights are compared."""


class Misfit(Struct, frozen=True, kw_only=True, eq=False):
    """A setting that the data does not fit; `facts` are its numbers by their names."""

    kind: str
    setting: Setting
    facts: dict[str, Any]


class HeadFit(Struct, frozen=True, kw_only=True):
    """All of them.

    Attributes
    ----------
    known : bool
        Whether anything is written of a head or of lengths.
    several : bool
        Whether there are several tables, so that nothing can be said.
    """

    misfits: tuple[Misfit, ...]
    known: bool
    several: bool

    @classmethod
    def measure(
        cls, setups: Setups, table: Table | None, classes: Classes | None, profile: Profile | None, company: Company
    ) -> "HeadFit":
        """Hold heads against classes and lengths against texts."""
        told = _told(setups)
        several = company.tables > 1
        found: list[Misfit] = [*_positions(setups, told), *_ends(setups)]
        weights = _weights_of(setups)
        if not several:
            found += _labels(told, classes)
            # The numbers of weights are those of sorted folders, which names made of digits would mislead about.
            found += _weighted(weights, classes if classes is None or classes.unit == ROWS else None)
            if table is not None and profile is not None:
                found += _lengths(told, table, profile)
        known = bool(told or weights or found)
        return cls(misfits=tuple(found), known=known, several=several and bool(told or weights))


def _told(setups: Setups) -> dict[Quantity, Setting]:
    """Take what all trainings and models agree on; what two of them say differently is of no use."""
    wanted = (Quantity.NUM_LABELS, Quantity.MAX_LENGTH, Quantity.IGNORE_INDEX)
    found: dict[Quantity, list[Setting]] = {}
    for quantity in wanted:
        for setup in setups.setups:
            found.setdefault(quantity, []).extend(setup.all(quantity))
        for _, settings in setups.models:
            if quantity in settings:
                found.setdefault(quantity, []).append(settings[quantity])
    return {
        quantity: settings[0]
        for quantity, settings in found.items()
        if len({setting.whole for setting in settings}) == 1
    }


def _labels(told: Mapping[Quantity, Setting], classes: Classes | None) -> Iterator[Misfit]:
    if classes is None:
        return
    numbers = [int(name) for name in classes.counts if name.lstrip("-").isdigit()]
    coded = len(numbers) == len(classes.counts) and classes.unit == ROWS
    ignored = told.get(Quantity.IGNORE_INDEX)
    left_out = ignored.whole if ignored is not None else DEFAULT_IGNORED
    if ignored is not None and coded and ignored.whole in numbers and (ignored.whole or 0) >= 0:
        rows = classes.counts[str(ignored.whole)]
        yield Misfit(
            kind="ignored", setting=ignored, facts={"value": ignored.whole, "rows": rows, "target": classes.target}
        )
    head = told.get(Quantity.NUM_LABELS)
    if head is None or head.whole is None or head.whole < 2:  # one output predicts a quantity
        return
    kept = [number for number in numbers if number != left_out]
    facts: dict[str, Any] = {"outputs": head.whole, "target": classes.target, "classes": len(classes.counts)}
    if coded and kept and (max(kept) >= head.whole or min(kept) < 0):
        worst = max(kept) if max(kept) >= head.whole else min(kept)
        yield Misfit(kind="range", setting=head, facts={**facts, "value": worst, "last": head.whole - 1})
    elif not coded and len(classes.counts) > head.whole:
        yield Misfit(kind="too-few", setting=head, facts=facts)
    elif len(classes.counts) < head.whole:
        yield Misfit(kind="too-many", setting=head, facts=facts)


def _positions(setups: Setups, told: Mapping[Quantity, Setting]) -> Iterator[Misfit]:
    length = told.get(Quantity.MAX_LENGTH)
    if length is None or length.whole is None or len(setups.models) != 1:
        return
    settings = setups.models[0][1]
    kind, positions = settings.get(Quantity.MODEL), settings.get(Quantity.POSITIONS)
    if kind is None or positions is None or kind.value not in ABSOLUTE or positions.whole is None:
        return
    if length.whole > positions.whole:
        facts = {"length": length.whole, "positions": positions.whole, "model": kind.value}
        yield Misfit(kind="positions", setting=length, facts=facts)


def _ends(setups: Setups) -> Iterator[Misfit]:
    """Find trainings whose labels leave out the token that ends a text, since it is also the one that fills up."""
    for setup in setups.setups:
        if {"pads-with-end", "padding-unlearned"} <= setup.facts.keys():
            place = setup.facts["pads-with-end"]
            setting = Setting(value="eos_token", name="pad_token", place=place, origin="code")
            yield Misfit(kind="end", setting=setting, facts={})
            return


def _weights_of(setups: Setups) -> Setting | None:
    told = [setting for setup in setups.setups for setting in setup.all(Quantity.CLASS_WEIGHTS)]
    return told[0] if len({setting.value for setting in told}) == 1 else None


def _weighted(weights: Setting | None, classes: Classes | None) -> Iterator[Misfit]:
    """Hold the weights of a loss against classes that are numbers from 0; of others the order is not known."""
    if weights is None or classes is None or not all(name.isdigit() for name in classes.counts):
        return
    given: list[float] = ast.literal_eval(str(weights.value))
    rows = {int(name): count for name, count in classes.counts.items()}
    facts: dict[str, Any] = {"target": classes.target, "weights": len(given)}
    if max(rows) >= len(given):
        yield Misfit(kind="weights", setting=weights, facts={**facts, "value": max(rows)})
    elif min(rows) == 0 and len(rows) == len(given) > 1:
        ordered = sorted(rows, key=lambda label: rows[label])
        apart = [(one, other) for one, other in combinations(ordered, 2) if rows[other] >= MIN_APART * rows[one]]
        rising = all(given[one] <= given[other] for one, other in apart)
        rarest, commonest = ordered[0], ordered[-1]
        if rising and rows[commonest] >= MIN_IMBALANCE * rows[rarest] and given[rarest] < given[commonest]:
            facts |= {"rarest": rarest, "rarest_rows": rows[rarest], "rarest_weight": given[rarest]}
            facts |= {"commonest": commonest, "rows": rows[commonest], "commonest_weight": given[commonest]}
            yield Misfit(kind="reversed", setting=weights, facts=facts)


def _lengths(told: Mapping[Quantity, Setting], table: Table, profile: Profile) -> Iterator[Misfit]:
    """Count the texts of which each word, were it one token alone, is already too many."""
    length = told.get(Quantity.MAX_LENGTH)
    if length is None or length.whole is None or length.whole <= 0:
        return
    texts = [column.name for column in table.columns if column.kind is Kind.TEXT]
    if not texts:
        return
    words = {name: _words(name) for name in texts}
    over = [
        exp.Sum(this=exp.case().when(exp.GT(this=count, expression=exp.Literal.number(length.whole)), 1).else_(0))
        for count in words.values()
    ]
    rows = table.ask(table.select(*(one.as_(f"n{at}") for at, one in enumerate(over))))[0]
    worst, name = max((int(cut or 0), name) for cut, name in zip(rows, texts, strict=True))
    if worst:
        facts = {"length": length.whole, "column": name, "share": worst / max(1, table.rows), "rows": worst}
        yield Misfit(kind="truncated", setting=length, facts=facts)


def _words(name: str) -> exp.Expression:
    """Return the number of words of a text, less one: the blanks that stand after a letter."""
    column = exp.func("coalesce", sql.column(name), exp.Literal.string(""))
    return exp.Sub(
        this=exp.Length(this=column),
        expression=exp.Length(this=exp.func("replace", column.copy(), exp.Literal.string(" "), exp.Literal.string(""))),
    )
