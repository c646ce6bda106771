"""`doctor train`: train the reference model on a data set."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doctor.cli import EXIT_HEALTHY, EXIT_INCOMPLETE
from doctor.errors import UsageError

if TYPE_CHECKING:
    from doctor.trainer.recipe import Job, Recipe, Result

TASKS = ("auto", "classification", "regression", "language-model")
MODELS = ("auto", "mlp", "transformer", "cnn", "vit")
SCHEDULES = ("constant", "linear", "cosine", "onecycle")
PRECISIONS = ("fp32", "bf16", "fp16")
WRONG_USE = ("config", "data", "not installed")
COUNT, SHARE, AMOUNT = click.IntRange(min=1), click.FloatRange(0, 1, max_open=True), click.FloatRange(min=0)
READING = ("header", "delimiter", "encoding", "split_column")
TREATMENTS = {"max_grad_norm": "max_grad_norm", "zero_stage": "zero_stage", "precision": "precision"}
"""Options that change the DeepSpeed configuration, by the names of `doctor.repair.treatments`."""
NEITHER = ("dataset", "config", "output", "target", "split", "resume", "watch", "checkpoint_every", "format_")
"""Parameters that are no part of the recipe."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--target", metavar="COLUMN", help="The column to be predicted.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="A DeepSpeed configuration in JSON.")
@click.option("--output", type=click.Path(path_type=Path), metavar="DIR", help="[default: .doctor/train/TIME]")
@click.option("--resume", is_flag=True, help="Go on from the newest checkpoint in --output.")
@click.option("--steps", type=COUNT, metavar="N", help="Updates. [default: 300]")
@click.option("--seed", type=click.IntRange(min=0), metavar="N", help="Decides all that is random. [default: 0]")
@click.option("--task", type=click.Choice(TASKS), help="What is learnt. [default: auto]")
@click.option("--model", type=click.Choice(MODELS), help="[default: auto]")
@click.option("--text", metavar="COLUMN", help="Read the texts of this column, with a transformer.")
@click.option("--tokenizer", metavar="FILE", help="A tokenizer.json; without one bytes are read.")
@click.option("--without", multiple=True, metavar="COLUMN", help="Do not learn from this column.")
@click.option("--split", multiple=True, metavar="NAME=GLOB", help="Files of a split, such as test=held_out/*.csv.")
@click.option("--split-column", metavar="COLUMN", help="The column that names each row's split.")
@click.option("--held-out", type=SHARE, help="Share to evaluate on where the data is not divided. [default: 0.2]")
@click.option("--header", type=click.Choice(("yes", "no")), help="Whether text tables begin with column names.")
@click.option("--delimiter", metavar="CHARACTER", help="What separates the fields of text tables.")
@click.option("--encoding", metavar="NAME", help="The encoding of text files, such as latin-1.")
@click.option("--micro-batch", type=COUNT, metavar="ROWS", help="Rows that a rank sees at once.")
@click.option("--accumulation", type=COUNT, metavar="N", help="Micro-batches that make an update.")
@click.option("--learning-rate", type=AMOUNT, help="[default: 0.001]")
@click.option("--schedule", type=click.Choice(SCHEDULES), help="[default: constant]")
@click.option("--warmup-steps", type=click.IntRange(min=0), metavar="N", help="The rate rises from 0 over these.")
@click.option("--weight-decay", type=AMOUNT)
@click.option("--max-grad-norm", type=AMOUNT, help="Clip the gradient norm at this value.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="The type of the weights.")
@click.option("--zero-stage", type=click.IntRange(0, 3), help="What DeepSpeed shards over the ranks.")
@click.option("--dropout", type=SHARE)
@click.option("--label-smoothing", type=SHARE)
@click.option("--class-weights", is_flag=True, help="Weigh rare classes more.")
@click.option("--oversample", is_flag=True, help="Draw the rows of all classes equally often.")
@click.option("--cutmix", is_flag=True, help="Paste parts of images into others.")
@click.option("--norm", is_flag=True, help="Normalise between the layers of a table's model.")
@click.option("--norm-in-fp32", is_flag=True, help="Normalise in float32 whatever the precision.")
@click.option("--activation-checkpointing", is_flag=True, help="Save memory: compute activations twice.")
@click.option("--width", type=COUNT, metavar="N", help="[default: 64]")
@click.option("--layers", type=COUNT, metavar="N", help="[default: 2]")
@click.option("--heads", type=COUNT, metavar="N", help="Of attention. [default: 4]")
@click.option("--length", type=COUNT, metavar="N", help="Tokens of a text that are read. [default: 128]")
@click.option("--image-size", type=click.IntRange(min=8), metavar="PIXELS", help="[default: 32]")
@click.option("--evaluate-every", type=COUNT, metavar="STEPS", help="Evaluate on the way, too.")
@click.option("--early-stopping", type=COUNT, metavar="N", help="Stop after N evaluations without a better loss.")
@click.option("--checkpoint-every", type=click.IntRange(min=0), metavar="STEPS", default=100, show_default=True)
@click.option("--watch/--no-watch", default=True, help="Record the run and diagnose it.  [default: watch]")
@click.option("--format", "format_", type=click.Choice(("text", "json")), default="text", help="[default: text]")
@click.option("--local_rank", "local_rank", hidden=True, type=int, help="What `deepspeed` adds.")
def command(
    dataset: Path, config: Path | None, output: Path | None, *, resume: bool, format_: str, **given: Any
) -> int:
    """Train the reference DeepSpeed model on DATASET and print how well it does on each split.

    DATASET is a table, a folder of tables, texts, or a folder of images in folders named for their classes. Several
    ranks: torchrun --nproc-per-node N -m doctor train …, or deepspeed --module doctor train …

    Exit status: 0 trained, 2 wrong use or data that cannot be trained on, 3 the training failed.
    """
    given.pop("local_rank")
    if resume and output is None:
        raise UsageError("--resume needs --output DIR, the folder of the training to go on with")
    job = _job(dataset, config, output or _fresh_folder(), {**given, "resume": resume})
    from doctor.trainer.ranks import launched_rank
    from doctor.trainer.run import refuse_inside, refuse_used, run

    refuse_inside(Path(job.output), dataset)
    if not resume and launched_rank() == 0:
        refuse_used(Path(job.output))
    from doctor.cli.training import shown, telling

    with telling(job, quiet=launched_rank() != 0) as observer:
        result = run(job, observer)
    if launched_rank() == 0:
        shown(job, result, format_)
    return _status(result)


def _job(dataset: Path, config: Path | None, output: Path, given: Mapping[str, Any]) -> "Job":
    from doctor.trainer.recipe import Job

    if not dataset.exists():
        raise UsageError(f"{dataset}: there is no such file or folder")
    splits = {}
    for item in given["split"]:
        name, equals, pattern = item.partition("=")
        if not (equals and name and pattern):
            raise UsageError(f"--split {item!r} is not of the form NAME=GLOB")
        splits[name] = pattern
    return Job(
        data=str(dataset),
        target=given["target"],
        splits=splits,
        reading={name: given[name] for name in READING if given[name] is not None},
        recipe=_recipe(config, given),
        output=str(output),
        watched=given["watch"],
        predictions=True,
        tensorboard=True,
        checkpoint_every=given["checkpoint_every"],
        resume=given["resume"],
    )


def _recipe(config: Path | None, given: Mapping[str, Any]) -> "Recipe":
    from doctor.trainer.config import read_config
    from doctor.trainer.recipe import Recipe

    recipe = Recipe(config=read_config(config) if config else {})
    asked = {name: value for name, value in given.items() if value not in (None, False, ())}
    fields = set(Recipe.__struct_fields__)
    recipe = recipe.replaced(**{name: value for name, value in asked.items() if name in fields})
    return recipe.treated({name: asked[name] for name in ("max_grad_norm", "precision", "zero_stage") if name in asked})


def _fresh_folder() -> Path:
    import time

    folder = Path(".doctor", "train", time.strftime("%Y-%m-%d_%H-%M-%S"))
    number, free = 1, folder
    while free.exists():
        number += 1
        free = folder.with_name(f"{folder.name}-{number}")
    return free


def _status(result: "Result") -> int:
    if result.failure is None:
        return EXIT_HEALTHY
    if result.failure.kind in WRONG_USE:
        raise UsageError(result.failure.message)
    click.echo(f"doctor: {result.failure.kind}: {result.failure.message}", err=True)
    return EXIT_INCOMPLETE
