"""A model on several ranks that all train on all of the data.

What it finds
    A training loop with a model in DistributedDataParallel over a DataLoader, seen to be made of a stored data set,
    without a sampler and with nothing about ranks or shards in how its data is had.

Why it matters
    Every rank goes through the whole data set. An epoch is as many times longer as there are ranks, the batch that was
    asked for is not the one that counts, and with one seed for all ranks the gradients are copies of each other.

What to do
    Give the loader a DistributedSampler, and tell it the epoch.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Data that is divided out of view, by a file per rank for instance, is not known where the code
    that makes the loader does not speak of ranks. accelerate, Fabric and Lightning divide data themselves.

Source
    PyTorch's tutorial "Getting Started with Distributed Data Parallel"; torch.utils.data.distributed.
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location
from doctor.evidence.loader_code import LoaderCode
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "source/ddp-without-sampler",
    Severity.WARNING,
    "{where}: this loader gives every rank all of the data; the model that it trains runs on several ({wrapped})",
)


def examine(loaders: LoaderCode) -> Iterator[Finding | Undecided]:
    """State each loader that nothing divides."""
    for path in loaders.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not loaders.loaders:
        yield CHECK.not_applicable("no loop here trains over a DataLoader that was seen to be made")
    for one in loaders.loaders:
        if one.parallel:
            at: Location = location(one.spot)
            told = "give the loader sampler=DistributedSampler(dataset), and call set_epoch in each epoch"
            yield CHECK.finding(
                at=at, repair=Advise(summary=told, safety=Safety.MANUAL), where=one.spot.at.short, wrapped=one.parallel
            )
