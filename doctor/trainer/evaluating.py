"""Asks a model about the splits that it was not trained on, and about some of train."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from doctor.trainer.config import batch_sizes
from doctor.trainer.data import Data, Rows
from doctor.trainer.metrics import Answers, measured, predictions
from doctor.trainer.objective import plain_loss
from doctor.trainer.ranks import Ranks
from doctor.trainer.recipe import Job
from doctor.trainer.result import PREDICTIONS

ROWS_AT_ONCE = 256


def on_device(rows: Rows, device: str) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return inputs and targets as tensors."""
    inputs = {name: torch.from_numpy(values).to(device) for name, values in rows.inputs.items()}
    return inputs, torch.from_numpy(rows.targets).to(device)


def evaluated(engine: Any, data: Data, job: Job, ranks: Ranks) -> dict[str, dict[str, float]]:
    """Return the metrics of every split; train by some of its rows, evenly spaced."""
    limit = min(len(data.train), job.recipe.max_evaluated_rows)
    some = data.train.chosen(np.linspace(0, len(data.train) - 1, limit).astype(np.int64))
    kept: dict[str, Any] = {}
    metrics = {}
    for split, rows in {"train": some, **data.evaluated}.items():
        if not len(rows):
            continue
        answers = _answers(engine, data, rows, job, ranks)
        metrics[split] = measured(answers, data)
        kept |= {f"{split}.{name}": values for name, values in predictions(answers, data).items()}
    if job.predictions and ranks.first:
        np.savez(Path(job.output, PREDICTIONS), **kept)
    return metrics


def evaluation_loss(engine: Any, data: Data, rows: Rows, job: Job, ranks: Ranks) -> float:
    """Return the loss on some rows."""
    return _answers(engine, data, rows, job, ranks).loss


@torch.no_grad()
def _answers(engine: Any, data: Data, rows: Rows, job: Job, ranks: Ranks) -> Answers:
    """Ask about all rows; every rank does so, because at ZeRO stage 3 each holds a part of the weights."""
    engine.eval()
    micro = batch_sizes(job.recipe, ranks.world)[0]
    at_once = micro if job.device_bytes else max(micro, ROWS_AT_ONCE if data.kind == "table" else micro)
    total, count, outputs = 0.0, 0, []
    for begin in range(0, len(rows), at_once):
        inputs, targets = on_device(rows.chosen(np.arange(begin, min(begin + at_once, len(rows)))), ranks.device)
        found = engine(**inputs)
        loss, judged = plain_loss(data, found, targets)
        total, count = total + loss, count + judged
        if data.task != "language-model":
            outputs.append(found.float().cpu().numpy())
    engine.train()
    return Answers(
        loss=total / max(1, count),
        outputs=np.concatenate(outputs) if outputs else np.zeros((0, 0), np.float32),
        targets=rows.targets,
        numbers=rows.numbers,
    )
