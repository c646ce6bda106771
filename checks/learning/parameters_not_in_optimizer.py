"""Weights that get gradients and are never updated.

What it finds
    Parameters that want gradients and get them, but that no optimizer has: a layer made after the optimizer, a head
    that was replaced, a module kept in a plain list, an optimizer that was given one part of the model.

Why it matters
    They stay as they were initialised. Nothing fails: the rest of the model learns around them.

What to do
    Make the optimizer after the model is complete, or add them (`optimizer.add_param_group`); what shall stay as it is,
    mark with `requires_grad_(False)`: that saves its gradients too.

Thresholds
    None: it is exact.

Calibration
    Exact; a target network or a teacher inside the model gets no gradients and is no finding.

Limits
    Seen at the first step of each optimizer and every 64 steps. Not from logs. Optimizers that DeepSpeed or FSDP made
    over flat copies of the weights are not followed.

Source
    Identity of the parameter objects of model and optimizers.
"""

from collections.abc import Iterator

from doctor.evidence.parameters import Model, Parameters
from doctor.model import Check, EditCode, Finding, Location, Safety, Severity, Undecided

NAMED = 5
"""Parameters that the message names."""

CHECK = Check(
    "learning/parameters-not-in-optimizer",
    Severity.ERROR,
    "{count} parameters of {root} ({share:.0%} of its weights) get gradients but are in no optimizer: {names}",
    leads_to=("learning/not-converging", "learning/overfitting", "learning/frozen-parameters"),
)


def examine(parameters: Parameters) -> Iterator[Finding | Undecided]:
    """Judge every model that is trained."""
    for model in parameters.models:
        if not model.not_in_optimizer or len(model.not_in_optimizer) == len(_wanting(model)):
            continue  # all of them: the optimizer works on copies
        if parameters.without_gradient is None:
            yield CHECK.unavailable("whether those parameters get gradients was not seen yet")
            continue
        left = [name for name in model.not_in_optimizer if name not in parameters.without_gradient]
        if not left:
            continue
        sizes = {tensor.name: tensor.size for tensor in model.tensors}
        yield CHECK.finding(
            at=Location(step=model.step, rank=model.rank, module=left[0]),
            count=len(left),
            root=model.root,
            share=sum(sizes.get(name, 0) for name in left) / max(model.parameters, 1),
            names=", ".join(left[:NAMED]) + (" …" if len(left) > NAMED else ""),
            repair=EditCode(summary="make the optimizer from all parameters of the final model", safety=Safety.MANUAL),
        )


def _wanting(model: Model) -> list[str]:
    return [tensor.name for tensor in model.tensors if tensor.requires_grad]
