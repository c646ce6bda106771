"""Activations that grow without bound, or fade away.

What it finds
    Modules whose outputs' standard deviation has changed by a large factor since the first look and goes on the same
    way; in float16 also outputs that come close to the largest number there is (65,504).

Why it matters
    What grows like that overflows in the end, what fades carries no signal; both show hundreds of steps before the loss
    does.

What to do
    Add normalisation or weight decay, lower the learning rate, cap the logits; keep the growing part in float32.

Thresholds
    min_growth_ratio: of the standard deviation, up or down, that is reported (1000.0).
    max_half_share: of the float16 range that an output may use (0.25).
    min_looks: looks at the activations (3).

Calibration
    `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    Looks are few (steps 2, 20, 100, then every 500). Outputs that were 0 at first (residual branches that start closed)
    have no ratio and are left out.

Source
    Takase et al.: Spike no more: stabilizing the pre-training of large language models (2023).
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from doctor.evidence.activations import Activations, Output
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

HALF_MAX = 65504.0
MIN_STD = 1e-6
"""Below it an output was as good as constant."""

CHECK = Check(
    "numerics/activation-drift",
    Severity.WARNING,
    {
        "drift": "the outputs of {module} have changed their spread {ratio:.3g} times, from {first:.3g} to {last:.3g}",
        "range": "outputs of {module} reach {largest:.4g} in float16, which ends at 65504",
    },
    leads_to=("numerics/fp16-overflow", "numerics/nan-source", "numerics/non-finite-loss"),
)
ADVICE = Advise(summary="normalise or decay what grows, or keep that part in float32", safety=Safety.MANUAL)


def examine(
    activations: Activations, *, min_growth_ratio: float = 1000.0, max_half_share: float = 0.25, min_looks: int = 3
) -> Iterator[Finding | Undecided]:
    """Judge every module, and state the first of each kind."""
    courses = activations.of_first_rank()
    rank = activations.looks[0].rank
    near = next(
        (
            (name, step, output.largest)
            for name, course in courses.items()
            for step, output in course
            if output.dtype == "float16"
            and output.largest is not None
            and max_half_share * HALF_MAX < output.largest
            and not output.non_finite
        ),
        None,
    )
    if near is not None:
        name, step, largest = near
        yield CHECK.finding("range", at=Location(step=step, rank=rank, module=name), largest=largest, repair=ADVICE)
    if max(map(len, courses.values())) < min_looks:
        yield CHECK.unavailable(f"fewer than {min_looks} looks at the activations")
        return
    for name, course in courses.items():
        first, ratios = _ratios(course, min_looks)
        last = ratios[-1][1] if ratios else 1.0
        if last >= min_growth_ratio or last <= 1 / min_growth_ratio:
            step = next(step for step, ratio in ratios if ratio >= min_growth_ratio or ratio <= 1 / min_growth_ratio)
            yield CHECK.finding(
                "drift",
                at=Location(step=step, rank=rank, module=name),
                ratio=max(last, 1 / last) if last else float("inf"),
                first=first,
                last=last * first,
                repair=ADVICE,
            )
            return


def _ratios(course: Sequence[tuple[int, Output]], min_looks: int) -> tuple[float, list[tuple[int, float]]]:
    """Return the first look's spread and all over it, where it went one way only and nothing stopped being finite."""
    known = [(step, output.std) for step, output in course if output.std is not None and not output.non_finite]
    if len(known) < max(min_looks, len(course)) or known[0][1] < MIN_STD:
        return 0.0, []
    ratios = [(step, std / known[0][1]) for step, std in known]
    rises = [later[1] >= earlier[1] for earlier, later in pairwise(ratios)]
    return known[0][1], ratios if all(rises) or not any(rises) else []
