"""How well a model does on a split."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from doctor.evidence.targets import mid_ranks
from doctor.trainer.data import Array, Data


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a model said of the rows of a split.

    Attributes
    ----------
    loss : float
        Mean over the rows, or over the tokens.
    outputs : ndarray of float32, shape (rows, outputs)
        Logits or standardised values; empty for a language model.
    targets : ndarray, shape (rows,)
        As in `Rows`.
    """

    loss: float
    outputs: Array
    targets: Array
    numbers: Array


def measured(answers: Answers, data: Data) -> dict[str, float]:
    """Return the metrics of a split by name; see `doctor.trainer.result.Result`."""
    loss = {"loss": answers.loss}
    if data.task == "language-model":
        return {**loss, "perplexity": float(np.exp(min(answers.loss, 700.0)))}
    if data.task == "regression":
        return loss | _of_quantities(answers, data)
    return loss | _of_classes(answers, data)


def _of_quantities(answers: Answers, data: Data) -> dict[str, float]:
    errors = answers.outputs[:, 0].astype(np.float64) - answers.targets
    around = answers.targets - answers.targets.mean(dtype=np.float64)
    spread = float((around**2).sum())
    r2 = 1 - float((errors**2).sum()) / spread if spread > 0 else float("nan")
    return {"mae": float(np.abs(errors).mean()) * data.spread, "r2": r2}


def _of_classes(answers: Answers, data: Data) -> dict[str, float]:
    right = answers.outputs.argmax(1) == answers.targets
    recalls = {
        name: float(right[answers.targets == number].mean())
        for number, name in enumerate(data.classes)
        if (answers.targets == number).any()
    }
    metrics = {
        "accuracy": float(right.mean()),
        "balanced_accuracy": float(np.mean(list(recalls.values()))),
    }
    if len(data.classes) == 2 and len(recalls) == 2:
        metrics["auc"] = _area(scores(answers, data), answers.targets == 1)
    return metrics | {f"recall of {name}": recall for name, recall in recalls.items()}


def _area(score: Array, positive: Array) -> float:
    """Return the share of pairs of a positive and a negative row that the score puts in order, ties half."""
    if not np.isfinite(score).all():
        return float("nan")
    count = int(positive.sum())
    ranks = mid_ranks(score) * len(score)
    return float((ranks[positive].sum() - count**2 / 2) / (count * (len(score) - count)))


def scores(answers: Answers, data: Data) -> Array:
    """Return per row the log-odds of the second of two classes; else the outputs as they are."""
    outputs = answers.outputs.astype(np.float64)
    return outputs[:, 1] - outputs[:, 0] if len(data.classes) == 2 else outputs


def predictions(answers: Answers, data: Data) -> dict[str, Any]:
    """Return what is kept of the rows of a split: predicted, actual, score and the row's number."""
    if data.task == "language-model":
        return {}
    if data.task == "regression":
        predicted, actual = (
            values.astype(np.float64) * data.spread + data.centre for values in (answers.outputs[:, 0], answers.targets)
        )
        return {"predicted": predicted, "actual": actual, "row": answers.numbers}
    found = {"predicted": answers.outputs.argmax(1), "actual": answers.targets, "row": answers.numbers}
    return {**found, "score": scores(answers, data)} if len(data.classes) == 2 else found
