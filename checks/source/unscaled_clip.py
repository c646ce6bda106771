"""Gradients that are clipped while they still carry the scale of mixed precision.

What it finds
    A loop that scales its loss with a GradScaler and clips the gradients before the scaler's step, without
    `scaler.unscale_(optimizer)` before the clip.

Why it matters
    The gradients are up to 65,536 times what they are. A norm of 1 is then exceeded at every step, so every step is cut
    down to almost nothing, and by another amount whenever the scale changes: the learning rate is no longer what was
    set.

What to do
    Call `scaler.unscale_(optimizer)` between the backward pass and the clip. The scaler's step knows that it was done.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: two findings, both true. With every
    unscale_ taken out of four files, all four are told of; see bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. A clip on a branch that speaks of precision is not judged, nor is accelerate's, which unscales
    by itself.

Source
    PyTorch's "Automatic Mixed Precision examples", "Working with Unscaled Gradients: Gradient clipping".
"""

from collections.abc import Iterator

from doctor.evidence.amp_code import ScaledClips
from doctor.evidence.code_changes import location, repair_by
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/unscaled-clip",
    Severity.ERROR,
    {
        "never": "{where}: {clip} clips gradients that {scaler} has scaled; nothing unscales them before",
        "late": "{where}: {clip} clips gradients that {scaler} has scaled; they are unscaled only after it",
    },
)


def examine(clips: ScaledClips) -> Iterator[Finding | Undecided]:
    """State each clip of scaled gradients."""
    for path in clips.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not clips.loops:
        yield CHECK.not_applicable("no loop here scales its loss")
    for one in clips.clips:
        yield CHECK.finding(
            "late" if one.late else "never",
            at=location(one.spot),
            repair=repair_by(one.changes, f"write {one.scaler}.unscale_({one.optimizer}) before the clip"),
            where=one.spot.at.short,
            clip=one.clip,
            scaler=one.scaler,
            optimizer=one.optimizer,
        )
