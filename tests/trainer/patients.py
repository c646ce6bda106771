"""Small data sets to train on, and jobs on them."""

from pathlib import Path
from typing import Any

import numpy as np
from conftest import write_csv

from doctor.trainer.recipe import Job, Recipe

HEADER = ["a", "b", "c", "colour", "label"]


def write_table(path: Path, rows: int = 400, seed: int = 0) -> Path:
    """A label that follows from two numbers and a colour."""
    draw = np.random.default_rng(seed)
    numbers, colours = draw.normal(size=(rows, 3)), draw.choice(["red", "green", "blue"], rows)
    label = numbers[:, 0] + numbers[:, 1] + (colours == "red") > 0
    cells = [
        [*(f"{value:.4f}" for value in row), colour, "yes" if positive else "no"]
        for row, colour, positive in zip(numbers, colours, label, strict=True)
    ]
    write_csv(path, HEADER, cells)
    return path


def job(data: Path, output: Path, *, steps: int = 10, options: dict[str, Any] | None = None, **recipe: Any) -> Job:
    return Job(data=str(data), output=str(output), recipe=Recipe(steps=steps, **recipe), **(options or {}))
