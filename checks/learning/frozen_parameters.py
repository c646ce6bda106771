"""Weights that were meant to learn and are frozen.

What it finds
    Parameters on which a misspelt attribute was set instead of `requires_grad` (torch takes `require_grad = True`
    without a word), so that they stay frozen. An optimizer of which no parameter ever gets a gradient: the loss does
    not reach them, as behind a `detach()`, a `no_grad` or a copy. Other frozen parameters that an optimizer was given
    are mentioned as information.

Why it matters
    The frozen part keeps its random or old weights, and the rest has to make do with it.

What to do
    Write `parameter.requires_grad_(True)`, or `module.requires_grad_(True)`. Where nothing is reached, look for what
    cuts the graph between those parameters and the loss, and whether the optimizer was given the weights that are used.

Thresholds
    None: it is exact.

Calibration
    Exact. Freezing on purpose (adapters, low-rank updates, feature extraction) is healthy and silent where the
    optimizer was given the other parameters only. Silent as well about parameters that are frozen for a time: while
    another network takes its turn, or after they have learnt.

Limits
    Whether a freeze is meant cannot be seen; a correctly spelt one is never more than information. That a part of an
    optimizer's parameters gets no gradients, as unused layers do, is no finding; optimizers other than torch's own are
    not judged by it.

Source
    torch.nn.Parameter accepts any attribute.
"""

from collections.abc import Iterator, Sequence

from doctor.evidence.parameters import Model, Parameters
from doctor.model import Check, EditCode, Finding, Location, Severity

NAMED = 5

CHECK = Check(
    "learning/frozen-parameters",
    Severity.WARNING,
    {
        "misspelt": "{count} parameters of {root} stay frozen: require_grad was set on them, torch reads requires_grad "
        "({names})",
        "given": "{count} parameters of {root} that an optimizer was given are frozen: {names}",
        "unreached": "in {steps} steps of an optimizer ({optimizer}) no gradient reached any of its {count} parameters:"
        " {names}",
    },
    leads_to=("learning/not-converging", "learning/overfitting"),
)


def examine(parameters: Parameters) -> Iterator[Finding]:
    """Judge every model that is trained."""
    for model in parameters.models:
        frozen = {tensor.name for tensor in model.tensors if not tensor.requires_grad}
        misspelt = [name for name in model.misspelt if name in frozen]
        if misspelt:
            yield _finding("misspelt", Severity.WARNING, model, misspelt)
        elif model.frozen_in_optimizer:
            yield _finding("given", Severity.INFO, model, list(model.frozen_in_optimizer))
    for one in parameters.unreached:
        yield CHECK.finding(
            "unreached",
            at=Location(step=one.step, rank=one.rank, module=one.names[0] if one.names else None),
            severity=Severity.ERROR,
            steps=one.steps,
            optimizer=one.optimizer,
            count=len(one.names),
            names=_shown(one.names),
        )


def _finding(kind: str, severity: Severity, model: Model, names: list[str]) -> Finding:
    return CHECK.finding(
        kind,
        at=Location(step=model.step, rank=model.rank, module=names[0]),
        severity=severity,
        count=len(names),
        root=model.root,
        names=_shown(names),
        repair=EditCode(code="parameter.requires_grad_(True)", summary="set requires_grad")
        if kind == "misspelt"
        else None,
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (" …" if len(names) > NAMED else "")
