"""`doctor estimate`: foretell the memory that a training takes, and what to change so that it fits."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from doctor.cli import EXIT_FOUND, EXIT_HEALTHY
from doctor.cli.writing import OutputFile, write_report
from doctor.errors import UsageError

if TYPE_CHECKING:
    from doctor.estimate.peak import Counted
    from doctor.estimate.tracking import Tracked
    from doctor.estimate.training import Training

COUNT = click.IntRange(min=1, max=10**9)
SHAPE = ("hidden", "layers", "heads", "vocabulary", "intermediate", "kv_heads", "gated", "untied")
PRECISIONS = ("fp32", "autocast", "bf16", "fp16", "bf16-only")
OFFLOADS = ("none", "optimizer", "optimizer+parameters")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("model", required=False, metavar="[MODULE:FACTORY|FILE.py:FACTORY|CONFIG.json]")
@click.option(
    "--batch", type=COUNT, metavar="ROWS", help="Rows that a rank sees at once. [default: the factory's, else 1]"
)
@click.option("--sequence", type=COUNT, metavar="TOKENS", help="Tokens of a row.")
@click.option("--input", "inputs", multiple=True, metavar="SHAPE[:dtype]", help="One row of what goes in: 3x224x224.")
@click.option("--hidden", type=COUNT, metavar="N", help="Width of a transformer, where no MODEL is named.")
@click.option("--layers", type=COUNT, metavar="N", help="Its layers.")
@click.option("--heads", type=COUNT, metavar="N", help="Its heads of attention.")
@click.option("--kv-heads", type=COUNT, metavar="N", help="Its heads of keys and values. [default: all]")
@click.option("--intermediate", type=COUNT, metavar="N", help="Width inside a layer. [default: 4 × hidden]")
@click.option("--vocabulary", type=COUNT, metavar="N", help="Its words.")
@click.option("--gated", is_flag=True, help="Three matrices in a layer's second half, as in Llama.")
@click.option("--untied", is_flag=True, help="Its output layer has weights of its own.")
@click.option("--precision", type=click.Choice(PRECISIONS), help="[default: fp32]")
@click.option("--optimizer", metavar="NAME", help="By torch's, transformers' or DeepSpeed's name. [default: adamw]")
@click.option("--accumulation", type=COUNT, metavar="N", help="Micro-batches in an update. [default: 1]")
@click.option("--ranks", type=COUNT, metavar="N", help="Devices that train together. [default: 1]")
@click.option("--zero-stage", type=click.IntRange(0, 3), help="Train with DeepSpeed at this stage of ZeRO.")
@click.option("--offload", type=click.Choice(OFFLOADS), help="What ZeRO keeps in the host's memory. [default: none]")
@click.option("--checkpointing", is_flag=True, help="Compute the activations of each block again.")
@click.option("--config", type=click.Path(path_type=Path), metavar="FILE", help="A DeepSpeed configuration in JSON.")
@click.option("--device", type=click.Choice(("gpu", "cpu")), default="gpu", help="[default: gpu]")
@click.option("--device-memory", metavar="SIZE", help="Such as 24GB. [default: that of the GPU that is here]")
@click.option("--closed", is_flag=True, help="Of a CONFIG.json: by closed formulas, even where transformers is there.")
@click.option("--timeout", type=click.FloatRange(min=1), metavar="SECONDS", help="For building MODEL. [default: 300]")
@click.option("--memory-limit", metavar="SIZE", help="For building MODEL. [default: 8GB]")
@click.option("--format", "format_", type=click.Choice(("text", "json")), help="[default: text]")
@click.option("--output", type=OutputFile(), help="Write here instead of standard output.")
def command(model: str | None, output: Path | None, format_: str | None, **given: Any) -> int:
    """Foretell the memory that a training takes on one device, by what takes it.

    MODULE:FACTORY is a function of yours that returns a torch module; or module and inputs; or module, inputs, and a
    function that makes a loss of its output. A parameter batch of it gets the rows. It runs, in a process of its own
    with a limit of time and memory, on tensors that have a shape and no storage. A CONFIG.json of Hugging Face is built
    by transformers. Without either, --hidden, --layers and --heads describe a transformer, and closed formulas answer.

    Exit status: 0 it fits or the device is not known, 1 it does not fit, 2 wrong use, 3 the model cannot be built.
    """
    from doctor.estimate.estimate import estimated
    from doctor.sizes import bytes_of

    wished = given["device_memory"]
    memory, device = (bytes_of(wished), "a device") if wished is not None else _found(given["device"])
    if wished is not None and not memory:
        raise UsageError("--device-memory: a device has some memory")
    training = _training(given)
    notes: list[str] = []
    subject, training = _subject(model, training, {**given, "changes": memory is not None}, notes)
    estimate = estimated(subject, training, memory, device, notes)
    if format_ == "json" or (format_ is None and output is not None and output.suffix.lower() == ".json"):
        import msgspec

        text = msgspec.json.format(msgspec.json.encode(estimate), indent=2).decode() + "\n"
    else:
        from doctor.estimate.telling import as_text

        text = as_text(estimate)
    write_report(text, output)
    return EXIT_FOUND if estimate.fits is False else EXIT_HEALTHY


def _found(device: str) -> tuple[int | None, str]:
    if device == "cpu":
        return None, ""
    from doctor.estimate.devices import smallest_gpu

    found = smallest_gpu()
    return (found.memory, found.name) if found else (None, "")


def _training(given: dict[str, Any]) -> "Training":
    from doctor.estimate.deepspeed import from_deepspeed, read_deepspeed
    from doctor.estimate.training import Training, checked, optimizer_named

    fields = from_deepspeed(read_deepspeed(given["config"])) if given["config"] else {}
    names = {"micro_batch": "batch"}
    for name in ("micro_batch", "sequence", "precision", "optimizer", "accumulation", "ranks", "zero_stage", "offload"):
        value = given[names.get(name, name)]
        if value is not None:
            fields[name] = optimizer_named(value) if name == "optimizer" else value
    return checked(Training(**fields, checkpointing=given["checkpointing"], device=given["device"]))


def _subject(
    model: str | None, training: "Training", given: dict[str, Any], notes: list[str]
) -> tuple["Counted | Tracked", "Training"]:
    """Return the model, and the training with the rows that the model brought."""
    described = [name for name in SHAPE if given.get(name)]
    if model is None:
        return _by_numbers(given, training), training
    if described:
        raise UsageError(f"--{described[0].replace('_', '-')} describes a model, and {model} is one already")
    if model.endswith(".json"):
        return _by_config(Path(model), training, given, notes), training
    from doctor.estimate.tracking import Factory, inputs_of

    shapes = inputs_of(given["inputs"])
    if not shapes and training.sequence:
        shapes = [([training.sequence], "int64")]
    rows = training.micro_batch if given["batch"] or given["config"] or shapes else None
    tracked = _track(Factory.named(model), training, given, name=model, rows=rows, inputs=shapes)
    return tracked, training.replaced(micro_batch=tracked.rows)


def _by_numbers(given: dict[str, Any], training: "Training") -> "Counted":
    from doctor.estimate.peak import Counted
    from doctor.estimate.shapes import shape_of

    missing = [name for name in ("hidden", "layers", "heads") if not given[name]]
    if missing:
        raise UsageError(f"name a model, or describe one: --{missing[0]} is missing (--hidden, --layers, --heads)")
    if not training.sequence:
        raise UsageError("how many tokens a row has is not known: --sequence N")
    hidden, heads = given["hidden"], given["heads"]
    if hidden % heads or (given["kv_heads"] and heads % given["kv_heads"]):
        raise UsageError("--hidden is a multiple of --heads, and --heads one of --kv-heads")
    return Counted(
        shape=shape_of(
            hidden,
            given["layers"],
            heads,
            vocabulary=given["vocabulary"],
            intermediate=given["intermediate"],
            kv_width=hidden // heads * given["kv_heads"] if given["kv_heads"] else None,
            gated=given["gated"],
            tied=not given["untied"],
            logits=bool(given["vocabulary"]),
        )
    )


def _by_config(path: Path, training: "Training", given: dict[str, Any], notes: list[str]) -> "Counted | Tracked":
    from importlib.util import find_spec

    from doctor.errors import CannotOpen
    from doctor.estimate.peak import Counted
    from doctor.estimate.shapes import read_config, shape_from

    try:
        config = read_config(path)
    except CannotOpen as error:
        raise UsageError(str(error)) from error
    absent = [name for name in ("torch", "transformers") if find_spec(name) is None]
    if not given["closed"] and not absent:
        return _track(config, training, given, name=str(path), rows=training.micro_batch)
    shape = shape_from(config)
    if isinstance(shape, str):
        raise UsageError(f"{path}: {shape}" + (f", and {absent[0]} is not installed" if absent else ""))
    if not training.sequence:
        raise UsageError("how many tokens a row has is not known: --sequence N")
    if absent:
        notes.append(f"{absent[0]} is not installed, so closed formulas were taken")
    return Counted(shape=shape)


def _track(what: Any, training: "Training", given: dict[str, Any], **named: Any) -> "Tracked":
    from importlib.util import find_spec

    from doctor.estimate.tracking import DEFAULT_MEMORY, DEFAULT_SECONDS, track
    from doctor.sizes import bytes_of

    if find_spec("torch") is None:
        raise UsageError("a model is built with torch, which is not installed: pip install 'training-doctor[trainer]'")
    limit = bytes_of(given["memory_limit"]) if given["memory_limit"] else DEFAULT_MEMORY
    seconds = given["timeout"] or DEFAULT_SECONDS
    return track(what, training, seconds=seconds, memory=limit, changes=given["changes"], **named)
