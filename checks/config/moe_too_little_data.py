"""A mixture of experts trained on too few samples for its experts.

What it finds
    A model with experts, by its description or its name, beside a training set of fewer than min_rows rows, where all
    of its weights are trained.

Why it matters
    Each expert sees only the samples that are sent to it: of a million samples an eighth or a sixty-fourth. With fewer,
    experts learn them by heart, and the router sends everything to a few.

What to do
    Train a dense model, train an adapter only, or gather more data.

Thresholds
    min_rows: samples below which experts are too many (1000000, the team's guide).

Calibration
    A remark. python bench/config_corpora.py: nothing on the configurations that six packages ship, since no data lies
    beside them. The healthy twin trains an adapter, and a dense model.

Limits
    The rows are known where one table is scanned. Long samples count as one.

Source
    The team's guide: under 1 M samples. Fedus et al. 2022, Switch transformers, section 4.2, on fine-tuning.
"""

from collections.abc import Iterator

from doctor.evidence.model_sizes import ModelSizes
from doctor.model import Advise, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/moe-too-little-data",
    Severity.INFO,
    "{where}: {model} is a mixture of experts, and {table} has {rows:,} rows to train it on (fewer than {min_rows:,})",
)


def examine(sizes: ModelSizes, *, min_rows: int = 1_000_000) -> Iterator[Finding | Undecided]:
    """Hold the rows against each model with experts."""
    mixtures = [model for model in sizes.models if model.experts and not model.adapted]
    if not mixtures:
        yield CHECK.not_applicable("no mixture of experts is trained here")
    elif sizes.rows is None:
        yield CHECK.unavailable("which table it is trained on is not known")
    for model in mixtures:
        if sizes.rows is not None and sizes.rows < min_rows:
            yield CHECK.finding(
                at=model.place.location,
                repair=Advise(safety=Safety.MANUAL, summary="train a dense model, or an adapter"),
                where=model.place.short,
                model=model.because,
                table=sizes.shown,
                rows=sizes.rows,
                min_rows=min_rows,
            )
