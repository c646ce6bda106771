"""What breaks first when the learning rate is raised.

What it finds
    In a sweep of learning rates (`doctor verify --stress`): single rows in whose batches the loss breaks suddenly, and
    without which it holds at the same rate; a loss that breaks in the first updates, at every rate that was tried or
    from an untrained loss of an unusual size; a rate of the user's own that breaks, or lies close below the one that
    does.

Why it matters
    A healthy training breaks only at a rate far above the usable ones, and then gradually. One that breaks suddenly is
    limited by a few rows: the rate must be set for them, and they undo in one update what the others taught. One that
    breaks at once has labels or inputs of a size that no rate suits.

What to do
    Rows: look at the ones named, mend or drop them, or clip the gradient norm. At once: standardise inputs and targets,
    look at the labels. Own rate: train at the best rate of the sweep, or warm up.

Thresholds
    min_share: of breaking updates that must have a suspected row in their batch (0.7).
    max_p_value: that so many have one by chance (0.01).
    max_first_loss: of an untrained model; classes, or standardised quantities, give a few units at most (50.0).
    min_margin: by which the rate that breaks must exceed the user's own (2.0).

Calibration
    On generated tables of 600 rows with planted rows, clean ones, and targets of the wrong scale: tests/verify.

Limits
    Rows are named only where the batches are known: in the reference trainer, not in a user's program; and by the
    size of their gradients, so that an odd row which is learned in a few updates goes unnoticed. The reference
    trainer standardises numbers and quantities, so their scale shows only in a user's program. A sweep is short:
    what breaks after hours is not seen.

Source
    L. Smith (2017), Cyclical learning rates: the range test. D. Godfrey et al., Deep learning tuning playbook (2023):
    coarse search, fine search, then raising the rate until the loss breaks.
"""

from collections.abc import Iterator

from doctor.evidence.rate_sweep import RateSweep
from doctor.evidence.significance import binomial_upper_tail
from doctor.model import Advise, ChangeTraining, Check, Finding, Location, ReviewRows, Safety, Severity, Undecided

CHECK = Check(
    "learning/learning-rate-stress",
    Severity.WARNING,
    {
        "rows": "at a learning rate of {rate:.3g} the training breaks by single rows ({count}): {with_suspects} of "
        "{breaks} breaking updates had one in their batch ({chance:.0%} by chance); without them {held} of {tried} "
        "such runs hold",
        "at-once": "the loss breaks after update {updates} {where}, from {first_loss:.3g} of the untrained model: "
        "labels or inputs are of a size that rates are not made for",
        "own-breaks": "the loss breaks at the {unit} in use, {own:.3g}; it holds up to {holds_to:.3g}",
        "own-near": "the {unit} in use, {own:.3g}, lies close below the one that breaks, {breaks_at:.3g}",
    },
)


def examine(
    sweep: RateSweep,
    *,
    min_share: float = 0.7,
    max_p_value: float = 0.01,
    max_first_loss: float = 50.0,
    min_margin: float = 2.0,
) -> Iterator[Finding | Undecided]:
    """Judge a sweep."""
    if not sweep.levels:
        yield CHECK.unavailable("no trial of the sweep recorded a loss")
        return
    if sweep.breaks_at is None:
        yield CHECK.unavailable(f"nothing broke up to a {sweep.unit} of {sweep.levels[-1].rate:.3g}")
        return
    if sweep.shape == "at once" and (sweep.holds_to is None or not sweep.first_loss <= max_first_loss):
        yield _at_once(sweep)
        return
    if sweep.suspects and sweep.breaks and sweep.without:
        yield from _rows(sweep, min_share, max_p_value)
    yield from _own(sweep, min_margin)


def _at_once(sweep: RateSweep) -> Finding:
    usual = sweep.levels if sweep.own is None else (sweep.nearest(sweep.own),)
    unit = _unit(sweep)
    return CHECK.finding(
        "at-once",
        severity=Severity.ERROR,
        updates=max(one.update - 1 for level in usual for one in level.breaks if one is not None),
        where=f"at the {unit} in use" if sweep.own is not None else f"at every {unit} tried",
        first_loss=sweep.first_loss,
        holds_to=sweep.holds_to,
        repair=Advise(summary="standardise the inputs and the targets, and look at the labels", safety=Safety.MANUAL),
    )


def _rows(sweep: RateSweep, min_share: float, max_p_value: float) -> Iterator[Finding]:
    """Name rows only where breaks are theirs by more than chance, and the same runs hold without them."""
    chance = sweep.chance_share or 0.0
    by_chance = binomial_upper_tail(sweep.breaks_with_suspects, sweep.breaks, chance)
    tried = [one for level in sweep.without for one in level.breaks]
    held = sum(one is None for one in tried)
    if sweep.breaks_with_suspects < min_share * sweep.breaks or by_chance > max_p_value or 2 * held <= len(tried):
        return
    rows = tuple(one.row for one in sweep.suspects)
    yield CHECK.finding(
        "rows",
        at=Location(split=sweep.split, rows=rows),
        count=len(rows),
        rate=sweep.without[0].rate,
        with_suspects=sweep.breaks_with_suspects,
        breaks=sweep.breaks,
        chance=chance,
        held=held,
        tried=len(tried),
        scores={one.row: one.score for one in sweep.suspects},
        repair=ReviewRows(rows=rows, safety=Safety.MANUAL, summary="look at these rows; mend or drop them, or clip"),
    )


def _own(sweep: RateSweep, min_margin: float) -> Iterator[Finding]:
    own, breaks_at = sweep.own, sweep.breaks_at
    if own is None or breaks_at is None or breaks_at > min_margin * own:
        return
    ratio = (sweep.best or sweep.holds_to or own / 10) / own
    yield CHECK.finding(
        "own-breaks" if breaks_at <= own else "own-near",
        severity=Severity.ERROR if breaks_at <= own else Severity.WARNING,
        unit=_unit(sweep),
        own=own,
        breaks_at=breaks_at,
        holds_to=sweep.holds_to or 0.0,
        best=sweep.best,
        shape=sweep.shape,
        repair=ChangeTraining(
            changes={"learning_rate_ratio": ratio},
            summary=f"multiply the learning rate by {ratio:.2g}",
            safety=Safety.UNSAFE,
        ),
    )


def _unit(sweep: RateSweep) -> str:
    return "multiple of the program's rate" if sweep.unit == "ratio" else "learning rate"
