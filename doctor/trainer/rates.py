"""The learning rate of each update, where the user's configuration has no scheduler of its own."""

import math

from doctor.trainer.recipe import Recipe

ONECYCLE_RISE_SHARE = 0.3
ONECYCLE_BEGIN, ONECYCLE_END = 25.0, 10_000.0
"""The rate begins at 1/25 of the highest and ends at 1/10,000 of where it began, as in torch's OneCycleLR."""


def warming(recipe: Recipe, step: int) -> float:
    """Return the share of the rate in the warm-up, for an update counted from 0."""
    return min(1.0, (step + 1) / recipe.warmup_steps) if recipe.warmup_steps else 1.0


def rate_ratio(recipe: Recipe, step: int) -> float:
    """Return the rate of an update, counted from 0, as a ratio to the highest one; without the warm-up."""
    begin = 0 if recipe.schedule == "onecycle" else recipe.warmup_steps
    done = min(1.0, max(0, step - begin) / max(1, recipe.steps - begin))
    if recipe.schedule == "linear":
        return 1 - done
    if recipe.schedule == "cosine":
        return _eased(1.0, 0.0, done)
    if recipe.schedule == "onecycle":
        low = 1 / ONECYCLE_BEGIN
        if done < ONECYCLE_RISE_SHARE:
            return _eased(low, 1.0, done / ONECYCLE_RISE_SHARE)
        return _eased(1.0, low / ONECYCLE_END, (done - ONECYCLE_RISE_SHARE) / (1 - ONECYCLE_RISE_SHARE))
    return 1.0


def _eased(begin: float, end: float, share: float) -> float:
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2
