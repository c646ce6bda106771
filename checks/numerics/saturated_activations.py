"""Sigmoid or tanh units at the ends of their range.

What it finds
    Hidden layers whose sigmoid or tanh gives values within 1 % of the ends of its range nearly everywhere, from the
    first look at the activations on.

Why it matters
    There the derivative is almost 0: what lies before such a layer gets no gradient and learns slowly or not at all.

What to do
    Standardise the inputs, initialise for the function (`xavier_uniform_`), put a normalisation before it, lower the
    learning rate.

Thresholds
    min_saturated_share: of a layer's values (0.8).
    min_looks: looks at the activations that must agree, from the first on (2).

Calibration
    `python bench/watch_corpus.py` runs it on real programs, sick and healthy.

Limits
    Only modules are seen, not calls of `torch.tanh`, and not the gates inside recurrent layers. The last bounded
    function of a model is its output, which may saturate when the model is sure; it is left out.

Source
    Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.
"""

from collections.abc import Iterator

from doctor.evidence.activations import Activations
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

FUNCTIONS = ("Sigmoid", "Tanh")
WEIGHTED = ("Linear", "Conv", "LSTM", "GRU", "RNN", "Bilinear")
"""A layer of these must follow, else the function is the model's output or a gate."""

CHECK = Check(
    "numerics/saturated-activations",
    Severity.WARNING,
    "{saturated_share:.0%} of what {module} gives lies at the ends of its range, since step {step}{others}",
    leads_to=("numerics/vanishing-gradients", "learning/not-converging", "numerics/fp16-underflow"),
)


def examine(
    activations: Activations, *, min_saturated_share: float = 0.8, min_looks: int = 2
) -> Iterator[Finding | Undecided]:
    """Judge every bounded function inside the model."""
    courses = activations.of_first_rank()
    names = list(courses)
    bounded = [(place, name) for place, name in enumerate(names) if courses[name][0][1].type in FUNCTIONS]
    if not bounded:
        yield CHECK.not_applicable("no module with a bounded range was seen")
        return
    if max(len(courses[name]) for _, name in bounded) < min_looks:
        yield CHECK.unavailable(f"fewer than {min_looks} looks at the activations")
        return
    found = []
    for place, name in bounded:
        followers = [courses[other][0][1].type for other in names[place + 1 :]]
        shares = [(step, output.saturated or 0.0) for step, output in courses[name]]
        if not any(kind.startswith(WEIGHTED) for kind in followers) or len(shares) < min_looks:
            continue
        least = min(share for _, share in shares[:min_looks])
        if least >= min_saturated_share:
            found.append((name, shares[0][0], least))
    if found:
        name, step, share = found[0]
        yield CHECK.finding(
            at=Location(step=step, rank=activations.looks[0].rank, module=name),
            saturated_share=share,
            layers=[layer for layer, _, _ in found],
            others=f", and of {len(found) - 1} more" if len(found) > 1 else "",
            repair=Advise(summary="standardise the inputs, or normalise before that layer", safety=Safety.MANUAL),
        )
