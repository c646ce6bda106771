"""The loss that is trained on."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812  # as the whole field calls it

from doctor.trainer.data import Data
from doctor.trainer.recipe import Recipe

Objective = Callable[[Tensor, Tensor], Tensor]


def objective(data: Data, recipe: Recipe, device: str) -> Objective:
    """Return the loss as a function of outputs and targets: the sum over the rows by their number.

    So the mean over ranks of the same number of rows is the loss over all rows, class weights or not.
    """
    smoothing = recipe.label_smoothing
    if data.task == "regression":
        return lambda outputs, targets: F.mse_loss(outputs[:, 0].float(), targets)
    if data.task == "language-model":
        return lambda outputs, targets: F.cross_entropy(
            outputs.flatten(0, 1).float(), targets.flatten(), label_smoothing=smoothing, reduction="none"
        ).mean()
    if not recipe.class_weights:  # as everybody writes it, so that whoever watches knows what guessing would yield
        return lambda outputs, targets: F.cross_entropy(outputs.float(), targets, label_smoothing=smoothing)
    weights = _class_weights(data).to(device)
    return lambda outputs, targets: F.cross_entropy(
        outputs.float(), targets, weight=weights, label_smoothing=smoothing, reduction="none"
    ).mean()


def _class_weights(data: Data) -> Tensor:
    """Return the inverse of the frequency of each class, 1 on average over the rows."""
    counts = np.bincount(data.train.targets, minlength=len(data.classes))
    return torch.tensor(len(data.train) / (len(counts) * np.maximum(1, counts)), dtype=torch.float32)


def plain_loss(data: Data, outputs: Tensor, targets: Tensor) -> tuple[float, int]:
    """Return the sum of the loss without smoothing and weights, as evaluations state it, and over how many."""
    # Means, as a training loop would take them: whoever watches compares them with each other and with guessing.
    if data.task == "regression":
        return float(F.mse_loss(outputs[:, 0].double(), targets.double())) * len(targets), len(targets)
    flat, wanted = outputs.flatten(0, -2).double(), targets.flatten()
    judged = int((wanted >= 0).sum())
    return (float(F.cross_entropy(flat, wanted)) * judged if judged else 0.0), judged


def with_cutmix(objective: Objective, images: Tensor, targets: Tensor) -> tuple[Tensor, Objective]:
    """Paste a rectangle of each image's neighbour into it, and weigh the two labels by their shares of the pixels.

    The method of Yun et al., 2019 (arXiv:1905.04899), with areas drawn uniformly.
    """
    size = images.shape[-1]
    edge = max(1, round(size * float(torch.rand(()).sqrt())))
    top, left = (int(torch.randint(0, size - edge + 1, ())) for _ in range(2))
    mixed = images.clone()
    mixed[:, :, top : top + edge, left : left + edge] = images.roll(1, 0)[:, :, top : top + edge, left : left + edge]
    kept, others = 1 - edge**2 / size**2, targets.roll(1, 0)
    return mixed, lambda outputs, own: kept * objective(outputs, own) + (1 - kept) * objective(outputs, others)
