"""Small sets of features that settle the target together although none of them does alone.

Three searches propose sets: every pair of columns with few values is tried as a table of cells, which finds rules that
no column hints at by itself; every pair of numbers by a cut through their difference, which two dates that go together
need; and a boosted model on all features is asked which of them it rests on. What is proposed counts by what it gives
on rows that it was not fitted on.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from doctor.errors import NotApplicable
from doctor.evidence.associations import Associations, same
from doctor.evidence.boosting import numbered
from doctor.evidence.cell_rules import cell_errors, coded_levels, guess_by_cells
from doctor.evidence.keys import Keys
from doctor.evidence.one_feature import folds_of
from doctor.evidence.rivals import rival_score
from doctor.evidence.roles import Roles
from doctor.evidence.sample import Sample
from doctor.evidence.significance import wilson_upper
from doctor.evidence.small_models import cut_errors, differences, important, out_of_fold
from doctor.evidence.targets import Target, Task
from doctor.subjects.table import Kind, Table

MAX_SET = 3
MIN_OTHERS_PER_MEMBER = 2
"""A label that rests on most of the columns is what the table is about."""
ALONE = 0.95
"""A feature with this bound is label-leakage's concern, and with one that strong nothing can be said of the others."""
PROMISING = 0.9
"""Score of a quick guess from which a closer look is worth its time."""
SURE = 0.99
"""Score of a pair from which the model is not asked, which is dear."""
PROPOSED = 4
"""Sets that a search hands on, and features from which a model's set is taken."""
PROPOSED_CELLS = 8
"""More of them, since copies of columns make as many sets as there are."""
MAX_ROWS = 10_000
MODEL_ROWS = 4_000
MODEL_COLUMNS = 100
LEVEL_COLUMNS = 80
SCREENED_ROWS = 5_000
NUMBER_COLUMNS = 40
CUT_ROWS = 2_000

Array = np.ndarray[Any, Any]


class Combination(Struct, frozen=True, kw_only=True):
    """Features that settle the target together.

    Attributes
    ----------
    by : str
        What predicts: "cells" (a table of their values), "trees", "differences" (trees on these) or "plane" (one in
        their values or logarithms).
    score : float
        Out of fold: the share of the constant guess's errors that is avoided.
    lower : float
        Lower one-sided 95 % bound of `score` (Wilson).
    errors, rows, support : int
        Rows predicted wrongly, all rows, and those that the constant guess has wrong.
    alone : float
        The best score out of fold of the set without one of its members.
    rest : float
        Score of a boosted model on all features that are no member and no copy of one, or of a set of these where that
        is better.
    copies : tuple of str
        Features that are copies of members.
    """

    columns: tuple[str, ...]
    by: str
    score: float
    lower: float
    errors: int
    rows: int
    support: int
    alone: float
    rest: float
    copies: tuple[str, ...]


class Combinations(Struct, frozen=True, kw_only=True):
    """What was found, at most one set.

    Attributes
    ----------
    reach : float
        The bound that a set without an error would have.
    settled : str or None
        A feature that nearly settles the target alone, for which no set was looked for.
    features : int
        Columns that were looked at.
    """

    COST: ClassVar[int] = 80

    target: str
    rows: int
    reach: float
    settled: str | None
    features: int
    found: tuple[Combination, ...] = ()

    @classmethod
    def measure(
        cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target, associations: Associations
    ) -> "Combinations":
        """Look for a set by cells, then by a model.

        Raises
        ------
        NotApplicable
            For a quantity, and for more classes than are looked at one by one.
        """
        if target.task is Task.REGRESSION:
            raise NotApplicable("the target is a quantity; leakage/derived-target looks for its formula")
        if target.lumped:
            raise NotApplicable(f"{target.class_count} classes are too many to look for a rule")
        board = _Board.of(table, roles, keys, sample, target)
        strong = [found for found in associations.noted if found.view is None and found.lower >= ALONE]
        answer = cls(
            target=target.name,
            rows=board.rows,
            reach=board.bound(0),
            settled=strong[0].column if strong else None,
            features=len(board.columns),
        )
        proposals = [] if strong else _proposals(board)
        if not proposals:
            return answer
        found = proposals[0]
        copies = tuple(
            name
            for name in board.columns
            if name not in found.columns and any(same(board.columns[name], board.columns[one]) for one in found.columns)
        )
        rest = rival_score(associations, sample, target, (*found.columns, *copies), None)[0]
        others = [one for one in proposals if not {*found.columns, *copies} & set(one.columns)]
        rest = max([rest, *(board.score(one.errors) for one in others)])
        return replace(answer, found=(found.of(rest, copies),))


class _Found(Struct, frozen=True, kw_only=True):
    columns: tuple[str, ...]
    by: str
    errors: int
    alone: float
    board: "_Board"

    def of(self, rest: float, copies: tuple[str, ...]) -> Combination:
        return Combination(
            columns=self.columns,
            by=self.by,
            score=self.board.score(self.errors),
            lower=self.board.bound(self.errors),
            errors=self.errors,
            rows=self.board.rows,
            support=self.board.support,
            alone=self.alone,
            rest=rest,
            copies=copies,
        )


