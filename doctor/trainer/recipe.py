"""How to train: everything that decides a training besides the data. Loads no torch."""

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct, structs

from doctor.trainer.result import Failure, Result

__all__ = ["DEFAULT_BATCH_ROWS", "DEFAULT_LEARNING_RATE", "Failure", "Job", "Recipe", "Result"]

DEFAULT_BATCH_ROWS = 64
"""Rows of one update where neither the recipe nor the configuration says how many."""
DEFAULT_LEARNING_RATE = 1e-3

Schedule = Literal["constant", "linear", "cosine", "onecycle"]
Task = Literal["auto", "classification", "regression", "language-model"]
ModelName = Literal["auto", "mlp", "transformer", "cnn", "vit"]


class Recipe(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to train. The same recipe on the same data gives the same losses.

    Attributes
    ----------
    config : dict
        The user's DeepSpeed configuration. What it says wins over the fields below it, apart from `learning_rate`,
        `weight_decay`, `micro_batch` and `accumulation`, which are None unless somebody asks for other values.
    steps : int
        Updates, skipped ones included.
    micro_batch : int or None
        Rows that one rank sees at once.
    accumulation : int or None
        Micro-batches whose gradients make one update.
    learning_rate : float or None
        None takes that of the configuration, else 1e-3.
    schedule : str
        The way of the rate after the warm-up; a scheduler in the configuration comes before it.
    warmup_steps : int
        Updates over which the rate rises from 0, whatever the schedule.
    class_weights : bool
        Weigh the loss of each class by the inverse of its frequency.
    oversample : bool
        Draw the rows of all classes equally often.
    cutmix : bool
        Paste a part of one image into another, and mix their labels alike.
    standardise : bool
        Whether numbers of tables are brought to mean 0 and deviation 1; else they are taken as they are.
    norm : bool
        Whether the layers of tables have normalisation; transformers always do.
    norm_in_fp32 : bool
        Normalise in float32 whatever the precision of the rest.
    activation_checkpointing : bool
        Compute activations again in the backward pass instead of keeping them.
    held_out : float
        The share of rows to evaluate on where the data is not divided.
    evaluate_every : int
        Updates between evaluations on the way; 0 evaluates at the end alone.
    early_stopping : int
        Evaluations without a better loss after which to stop, and to go back to the best weights; 0 never stops.
    max_evaluated_rows : int
        Rows of train that are evaluated at the end; of the other splits all are.
    without : tuple of str
        Columns not to be learnt from.
    without_rows : tuple of int
        Rows of train that are left out, by `doctor.trainer.data.Rows.numbers`.
    text : str or None
        The column of texts, for a model that reads; None guesses.
    tokenizer : str or None
        A `tokenizer.json`; None reads bytes.
    length : int
        Tokens of a text that are read.
    image_size : int
        Height and width to which images are brought, in pixels.
    """

    config: dict[str, Any] = {}
    task: Task = "auto"
    model: ModelName = "auto"
    steps: int = 300
    seed: int = 0
    micro_batch: int | None = None
    accumulation: int | None = None
    learning_rate: float | None = None
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    weight_decay: float | None = None
    label_smoothing: float = 0.0
    dropout: float = 0.0
    class_weights: bool = False
    oversample: bool = False
    cutmix: bool = False
    standardise: bool = True
    norm: bool = False
    norm_in_fp32: bool = False
    activation_checkpointing: bool = False
    width: int = 64
    layers: int = 2
    heads: int = 4
    held_out: float = 0.2
    evaluate_every: int = 0
    early_stopping: int = 0
    max_evaluated_rows: int = 10_000
    without: tuple[str, ...] = ()
    without_rows: tuple[int, ...] = ()
    text: str | None = None
    tokenizer: str | None = None
    length: int = 128
    image_size: int = 32

    def replaced(self, **values: Any) -> "Recipe":
        """Return a copy with other values."""
        return structs.replace(self, **values)

    def treated(self, changes: Mapping[str, float | str | bool]) -> "Recipe":
        """Return the recipe with changes of training applied, named as in `doctor.repair.treatments`.

        Raises
        ------
        ValueError
            For a change that does not exist or that this trainer cannot make, naming it.
        """
        from doctor.trainer.treating import treated

        return treated(self, changes)


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One training, to be run by `doctor.trainer.jobs.run_jobs` or `doctor.trainer.loop.train`.

    Attributes
    ----------
    data : str
        The path of a data set.
    target : str or None
        None lets the loader guess.
    splits : dict of str to str
        Globs by the name of the split, as in `doctor scan --split`.
    reading : dict of str to str
        How to read text tables: `header`, `delimiter`, `encoding`, `split_column`.
    output : str
        The folder to write into; made where it is not there.
    device_bytes : int or None
        Memory the training may use beyond that at its start: on a GPU of the device, else of the address space.
    watched : bool
        Record the run and diagnose it; the folder is then `Result.run_dir`.
    predictions : bool
        Keep the predictions of each split in `predictions.npz`.
    tensorboard : bool
        Write TensorBoard events into the folder `tensorboard`.
    checkpoint_every : int
        Updates between checkpoints; there is one of the last update, too. 0 writes none.
    resume : bool
        Go on from the newest checkpoint in the folder, if there is one.
    """

    data: str
    recipe: Recipe
    output: str
    target: str | None = None
    splits: dict[str, str] = {}
    reading: dict[str, str] = {}
    device_bytes: int | None = None
    watched: bool = False
    predictions: bool = False
    tensorboard: bool = False
    checkpoint_every: int = 0
    resume: bool = False
