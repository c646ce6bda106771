"""A model whose outputs or whose longest input do not fit the scanned data.

What it finds
    A head with another number of outputs than the target has classes; labels that are no number from 0 to the last
    output; a class whose number is the ignored one; weights of a loss that are fewer than the classes, or that are the
    greater the more rows a class has; filling up with the token that ends a text where labels of filling do not count;
    inputs cut at a length that leaves words of more than max_cut of the texts out; and lengths beyond the positions of
    a model that has a table of them.

Why it matters
    A label that no output stands for stops the training with an assertion of the device that names no line, or reads
    another row of memory. Rows of an ignored class are never learned. What is cut off is never seen. Weights
    against the rare class make the model blinder to it. A model that never learned to end a text goes on and on.

What to do
    Set num_labels to the number of classes and number them from 0. Choose an ignored label that is none, such as -100.
    Set max_length by the lengths of the texts, within the model's positions.

Thresholds
    max_cut: share of texts that may be cut without a remark (0.05).

Calibration
    python bench/config_corpora.py: nothing on the configurations that six packages ship, since no data lies beside
    them. The twins are a table of four classes and texts of some forty words.

Limits
    One table must be scanned and its target known (else --target), and all that is written of the head must agree. A
    text has at least as many tokens as words, so that the share that is cut is a lower bound. One output predicts a
    quantity, and is not judged.

Source
    torch.nn.CrossEntropyLoss; the configurations of transformers' models.
"""

from collections.abc import Iterator

from doctor.evidence.head_fit import HeadFit, Misfit
from doctor.model import Advise, AnyRepair, Check, Finding, Safety, Severity, Undecided

CHECK = Check(
    "config/labels-vs-head",
    Severity.ERROR,
    {
        "too-few": "{where}: {name} is {outputs}, but {target} has {classes} classes",
        "range": "{where}: {name} is {outputs}, so labels go from 0 to {last}, but {target} has {value}",
        "too-many": "{where}: {name} is {outputs}, but {target} has {classes} classes: the other outputs never learn",
        "ignored": "{where}: {name} leaves out label {value}, which {rows:,} rows of {target} have",
        "positions": "{where}: {name} is {length:,}, but this {model} has {positions:,} positions",
        "weights": "{where}: {weights} {name}s for the classes, but {target} has {value}",
        "reversed": "{where}: class {rarest} of {target}, the rarest with {rarest_rows:,} rows, weighs "
        "{rarest_weight:g}; {commonest} with {rows:,} rows weighs {commonest_weight:g}",
        "end": "{where}: texts are filled up with the token that ends them, and labels of filling do not count, so the "
        "model never learns to end",
        "truncated": "{where}: {name} {length:,} cuts at least {share:.0%} of the texts of {column}",
    },
)
_SEVERITY = {
    "too-many": Severity.INFO,
    "ignored": Severity.WARNING,
    "reversed": Severity.WARNING,
    "end": Severity.WARNING,
    "truncated": Severity.INFO,
}
_REMEDY = {
    "too-many": "set the number of outputs to that of the classes",
    "range": "number the classes from 0, and give the head an output for each",
    "ignored": "ignore a label that no row has, such as -100",
    "weights": "give each class a weight",
    "reversed": "weigh the rare classes more, such as by rows / (classes × rows of the class)",
    "end": "fill up with a token of its own: tokenizer.add_special_tokens({'pad_token': '<pad>'})",
    "truncated": "raise the length, or divide the texts",
}


def examine(fit: HeadFit, *, max_cut: float = 0.05) -> Iterator[Finding | Undecided]:
    """State what does not fit."""
    if not fit.known:
        yield CHECK.not_applicable("nothing is written of a head or of the length of texts")
    elif fit.several:
        yield CHECK.unavailable("there are several tables, and which one is trained on is not known")
    for misfit in fit.misfits:
        if misfit.kind == "truncated" and misfit.facts["share"] <= max_cut:
            continue
        yield CHECK.finding(
            misfit.kind,
            at=misfit.setting.place.location,
            severity=_SEVERITY.get(misfit.kind, Severity.ERROR),
            repair=_repair(misfit),
            where=misfit.setting.place.short,
            name=misfit.setting.name,
            **misfit.facts,
        )


def _repair(misfit: Misfit) -> AnyRepair:
    if misfit.kind == "too-few":
        classes = misfit.facts["classes"]
        return misfit.setting.changed(classes, f"set {misfit.setting.name} to {classes}", Safety.UNSAFE)
    if misfit.kind == "positions":
        positions = misfit.facts["positions"]
        return misfit.setting.changed(positions, f"set {misfit.setting.name} to {positions}", Safety.UNSAFE)
    return Advise(safety=Safety.MANUAL, summary=_REMEDY[misfit.kind])
