"""Training data that comes in the order in which it is stored.

What it finds
    A loop that trains over a DataLoader, seen to be made of a data set that is read by number, without `shuffle=True`,
    a sampler or a sampler of batches. Where the order was drawn once before, as by random_split, it is a remark.

Why it matters
    Neighbours in a file are alike: sorted by label, by day, by patient. Batches of one kind pull the model to and fro,
    batch statistics are those of one class, and every epoch repeats the same sequence.

What to do
    Write `shuffle=True` for the training loader, and only for that.

Thresholds
    None.

Calibration
    `python bench/source_corpora.py FOLDER…` on the training code of 26 libraries: no finding; see
    bench/results/source_corpora.md.
    All sick programs of the fixtures are told of in their line, no healthy one.

Limits
    Nothing is executed. Streams, loaders of unknown data sets, one batch of everything, and data whose code speaks of
    time, sequences, windows, sorting or a replay buffer are not judged, nor are loaders on several ranks.

Source
    torch.utils.data.DataLoader, "shuffle: set to True to have the data reshuffled at every epoch (default: False)".
"""

from collections.abc import Iterator

from doctor.evidence.code_changes import location, repair_by
from doctor.evidence.loader_code import LoaderCode
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "source/shuffle-off-train",
    Severity.WARNING,
    {
        "stored": "{where}: the training loop in {loop} goes over this loader in the order of the data, unshuffled",
        "drawn": "{where}: the training loop in {loop} goes over this loader in the same drawn order in every epoch",
    },
)


def examine(loaders: LoaderCode) -> Iterator[Finding | Undecided]:
    """State each training loader that does not shuffle."""
    for path in loaders.too_deep:
        yield CHECK.unavailable(f"{path} is nested too deeply to be followed")
    if not loaders.loaders:
        yield CHECK.not_applicable("no loop here trains over a DataLoader that was seen to be made")
    for one in loaders.loaders:
        if one.unshuffled:
            yield CHECK.finding(
                "drawn" if one.drawn else "stored",
                at=location(one.spot),
                severity=Severity.INFO if one.drawn else Severity.WARNING,
                repair=repair_by(one.shuffle_changes, "write shuffle=True", Safety.UNSAFE),
                where=one.spot.at.short,
                loop=one.loop_spot.at.short,
                loader=one.name,
            )
