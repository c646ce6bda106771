"""Rectified units that are never on.

What it finds
    Layers in which nearly all units after a ReLU are 0 for whole batches, at every look at the activations, or, where
    the rectifier is a function call, linear layers whose inputs are nearly all 0.

Why it matters
    A unit that is off for every sample has no gradient and stays off: the layer is lost, and what lies before it no
    longer learns.

What to do
    Lower the learning rate or the initial bias, initialise for rectifiers (`kaiming_normal_`), normalise the inputs, or
    use a leaky rectifier or GELU.

Thresholds
    min_dead_share: of a layer's units, 0 for the whole batch (0.95).
    min_looks: looks at the activations that must agree, all later ones included (2).

Calibration
    `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    Looks are few (steps 2, 20, 100, then every 500). The first linear layer is left out, because inputs may be 0 by
    nature, and a mixture's experts, which see only their own samples.

Source
    Lu et al.: Dying ReLU and initialization (2019).
"""

from collections.abc import Iterator

from doctor.evidence.activations import Activations, Output
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "numerics/dead-units",
    Severity.WARNING,
    "{dead_share:.0%} of the units that {module} gives or gets are 0 for whole batches, since step {step}{others}",
    leads_to=("learning/not-converging", "numerics/vanishing-gradients", "numerics/fp16-underflow"),
)


def examine(
    activations: Activations, *, min_dead_share: float = 0.95, min_looks: int = 2
) -> Iterator[Finding | Undecided]:
    """Judge every layer, and name the first that is dead."""
    courses = activations.of_first_rank()
    if max(map(len, courses.values())) < min_looks:
        yield CHECK.unavailable(f"fewer than {min_looks} looks at the activations")
        return
    found: list[tuple[str, int, float]] = []
    judged = False
    for place, (module, course) in enumerate(courses.items()):
        shares = [(step, share) for step, output in course if (share := _share(output, place)) is not None]
        judged |= bool(shares) and not _is_expert(module)
        since = len(shares)
        while since and shares[since - 1][1] >= min_dead_share:
            since -= 1
        if len(shares) - since >= min_looks and not _is_expert(module):
            found.append((module, shares[since][0], min(share for _, share in shares[since:])))
    if not judged:
        yield CHECK.not_applicable("no rectified units were seen")
    if found:
        module, step, share = found[0]
        yield CHECK.finding(
            at=Location(step=step, rank=activations.looks[0].rank, module=module),
            dead_share=share,
            layers=[name for name, _, _ in found],
            others=f", and in {len(found) - 1} more places" if len(found) > 1 else "",
            repair=Advise(summary="change initialisation or rate, or use a leaky rectifier", safety=Safety.MANUAL),
        )


def _share(output: Output, place: int) -> float | None:
    if output.dead is not None:
        return output.dead
    return output.dead_inputs if place else None


def _is_expert(module: str) -> bool:
    return "expert" in module.lower()
