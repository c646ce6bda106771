"""Softmax in front of a cross-entropy that applies it itself.

What it finds
    CrossEntropyLoss or cross_entropy whose input surely went through softmax: beside the loss, in a helper, at the end
    of a Sequential, or in every return of the model's forward.

Why it matters
    The loss takes the probabilities for logits. The flattest distribution it can see is then 0 to 1: the loss never
    comes near zero, its gradients are small where the model is sure and wrong, and training is slow and stops early.

What to do
    Give the loss the logits; apply softmax where probabilities are shown.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. A value that may come from several places is not judged. log_softmax is harmless there, since
    softmax of it is the same again, and so are probabilities as targets.

Source
    torch.nn.CrossEntropyLoss: "The input is expected to contain the unnormalized logits for each class".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.loss_inputs import LossInputs, squashes
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/softmax-before-cross-entropy",
    Severity.ERROR,
    {
        "beside": "{where}: {call} applies softmax itself, and its input went through {squash} in {squash_where}",
        "model": "{where}: {call} applies softmax itself, and {inside} ends in {squash} ({squash_where})",
    },
)


def examine(losses: LossInputs) -> Iterator[Finding | Undecided]:
    """State each cross-entropy of probabilities."""
    for path in losses.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not losses.losses:
        yield CHECK.not_applicable("no loss here takes logits")
    for one in squashes(losses, "cross-entropy"):
        yield CHECK.finding(
            "model" if one.inside else "beside",
            at=location(one.spot),
            # Without it the model gives logits, also to whoever else asks it.
            repair=repair_by(one.changes, f"give {one.call} the logits, without {one.squash}", Safety.UNSAFE),
            where=one.spot.at.short,
            call=one.call,
            squash=one.squash,
            squash_where=one.squash_spot.at.short,
            inside=one.inside,
        )
