"""Samplers that give the processes of a training the same rows, or the data in its stored order.

What it finds
    A DistributedSampler whose seed differs between ranks, and one for training that does not shuffle.

Why it matters
    The sampler has every rank draw the same order and take its own share of it. With another seed on each rank the
    orders differ, so that ranks train on the same rows and leave others out, and no error says so. Without shuffling
    each epoch sees the same batches in the same order.

What to do
    Give the sampler the same seed on all ranks, and shuffle=True for training; call set_epoch in each epoch. Seeds that
    differ by rank belong to what is drawn on the fly, such as augmentation.

Thresholds
    None.

Calibration
    python bench/config_corpora.py: nothing in the sources of six packages.

Limits
    Only DistributedSampler is known, and only a seed in whose expression the rank stands by name.

Source
    The team's guide: the same seed and a sampler that shuffles. torch.utils.data.distributed.DistributedSampler.
"""

from collections.abc import Iterator

from doctor.evidence.settings_in_code import CodeSettings
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/distributed-seeds",
    Severity.WARNING,
    {
        "by-rank": "{where}: the sampler's seed differs between ranks, so that they draw the same rows and leave out "
        "others",
        "unshuffled": "{where}: the sampler for training does not shuffle",
    },
)
_KINDS = {"sampler-by-rank": "by-rank", "sampler-unshuffled": "unshuffled"}


def examine(code: CodeSettings) -> Iterator[Finding | Undecided]:
    """Look at each program's samplers."""
    if not any("sampler" in program.facts for program in code.programs):
        yield CHECK.not_applicable("no program divides its data by a DistributedSampler")
    for program in code.programs:
        for fact, kind in _KINDS.items():
            if (place := program.facts.get(fact)) is not None:
                yield CHECK.finding(
                    kind,
                    at=place.location,
                    severity=Severity.WARNING if kind == "by-rank" else Severity.INFO,
                    repair=Advise(
                        safety=Safety.MANUAL,
                        summary="give the sampler one seed on all ranks" if kind == "by-rank" else "shuffle=True",
                    ),
                    where=place.short,
                )
