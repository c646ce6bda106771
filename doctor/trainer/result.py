"""What came of a training, as it is kept in `result.json`. Loads no torch."""

import json
import math
import os
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

RESULT_FILE, PREDICTIONS = "result.json", "predictions.npz"

FailureKind = Literal[
    "out of memory", "loss scale", "config", "data", "not installed", "disk", "killed", "out of time", "error"
]


class Failure(Struct, frozen=True, kw_only=True):
    """Why a training did not come to its end; the message is one line.

    The kinds: memory ran out; DeepSpeed gave up on a loss scale at its minimum; DeepSpeed refused the configuration;
    the data cannot be trained on; a package is missing; the disk is full or not writable; the process was killed; the
    deadline passed; anything else.
    """

    kind: FailureKind
    message: str


class Result(Struct, frozen=True, kw_only=True):
    """What came of a training. All lists have one entry per update, up to the failure if there was one.

    Attributes
    ----------
    losses : list of float
        Mean over the rows of the update, before it; without the parts that class weights add. Not finite where the
        loss was not.
    learning_rates : list of float
        The rate of each update.
    grad_norms : list of float
        Before clipping; infinite where a gradient overflowed.
    loss_scales : list of float
        1 without loss scaling.
    skipped_steps : list of int
        The updates, counted from 1, that were not applied because a gradient overflowed.
    evaluations : dict of str to dict of str to float
        Metrics by split, after the last update. Classification: loss, accuracy, balanced_accuracy, auc for two
        classes, `recall of CLASS`. Regression: loss (of the standardised target), mae, r2. Language model: loss (nats
        per token), perplexity.
    curve : list of dict
        The evaluations on the way: step, split, loss.
    peak_bytes : int
        The most memory in use beyond that at the start.
    parameters : int
        Weights that are trained.
    notes : list of str
        What was guessed or done otherwise than asked, one line each.
    predictions : str or None
        The file with `SPLIT.predicted` and `SPLIT.actual` (class numbers or values) and `SPLIT.score` where there is
        one.
    run_dir : str or None
        The run folder of the recorder.
    """

    losses: list[float] = []
    learning_rates: list[float] = []
    grad_norms: list[float] = []
    loss_scales: list[float] = []
    skipped_steps: list[int] = []
    evaluations: dict[str, dict[str, float]] = {}
    curve: list[dict[str, Any]] = []
    task: str = ""
    model: str = ""
    classes: list[str] = []
    rows: dict[str, int] = {}
    seconds: float = 0.0
    peak_bytes: int = 0
    parameters: int = 0
    notes: list[str] = []
    predictions: str | None = None
    failure: Failure | None = None
    run_dir: str | None = None


def encoded(result: Result) -> bytes:
    """Write a result as JSON; numbers that are not finite stand as the texts nan, inf and -inf."""
    return json.dumps(spelt(msgspec.to_builtins(result)), ensure_ascii=False, indent=1, allow_nan=False).encode()


def decoded(text: bytes) -> Result:
    """Read what `encoded` wrote."""
    return msgspec.json.decode(text, type=Result, strict=False)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at any moment there is the old one or the new one, and never a part."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def spelt(value: Any) -> Any:
    """Write numbers that are not finite as the texts nan, inf and -inf, which JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {name: spelt(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [spelt(inner) for inner in value]
    return value
