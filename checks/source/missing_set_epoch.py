"""A distributed sampler that gives the same order in every epoch.

What it finds
    A training loop over a DataLoader with a DistributedSampler that shuffles, repeated over epochs, in code in which
    nothing calls `set_epoch`.

Why it matters
    The sampler draws its order from its seed and the epoch. Without set_epoch every epoch shows each rank the same
    items in the same order: the shuffling that everybody believes in does not happen.

What to do
    Call `loader.sampler.set_epoch(epoch)` at the beginning of each epoch.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. The sampler and the loader must be seen to be made; code with accelerate, Fabric or Lightning,
    which set the epoch themselves, is not judged. A call of set_epoch anywhere in the files involved counts.

Source
    torch.utils.data.distributed.DistributedSampler: "calling the set_epoch() method at the beginning of each epoch
    before creating the DataLoader iterator is necessary".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.loader_code import LoaderCode
from doctor.model import Check, Finding, Severity, Undecided

CHECK = Check(
    "source/missing-set-epoch",
    Severity.WARNING,
    "{where}: {loader} has a DistributedSampler and nothing calls set_epoch, so each epoch has the same order",
)


def examine(loaders: LoaderCode) -> Iterator[Finding | Undecided]:
    """State each loop over epochs whose sampler is not told which one it is."""
    for path in loaders.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not loaders.loaders:
        yield CHECK.not_applicable("no loop here trains over a DataLoader that was seen to be made")
    for one in loaders.loaders:
        if one.distributed and one.epochs:
            told = f"call {one.name}.sampler.set_epoch(epoch) at the beginning of each epoch"
            yield CHECK.finding(
                at=location(one.loop_spot),
                repair=repair_by(one.epoch_changes, told),
                where=one.loop_spot.at.short,
                loader=one.name,
                made=one.spot.at.short,
            )
