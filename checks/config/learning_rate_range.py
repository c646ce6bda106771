"""A learning rate outside the range in which Adam and its kin train.

What it finds
    Rates of zero or less; rates without a dot in YAML that a program of transformers reads with parse_yaml_file, where
    2e-5 is a text, and the optimizer gets it as one; rates from which on Adam breaks; and rates outside the range that
    is usually searched, or in which a pretrained model is usually fine-tuned; by configuration, launcher and code.

Why it matters
    Adam's step is about as long as its rate, whatever the gradient is: at 0.01 a few updates undo a pretrained model,
    below 1e-5 the budget ends before it has learned anything.

What to do
    Begin with 1e-4 where all weights of a pretrained model are trained, and search between 1e-5 and 1e-3. A misplaced
    digit is the usual cause.

Thresholds
    min_search: the lower end of the range that is searched for any model (1e-05, the team's guide).
    max_search: its upper end (0.001).
    min_finetune: the lower end of the range for all weights of a pretrained model (5e-05, the team's guide).
    max_finetune: its upper end (0.0003).
    max_rate: from here on Adam breaks (0.01).

Calibration
    Outside a range is a remark, 0.01 a warning, zero an error: python bench/config_corpora.py counts them on the
    configurations that six packages ship; none of these is a warning or an error.

Limits
    Only Adam and optimizers with steps like its (AdamW, Adafactor without its own rate, LAMB, paged and 8-bit ones) are
    judged; SGD, Lion and Muon have other ranges. A loop around a net of its own is only judged where that
    is a recurrent net or a transformer: small ones are trained at 0.01 and above. Adapters such as LoRA bear higher
    rates and are held to the range that is searched. Preference training (DPO, GRPO) and models of a billion parameters
    and more take lower ones, and are held to no lower bound.

Source
    The team's guide: 5e-5 to 3e-4 for fine-tuning, 1e-5 to 1e-3 for a search, 0.01 breaks.
"""

from collections.abc import Iterator

from doctor.evidence.rates_told import RatesTold, RateTold
from doctor.model import Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/learning-rate-range",
    Severity.INFO,
    {
        "text": "{where}: {name} {rate:g} has no dot, so that it is a text for YAML 1.1, and the optimizer stops at it",
        "nothing": "{where}: with {name} {rate:g} nothing is learned",
        "breaks": "{where}: {name} is {rate:g}; from {bound:g} on {optimizer} breaks a network",
        "search": "{where}: {name} is {rate:g}, outside of {low:g} to {high:g}, in which rates of "
        "{optimizer} are searched",
        "finetune": "{where}: {name} is {rate:g}, outside of {low:g} to {high:g}, in which pretrained models are "
        "usually fine-tuned",
    },
)


def examine(
    rates: RatesTold,
    *,
    min_search: float = 1e-5,
    max_search: float = 1e-3,
    min_finetune: float = 5e-5,
    max_finetune: float = 3e-4,
    max_rate: float = 0.01,
) -> Iterator[Finding | Undecided]:
    """Hold each rate that is written against the range for what it trains."""
    if not rates.rates:
        yield CHECK.not_applicable("no learning rate is written here")
    for told in rates.rates:
        rate = told.rate
        lower = told.preference or told.large
        if told.as_text:
            yield _finding(told, "text", Severity.ERROR)
        if rate <= 0:
            yield _finding(told, "nothing", Severity.ERROR)
        elif not told.like_adam or told.small:
            continue
        elif rate >= max_rate:
            yield _finding(told, "breaks", Severity.WARNING, bound=max_rate)
        elif rate > max_search or (rate < min_search and not lower):
            yield _finding(told, "search", Severity.INFO, low=min_search, high=max_search)
        elif told.finetunes and (rate > max_finetune or (rate < min_finetune and not lower)):
            yield _finding(told, "finetune", Severity.INFO, low=min_finetune, high=max_finetune)


def _finding(told: RateTold, kind: str, severity: Severity, **bounds: float) -> Finding:
    if kind == "text":
        repair = told.setting.changed(told.rate, f"write {told.setting.name} with a dot", Safety.SAFE)
    else:
        wish = 1e-4
        said = f"set {told.setting.name} to {wish:g}, and search from there"
        repair = told.setting.changed(wish, said, Safety.UNSAFE)
    return CHECK.finding(
        kind,
        at=told.setting.place.location,
        severity=severity,
        repair=repair if severity is not Severity.INFO else None,
        where=told.setting.place.short,
        name=told.setting.name,
        rate=told.rate,
        optimizer=told.optimizer,
        **bounds,
    )
