"""What trainers call the quantities of a run, and the name under which checks know them."""

import re

_EVALUATION = re.compile(r"(?:^|[\s_./-])(?:eval|evaluation|val|valid|validation|test|dev|holdout)(?:$|[\s_./-])")
_NOISE = re.compile(
    r"(?:^|[\s_./-])(?:train|training|eval|evaluation|val|valid|validation|test|dev|holdout|step|epoch)(?=$|[\s_./-])"
)
_PLAIN = {
    "loss": "loss",
    "lm loss": "loss",
    "total loss": "loss",
    "ce loss": "loss",
    "nll": "loss",
    "accuracy": "accuracy",
    "acc": "accuracy",
    "acc@1": "accuracy",
    "top1": "accuracy",
    "grad norm": "grad_norm",
    "gradnorm": "grad_norm",
    "gradient norm": "grad_norm",
    "gnorm": "grad_norm",
    "grad norm total": "grad_norm",
    "lr": "learning_rate",
    "learning rate": "learning_rate",
    "loss scale": "loss_scale",
    "scale": "loss_scale",
    "skipped": "skipped_total",
    "number of skipped iterations": "skipped",
    "number of nan iterations": "nan_steps",
    "iter time (s)": "step_seconds",
    "step time": "step_seconds",
    "elapsed time per iteration (ms)": "step_milliseconds",
}
_EVALUATED = {"loss": "evaluation_loss", "accuracy": "evaluation_accuracy"}


def canonical(name: str) -> str | None:
    """Return the name under which checks know a quantity, or None for one that they do not read.

    Examples
    --------
    >>> canonical("eval/loss"), canonical("train_acc"), canonical("lr-AdamW"), canonical("colour")
    ('evaluation_loss', 'accuracy', 'learning_rate', None)
    """
    low = name.strip().lower()
    words = " ".join(re.split(r"[\s_./-]+", _NOISE.sub(" ", low).strip(" _./-")))
    known = _PLAIN.get(words)
    if known is None and re.match(r"(?:lr|learning rate)(?: |$)", words):
        known = "learning_rate"
    if known is not None and _EVALUATION.search(low):
        return _EVALUATED.get(known)
    return known
