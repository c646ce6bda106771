"""Programs whose builds do not fit together, or differ from rank to rank.

What it finds
    An exception that ended the run and says that a library was built for another version, another CUDA, another driver
    or another GPU; and versions of Python, torch, CUDA, NCCL and the training libraries that differ between ranks.

Why it matters
    No line of the training is wrong, so no change to it helps. Ranks with different versions may also train on, with
    results that cannot be reproduced, or wait for each other for ever.

What to do
    Install the same lock file on every machine; take torch and every extension from builds for one CUDA version, not
    newer than the driver supports (`nvidia-smi` shows it).

Thresholds
    None: versions are equal or they are not.

Calibration
    Exact for versions. The messages are those that the dynamic loader, CUDA, NCCL, numpy and Python print; an exception
    that says none of them is silent here.

Limits
    Versions are told when the process group is made, so a run of one process has none to compare.

Source
    ld.so(8); CUDA compatibility guide; the texts of the named messages.
"""

from collections.abc import Iterator

from doctor.evidence.environments import Discord, Environments
from doctor.model import Advise, Check, Finding, Location, Safety, Severity, Undecided

CHECK = Check(
    "crash/environment-mismatch",
    Severity.WARNING,
    {
        "misfit": "the environment is broken: {saying} ({type}: {text})",
        "versions": "{name} is not the same on every rank: {versions:long}",
    },
    leads_to=("crash/exit-cause",),
)


def examine(environments: Environments) -> Iterator[Finding | Undecided]:
    """Judge the exception and the versions."""
    failure = environments.failure
    if environments.misfit and failure:
        yield CHECK.finding(
            "misfit",
            at=Location(rank=environments.rank, step=environments.step),
            severity=Severity.ERROR,
            saying=environments.misfit,
            type=failure.type,
            text=failure.message,
            repair=Advise(summary="install builds that belong together, from one lock file", safety=Safety.MANUAL),
        )
    for discord in environments.discords:
        yield CHECK.finding(
            "versions",
            at=Location(rank=discord.versions[-1][1][0]),
            name=discord.name,
            versions=_shown(discord),
            repair=Advise(summary="install the same lock file on every machine", safety=Safety.MANUAL),
        )


def _shown(discord: Discord) -> str:
    parts = []
    for version, ranks in discord.versions:
        some = ", ".join(map(str, ranks[:4])) + (f" and {len(ranks) - 4} more" if len(ranks) > 4 else "")
        parts.append(f"{version} on rank {some}")
    return "; ".join(parts)
