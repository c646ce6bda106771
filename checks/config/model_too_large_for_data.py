"""All weights of a very large model trained on a small data set.

What it finds
    A model of min_parameters or more, by its description or its name, of which all weights are trained, beside a
    training set of less than min_bytes.

Why it matters
    So many weights learn so little text by heart: the training loss falls, and the model gets worse at all else.

What to do
    Train an adapter (LoRA, QLoRA) or a smaller model, or gather more data.

Thresholds
    min_parameters: a very large model (10000000000.0, the team's guide).
    min_bytes: data that one can be trained on (10000000000.0, the team's guide).

Calibration
    A remark. python bench/config_corpora.py: nothing on the configurations that six packages ship, since no data lies
    beside them. The healthy twin trains an adapter, and a small model.

Limits
    The size of the data is that of the scanned files, packed or not, where one table is scanned. A model's size is read
    off its name or worked out from the widths in its description, to some percent.

Source
    The team's guide: less than 10 GB for 10 B parameters and more.
"""

from collections.abc import Iterator

from doctor.evidence.model_sizes import ModelSizes
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/model-too-large-for-data",
    Severity.INFO,
    "{where}: {model} has about {billions:.0f} billion parameters, all of which are trained on {megabytes:,.1f} MB "
    "({table})",
)


def examine(
    sizes: ModelSizes, *, min_parameters: float = 10_000_000_000.0, min_bytes: float = 10_000_000_000.0
) -> Iterator[Finding | Undecided]:
    """Hold the bytes against each large model."""
    large = [model for model in sizes.models if (model.parameters or 0) >= min_parameters and not model.adapted]
    if not large:
        yield CHECK.not_applicable("no model of such a size is trained here, as far as is known")
    elif sizes.bytes is None:
        yield CHECK.unavailable("which data it is trained on is not known")
    for model in large:
        if sizes.bytes is not None and sizes.bytes < min_bytes:
            yield CHECK.finding(
                at=model.place.location,
                repair=Advise(safety=Safety.MANUAL, summary="train an adapter, or a smaller model"),
                where=model.place.short,
                model=model.because,
                parameters=model.parameters,
                billions=(model.parameters or 0) / 1e9,
                table=sizes.shown,
                bytes=sizes.bytes,
                megabytes=sizes.bytes / 1e6,
            )