class _Board(Struct, frozen=True, kw_only=True):
    """The rows on which sets are tried."""

    columns: dict[str, Array]
    truth: Array
    fold: Array
    classes: int

    @classmethod
    def of(cls, table: Table, roles: Roles, keys: Keys, sample: Sample, target: Target) -> "_Board":
        """Take the features: what names rows or entities, the time of the row, sentences and the target are none."""
        rows = target.rows[:MAX_ROWS]
        prose = {name for name, shape in keys.shapes.items() if shape.prose}
        out = {target.name, roles.item, roles.time, *roles.annotators, *keys.names, *prose}
        chosen = [column.name for column in table.columns if column.name not in out and column.kind is not Kind.OTHER]
        values = {name: sample.columns[name][rows] for name in chosen}
        return cls(
            columns={name: column for name, column in values.items() if _varies(column)},
            truth=target.values[:MAX_ROWS],
            fold=folds_of(sample.key[rows]),
            classes=len(target.classes),
        )

    @property
    def rows(self) -> int:
        return len(self.truth)

    @property
    def support(self) -> int:
        return self.rows - int(np.bincount(self.truth).max())

    def score(self, errors: int) -> float:
        return 1 - errors / max(1, self.support)

    def bound(self, errors: int) -> float:
        return 1 - wilson_upper(errors, self.rows) * self.rows / max(1, self.support)


def _varies(values: Array) -> bool:
    if values.dtype == object:
        return bool((values != values[0]).any())
    return bool(len(np.unique(values)) > 1)


def _proposals(board: _Board) -> list[_Found]:
    """Return what the searches found, the set with the fewest errors first, of equals the smaller one."""
    largest = min(MAX_SET, len(board.columns) // (1 + MIN_OTHERS_PER_MEMBER))
    proposals = [*_by_cells(board), *_by_differences(board)] if largest > 1 else []
    if largest > 1 and not any(board.score(found.errors) >= SURE for found in proposals):
        proposals += _by_model(board)
    kept = [found for found in proposals if len(found.columns) <= largest]
    return sorted(kept, key=lambda found: (found.errors, len(found.columns), found.columns))


def _by_cells(board: _Board) -> Iterator[_Found]:
    """Try every pair of columns with few values as a table."""
    levels = coded_levels(board.columns, board.rows, LEVEL_COLUMNS)
    screened = slice(0, SCREENED_ROWS)
    truth = board.truth[screened]
    half = board.fold[screened] % 2 == 0
    support = max(1, len(truth) - int(np.bincount(truth).max()))
    small = {name: codes[screened] for name, codes in levels.items()}

    def wrong(*names: str) -> int:
        guess = guess_by_cells([levels[name] for name in names], board.truth, board.fold, board.classes)
        return int(np.count_nonzero(guess != board.truth))

    promising = []
    for pair in itertools.combinations(sorted(small), 2):
        missed = cell_errors([small[name] for name in pair], truth, half, board.classes)
        if 1 - missed / support >= PROMISING:
            promising.append((missed, pair))
    for _, pair in sorted(promising)[:PROPOSED_CELLS]:
        errors = wrong(*pair)
        yield _Found(columns=pair, by="cells", errors=errors, alone=board.score(min(map(wrong, pair))), board=board)


def _by_differences(board: _Board) -> Iterator[_Found]:
    """Try to cut every pair of numbers by their difference, where there are two classes."""
    if board.classes != 2:
        return
    part = slice(0, CUT_ROWS)
    truth = board.truth[part].astype(bool)
    support = max(1, min(int(truth.sum()), int((~truth).sum())))
    numbers = [name for name in sorted(board.columns) if board.columns[name].dtype != object][:NUMBER_COLUMNS]
    promising = []
    for one, other in itertools.combinations(numbers, 2):
        gap = differences(np.column_stack([board.columns[one][part], board.columns[other][part]]))
        wrong = cut_errors(gap[:, 0], truth)
        if 1 - wrong / support >= PROMISING:
            promising.append((wrong, (one, other)))
    for _, pair in sorted(promising)[:PROPOSED]:
        matrix = np.column_stack([numbered(board.columns[name])[0] for name in pair])
        singles = [out_of_fold(matrix[:, [place]], [False], board.truth, board.fold)[0] for place in (0, 1)]
        errors, by = out_of_fold(matrix, [False, False], board.truth, board.fold)
        yield _Found(columns=pair, by=by, errors=errors, alone=board.score(min(singles)), board=board)


def _by_model(board: _Board) -> Iterator[_Found]:
    """Ask a model of all features on which it rests, and leave out of these what is not needed."""
    names = sorted(board.columns)[:MODEL_COLUMNS]
    inputs = [numbered(board.columns[name]) for name in names]
    matrix = np.column_stack([values for values, _ in inputs])
    named = [is_named for _, is_named in inputs]
    part = slice(0, MODEL_ROWS)
    order = important(matrix[part], named, board.truth[part], board.fold[part], PROMISING)
    if order is None:
        return
    chosen: list[int] = []
    for place in order:
        if not any(same(board.columns[names[place]], board.columns[names[other]]) for other in chosen):
            chosen.append(place)
        if len(chosen) == PROPOSED:
            break
    if len(chosen) < 2:
        return

    def wrong(places: Sequence[int], rows: slice, *, thorough: bool) -> tuple[int, str]:
        kinds = [named[place] for place in places]
        chosen_part = matrix[rows][:, list(places)]
        return out_of_fold(chosen_part, kinds, board.truth[rows], board.fold[rows], thorough=thorough)

    support = max(1, len(board.truth[part]) - int(np.bincount(board.truth[part]).max()))
    current: Sequence[int] = chosen
    score = 1 - wrong(current, part, thorough=False)[0] / support
    while len(current) > 1 and score >= PROMISING:
        smaller = [([one for one in current if one != gone], gone) for gone in current]
        fewest, _, rest = min((wrong(kept, part, thorough=False)[0], gone, kept) for kept, gone in smaller)
        alone = 1 - fewest / support
        if len(current) <= MAX_SET and alone < score - 0.02:
            columns = tuple(sorted(names[place] for place in current))
            errors, by = wrong(current, slice(None), thorough=True)
            yield _Found(columns=columns, by=by, errors=errors, alone=alone, board=board)
        current, score = rest, alone
