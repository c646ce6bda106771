"""Options that several verbs share: how data is read and how it is measured."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

Decorated = TypeVar("Decorated", bound=Callable[..., Any])

_READING = (
    click.option("--target", metavar="COLUMN", help="The column to be predicted."),
    click.option("--time", metavar="COLUMN", help="The column that says when a row happened."),
    click.option(
        "--group", multiple=True, metavar="COLUMN", help="A column whose groups must not be torn apart by a split."
    ),
    click.option(
        "--annotators",
        metavar="A,B,…",
        help="Columns with one annotator's labels each, or the one that names the annotator.",
    ),
    click.option("--item", metavar="COLUMN", help="The annotated item, where each row is one annotation."),
    click.option("--scale", metavar="NAME", help="Scale of the annotations: nominal, ordinal, interval or ratio."),
    click.option("--predictions", metavar="COLUMN", help="The column with a model's probabilities."),
    click.option(
        "--range", multiple=True, metavar="COLUMN=LOW..HIGH", help="The range of a column's values, such as age=0..120."
    ),
    click.option("--pattern", multiple=True, metavar="COLUMN=REGEX", help="What every value of a column matches."),
    click.option(
        "--available-at",
        multiple=True,
        metavar="COLUMN=before|after",
        help="Whether a column is known before or only after what is predicted.",
    ),
    click.option("--split", multiple=True, metavar="NAME=GLOB", help="Files of a split, such as test=held_out/*.csv."),
    click.option("--split-column", metavar="COLUMN", help="The column that names each row's split."),
    click.option(
        "--image-labels",
        metavar="folders|none|COLUMN",
        help="What tells the classes of images: their folders, nothing, or a column of the table that names them.",
    ),
    click.option("--header", type=click.Choice(("yes", "no")), help="Whether text tables begin with column names."),
    click.option(
        "--delimiter", metavar="CHARACTER", help="What separates the fields of text tables; tab is a word too."
    ),
    click.option("--encoding", metavar="NAME", help="The encoding of text files, such as latin-1."),
)
_ASKING = (
    click.option(
        "--uri", metavar="ADDRESS", help="A database, such as postgresql://USER@HOST:PORT/NAME or sqlite:///PATH."
    ),
    click.option("--query", metavar="SQL", help="Look at the answer to this query of a database."),
    click.option("--table", multiple=True, metavar="NAME", help="Look at this table of a database. [default: all]"),
)
_CHOOSING = (
    click.option(
        "--against", metavar="OLD", type=click.Path(), help="An older version of the data, with which it is compared."
    ),
    click.option(
        "--benchmark",
        multiple=True,
        metavar="PATH",
        type=click.Path(),
        help="A benchmark's texts or images, which must not stand in what is trained on.",
    ),
    click.option(
        "--device-memory",
        metavar="SIZE",
        help="Memory of the device that is trained on, such as 24GB, for the checks of it.",
    ),
    click.option(
        "--embeddings",
        metavar="PATH",
        type=click.Path(),
        help="Vectors of the images (.npy, .npz, .parquet; one row per image by sorted name), or a local model that "
        "makes them (a folder of transformers or timm, weights of torchvision), to judge their classes.",
    ),
    click.option("--max-length", type=int, metavar="TOKENS", help="The length at which the training cuts texts."),
    click.option(
        "--tokenizer", metavar="PATH", type=click.Path(), help="A tokenizer.json, or a model's folder, to count tokens."
    ),
    click.option("--select", multiple=True, metavar="CHECK", help="Run only these checks (id, family or name)."),
    click.option("--ignore", multiple=True, metavar="CHECK", help="Do not run these checks."),
)
_ACCEPTING = (
    click.option(
        "--baseline",
        metavar="FILE",
        type=click.Path(),
        help="Findings that doctor baseline accepted. [default: the nearest doctor-baseline.toml]",
    ),
    click.option("--no-baseline", is_flag=True, help="Count accepted findings like all others."),
)
_MEASURING = (
    click.option("--set", "set_", multiple=True, metavar="CHECK.THRESHOLD=VALUE", help="Change a threshold."),
    click.option(
        "--budget",
        type=click.FloatRange(min=0),
        metavar="SECONDS",
        help="Skip the dearest measures once this is spent.",
    ),
    click.option(
        "--engine",
        metavar="ENGINE",
        help="duckdb, spark (on this machine) or spark://HOST:PORT (a cluster). [default: duckdb]",
    ),
    click.option("--memory-limit", metavar="SIZE", help="Memory for the table engine, such as 1GB."),
    click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads for the table engine."),
    click.option(
        "--sample-seed", type=int, metavar="N", help="Seed of the rows drawn for fitted measures. [default: 0]"
    ),
    click.option("--sample-rows", type=int, metavar="N", help="Rows drawn for fitted measures. [default: 50000]"),
)


def reading(command: Decorated) -> Decorated:
    """Add the options that say what the columns are and how files are read."""
    return _with(command, _READING)


def asking(command: Decorated) -> Decorated:
    """Add the options that say what is looked at in a database."""
    return _with(command, _ASKING)


def choosing(command: Decorated) -> Decorated:
    """Add the options that say which checks are run, and with what the data is compared."""
    return _with(command, _CHOOSING)


def accepting(command: Decorated) -> Decorated:
    """Add the options that say which findings were accepted before."""
    return _with(command, _ACCEPTING)


def measuring(command: Decorated) -> Decorated:
    """Add the options that say how thoroughly data is measured and judged."""
    return _with(command, _MEASURING)


def _with(command: Decorated, options: tuple[Callable[[Decorated], Decorated], ...]) -> Decorated:
    for option in reversed(options):
        command = option(command)
    return command


def as_settings(given: dict[str, Any]) -> dict[str, Any]:
    """Bring the options of the command line to the names and types of `doctor.settings.Settings`."""
    given = {**given, "set": given.get("set_") or ()}
    given.pop("set_", None)
    if given.pop("no_baseline", False):
        given["baseline"] = False
    given["annotators"] = tuple(filter(None, (given.get("annotators") or "").split(",")))
    return given
