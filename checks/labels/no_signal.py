"""A target about which the features tell nothing.

What it finds
    Tables in which no model does better than chance on rows that it was not fitted on: no single feature, no vote of
    the nearest rows, no plane, no boosted trees. Each row is guessed to be of the class that its features make likelier
    than it is anyway, so that rare classes count; quantities are cut into four classes of equal size. Hits are compared
    with those of blind guesses of the same classes. Where the rows are too few to notice a small skill, it cannot tell.

Why it matters
    Training cannot find what is not there: the loss stays where it began, or falls on the training rows alone. Most
    often labels and rows were joined wrongly (another order, another key), or the column is not what was meant.

What to do
    Look up some rows at their source and compare their labels. Check the join that brought labels and features
    together, and whether the target is the intended column. Else collect features that have to do with it.

Thresholds
    max_skill: share of what could be gained over chance below which the upper bound of every model's must lie (0.08).
    max_p: chance probability below which a model's hits count as skill, shared among the models (0.01).
    min_p: chance probability above which all models must lie for them to count as no better than chance (0.05).

Calibration
    `python bench/calibrate_labels.py signal`, 20 tables each of 100, 400 and 1,500 rows, six numbers: with no signal
    18 of 20 tables of 1,500 rows are called so at an upper bound of 0.1, the others get no verdict; none of 100 rows
    gets one. A label of which 73 or 88 % can be known, but only from two numbers together, is never called without
    signal in 120 tables; nor is one whose odds rise 1.5 or 2.7 times per standard deviation. Odds of 1.2, a skill of
    5 %, were so called in 3 of 20 tables of 400 rows. The bound was lowered to 0.08 after that.

Limits
    On 3,000 drawn rows. Sentences, nested values, names of rows and entities are not read; where there are sentences
    or nested values it cannot tell. A signal that shows in the order of rows or in links between rows is not seen.

Source
    Poisson-binomial test: Y. H. Wang, On the number of successes in independent trials, Statistica Sinica 3 (1993).
"""

from collections.abc import Iterator

from doctor.evidence.signal import Signal
from doctor.model import Check, Finding, Location, Severity, Undecided

CHECK = Check(
    "labels/no-signal",
    Severity.WARNING,
    "{target}: no model of {features} features does better than chance on {rows:,} rows ({hits:,} of them right, "
    "{expected:,.0f} by blind guesses); at most {upper:.0%} of what could be gained over chance",
)


def examine(
    signal: Signal, *, max_skill: float = 0.08, max_p: float = 0.01, min_p: float = 0.05
) -> Iterator[Finding | Undecided]:
    """Judge whether anything does better than chance, and whether that would have been noticed."""
    if signal.feature is not None or not signal.guesses:
        return
    least = min(guess.p for guess in signal.guesses)
    if least < max_p / len(signal.guesses):
        return
    if signal.unread:
        yield CHECK.unavailable(f"{', '.join(signal.unread[:3])}: not read, and it may be what tells the label")
        return
    if any(guess.skill + 2 * guess.upper < 0 for guess in signal.guesses):
        yield CHECK.unavailable("models do worse than chance, so the rows are not independent of each other")
        return
    upper = max(guess.upper for guess in signal.guesses)
    if least <= min_p or upper > max_skill:
        yield CHECK.unavailable(
            f"{signal.rows:,} rows are too few to tell a small skill from none: it may be up to {upper:.0%}"
        )
        return
    best = max(signal.guesses, key=lambda guess: guess.skill)
    yield CHECK.finding(
        at=Location(columns=(signal.target,)),
        target=signal.target,
        features=signal.features,
        rows=signal.rows,
        family=best.family,
        hits=best.hits,
        expected=best.expected,
        skill=best.skill,
        upper=upper,
        p=least,
        max_skill=max_skill,
        guesses=[{"family": guess.family, "skill": guess.skill, "p": guess.p} for guess in signal.guesses],
    )
