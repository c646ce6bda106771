"""What a training learns from: arrays by split, read from whatever lies at a path. Loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from doctor.errors import UsageError
from doctor.settings import settings_for
from doctor.trainer.recipe import Job

Array = NDArray[Any]
VALIDATION_SHARE = 0.1
HOLD_OUT_SEED = 0
"""Not the seed of the training: runs with other seeds are evaluated on the same rows."""


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of one split, in the order of the files.

    Attributes
    ----------
    inputs : dict of str to ndarray, shape (rows, …)
        Arguments of the model.
    targets : ndarray
        Class numbers, standardised values, or the tokens to predict.
    numbers : ndarray of int64, shape (rows,)
        The row's number in the data set.
    """

    inputs: dict[str, Array]
    targets: Array
    numbers: Array

    def __len__(self) -> int:
        return len(self.targets)

    def chosen(self, which: Array) -> "Rows":
        """Return some of the rows, in the order given."""
        return Rows(
            inputs={name: values[which] for name, values in self.inputs.items()},
            targets=self.targets[which],
            numbers=self.numbers[which],
        )


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What a model must know of its inputs.

    Attributes
    ----------
    outputs : int
        Classes, entries of the vocabulary, or 1 for a quantity.
    numbers : int
        Columns of numbers of a table.
    levels : tuple of int
        Entries of each column of categories, the unknown one included.
    vocabulary, length : int
        Of texts: different tokens, and tokens in a row.
    pixels : int
        Height and width of an image.
    """

    outputs: int
    numbers: int = 0
    levels: tuple[int, ...] = ()
    vocabulary: int = 0
    length: int = 0
    pixels: int = 0


@dataclass(frozen=True, kw_only=True)
class Data:
    """A data set, ready to be trained on.

    Attributes
    ----------
    evaluated : dict of str to Rows
        The splits other than train.
    centre, spread : float
        Mean and standard deviation of a quantity in train, by which it is standardised.
    notes : list of str
        What was guessed or left out, one line each.
    """

    kind: Literal["table", "text", "image"]
    task: str
    train: Rows
    evaluated: dict[str, Rows]
    sizes: Sizes
    classes: tuple[str, ...] = ()
    centre: float = 0.0
    spread: float = 1.0
    notes: list[str] = field(default_factory=list)


def read(job: Job) -> Data:
    """Read the data of a job, by what lies at its path.

    Raises
    ------
    UsageError
        Naming what cannot be trained on.
    """
    return _without(_read(job), job.recipe.without_rows)


def _without(data: Data, numbers: Sequence[int]) -> Data:
    """Leave rows of train out; what is standardised stays as it was."""
    if not numbers:
        return data
    kept = np.flatnonzero(~np.isin(data.train.numbers, numbers))
    said = f"{len(data.train) - len(kept)} rows of train left out"
    return replace(data, train=data.train.chosen(kept), notes=[*data.notes, said])


def _read(job: Job) -> Data:
    from doctor.trainer import images, tables, texts

    path = Path(job.data)
    given = {
        "target": job.target,
        "split": tuple(f"{name}={pattern}" for name, pattern in job.splits.items()),
        **job.reading,
    }
    if path.is_dir() and (folders := images.class_folders(path)):
        return images.read(path, folders, job.recipe)
    from doctor.case import open_case

    settings = settings_for(path, given)
    with open_case([path], settings) as case:
        if not case.tables:
            reason = "; ".join(f"{problem.path}: {problem.reason}" for problem in case.problems)
            raise UsageError(reason or f"{path}: there is no table here, and there are no folders of images")
        if len(case.tables) > 1:
            shown = ", ".join(table.shown for table in case.tables)
            raise UsageError(f"{path}: several tables here ({shown}); name the one to train on")
        table = tables.load(case, settings)
    notes = [f"{problem.path}: {problem.reason}" for problem in case.problems]
    data = texts.read(table, job.recipe) if texts.is_text(table, job.recipe) else tables.encode(table, job.recipe)
    data.notes[:0] = notes
    return data


def with_validation(data: Data) -> Data:
    """Hold out rows of train by which to stop early, where there is no validation split; test is not for that."""
    if "validation" in data.evaluated:
        return data
    parts, _ = divided(np.full(len(data.train), "train", dtype=object), VALIDATION_SHARE)
    held = data.train.chosen(parts["validation"])
    said = f"{len(held)} rows of train held out as validation, to stop by"
    return replace(
        data,
        train=data.train.chosen(parts["train"]),
        evaluated={"validation": held, **data.evaluated},
        notes=[*data.notes, said],
    )


def divided(splits: Array, share: float) -> tuple[dict[str, Array], list[str]]:
    """Return the positions of the rows of each split, train first; hold some out where there is one split alone.

    Parameters
    ----------
    splits : ndarray of object
        The split of each row that can be used.
    share : float
        The share of rows to hold out.
    """
    named = {str(name): np.flatnonzero(splits == name) for name in dict.fromkeys(splits)}
    first = next((name for name in ("train", "all") if name in named), next(iter(named)))
    train = named.pop(first)
    if named:
        said = [] if first == "train" else [f"trained on {first}: there is no split called train"]
        return {"train": train, **named}, said
    held = round(len(train) * share)
    if not 0 < held < len(train):
        return {"train": train}, []
    order = np.random.default_rng(HOLD_OUT_SEED).permutation(len(train))
    parts = {"train": np.sort(train[order[held:]]), "validation": np.sort(train[order[:held]])}
    return parts, [f"{held} of {len(train)} rows held out as validation: the data is not divided"]
