"""Sigmoid in front of a binary cross-entropy that applies it itself.

What it finds
    BCEWithLogitsLoss or binary_cross_entropy_with_logits whose input surely went through sigmoid: beside the loss, in a
    helper, at the end of a Sequential, or in every return of the model's forward.

Why it matters
    The loss takes the probabilities for logits. It then sees none below .5 and none above .73: negatives are never
    right, the loss stays high, and the model is pushed to say no to everything.

What to do
    Give the loss the logits; apply sigmoid where probabilities are shown. Or keep the sigmoid and take BCELoss.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: one finding, and it is true; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. A value that may come from several places is not judged.

Source
    torch.nn.BCEWithLogitsLoss: "This loss combines a Sigmoid layer and the BCELoss in one single class".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.loss_inputs import LossInputs, squashes
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/sigmoid-before-bce-with-logits",
    Severity.ERROR,
    {
        "beside": "{where}: {call} applies sigmoid itself, and its input went through {squash} in {squash_where}",
        "model": "{where}: {call} applies sigmoid itself, and {inside} ends in {squash} ({squash_where})",
    },
)


def examine(losses: LossInputs) -> Iterator[Finding | Undecided]:
    """State each binary cross-entropy of probabilities."""
    for path in losses.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not losses.losses:
        yield CHECK.not_applicable("no loss here takes logits")
    for one in squashes(losses, "with-logits"):
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
