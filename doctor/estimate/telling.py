"""An estimate as text for people."""

from collections.abc import Iterator

from doctor.estimate.estimate import NOT_INCLUDED, Estimate
from doctor.estimate.training import Training
from doctor.sizes import shown_size
from doctor.wording import printable

WORDS = {
    "parameters": "parameters and buffers",
    "gradients": "gradients",
    "optimizer": "optimizer state",
    "activations": "activations",
    "temporary": "temporary",
}


def as_text(estimate: Estimate) -> str:
    """Write it in a few lines."""
    return "\n".join(_lines(estimate)) + "\n"


def _lines(estimate: Estimate) -> Iterator[str]:
    model, peak = estimate.model, estimate.peak
    frozen = model.parameters - model.trainable
    kept = f", {frozen:,} of them frozen" if frozen else ""
    yield f"{printable(model.name, limit=80)}: {model.parameters:,} parameters{kept}; {described(estimate.training)}"
    yield f"predicted peak {shown_size(estimate.total_bytes)} {peak.when}, by {model.source}"
    for name, size in estimate.culprits:
        words = WORDS[name]
        if name == "optimizer" and estimate.training.mixed:
            words = "optimizer state and master weights"
        yield f"  {shown_size(size):>10}  {size / max(1, estimate.total_bytes):>4.0%}  {words}"
    if peak.host:
        yield f"  {shown_size(peak.host):>10}        in the host's memory, for this rank"
    yield from _verdict(estimate)
    for note in estimate.notes:
        yield f"note: {printable(note, limit=300)}"
    yield f"Not included: {NOT_INCLUDED}."


def _verdict(estimate: Estimate) -> Iterator[str]:
    if estimate.device_bytes is None or estimate.usable_bytes is None:
        yield "The device is not known: --device-memory SIZE says whether it fits, and what to change."
        return
    device = (
        f"{estimate.device} of {shown_size(estimate.device_bytes)}, {shown_size(estimate.usable_bytes)} for tensors"
    )
    if estimate.fits:
        yield f"It fits {device}: {shown_size(estimate.usable_bytes - estimate.total_bytes)} are left."
        return
    yield f"It does not fit {device}: {shown_size(estimate.total_bytes - estimate.usable_bytes)} too much."
    if not estimate.changes:
        yield "None of the usual changes, alone or together, makes it fit: a smaller model, adapters, or more devices."
        return
    yield "The cheapest changes that fit:"
    for number, change in enumerate(estimate.changes, start=1):
        yield f"  {number}. {change.summary}"
        host = f", {shown_size(change.peak.host)} of the host's" if change.peak.host else ""
        yield f"     {shown_size(change.total)}{host}; {change.cost}"


def described(training: Training) -> str:
    """Say how it is trained."""
    tokens = f" × {training.sequence:,} tokens" if training.sequence else ""
    parts = [f"{training.optimizer}, {training.precision}, micro-batch {training.micro_batch}{tokens}"]
    if training.accumulation > 1:
        parts.append(f"{training.accumulation} accumulated")
    if training.zero_stage is not None:
        offload = f" with {training.offload.replace('+', ' and ')} in host memory" if training.offload != "none" else ""
        parts.append(f"ZeRO stage {training.zero_stage}{offload}")
    if training.checkpointing:
        parts.append("activation checkpointing")
    parts.append(f"{training.ranks} ranks" if training.ranks > 1 else "1 rank")
    return ", ".join(parts)
