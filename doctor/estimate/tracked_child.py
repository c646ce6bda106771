"""Runs in a process of its own: builds the user's model on fake tensors and follows a forward and a backward pass.

Standard library, torch and transformers only, and read as text by `tracking`, so that nothing of ours is on the user's
import path. The order comes as JSON on standard input; the answer goes to the file descriptor in the first argument.
"""

import importlib
import importlib.util
import inspect
import json
import os
import resource
import sys
import traceback
from pathlib import Path
from typing import Any

MIN_BLOCKS = 2
TOP_MODULES = 5


class WrongUse(Exception):
    """What the user named is not there."""


class Failed(Exception):
    """The model could not be followed."""


def main() -> None:
    """Do what the order asks for."""
    order = json.load(sys.stdin)
    with os.fdopen(int(sys.argv[1]), "w") as answer:
        try:
            said = followed(order)
        except WrongUse as error:
            said = {"wrong_use": str(error)}
        except Failed as error:
            said = {"failed": str(error)}
        answer.write(json.dumps(said))


def followed(order: dict[str, Any]) -> dict[str, Any]:
    """Build the model once for each run, and follow it."""
    if order["kind"] == "factory":
        look_for(order["place"])
    try:
        import torch
        from torch._subclasses.fake_tensor import FakeTensorMode
        from torch.distributed._tools import mem_tracker
    except ImportError as error:
        raise WrongUse(f"torch cannot be imported here: {error}") from error
    torch.manual_seed(0)
    torch.set_default_dtype(getattr(torch, order["dtype"]))
    keep_no_attention_weights(torch)
    if order["device"] == "gpu":
        keep_small_masks(torch)
    limit_memory(order["memory_bytes"])
    build = Factory(order) if order["kind"] == "factory" else Pretrained(order)
    runs: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    missed = 0
    for number, (rows, checkpointed, autocast) in enumerate(order["runs"]):
        try:
            with FakeTensorMode(allow_non_fake_inputs=True):
                model, inputs, loss_of = build(torch, rows)
                facts = facts or described(torch, model, inputs)
                if checkpointed and not recomputing(torch, model):
                    raise WrongUse("the model is no chain of blocks that could be computed again (--checkpointing)")
                runs.append(one_run(torch, mem_tracker.MemTracker, model, inputs, loss_of, autocast))
                runs[-1].update(rows=rows or facts["rows"], checkpointed=checkpointed, autocast=autocast)
        except (WrongUse, Failed):
            if number == 0:
                raise
        except Exception as error:
            if number == 0:
                raise Failed(f"{build.stage}: {shown(error)}") from error
            missed += 1
    return {"facts": facts, "runs": runs, "assumed": order.get("assumed"), "missed": missed}


def look_for(place: str) -> None:
    """See that there is such a module, before anything is imported that takes long."""
    top = place.partition(".")[0]
    if not place.endswith(".py") and importlib.util.find_spec(top) is None:
        raise WrongUse(f"there is no module {top!r}")


def limit_memory(more: int) -> None:
    """Let the user's code have so many bytes beyond what torch has mapped already."""
    with Path("/proc/self/statm").open() as file:
        mapped = int(file.read().split()[0]) * resource.getpagesize()
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more, hard))


def keep_no_attention_weights(torch: Any) -> None:
    """Have attention run as one operation: with dropout a CPU takes it apart, as no GPU does."""
    attend = torch.nn.functional.scaled_dot_product_attention

    def undropped(*args: Any, **kwargs: Any) -> Any:
        if len(args) > 4:
            args = (*args[:4], 0.0, *args[5:])
        elif "dropout_p" in kwargs:
            kwargs["dropout_p"] = 0.0
        return attend(*args, **kwargs)

    torch.nn.functional.scaled_dot_product_attention = undropped


def keep_small_masks(torch: Any) -> None:
    """Have dropout keep a mask of bytes, as on a GPU; a CPU keeps one of numbers."""
    apart = torch.nn.functional.dropout

    def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        if not training or not p or inplace:
            return apart(input, p, training, inplace)
        return torch.native_dropout(input, p, True)[0]

    torch.nn.functional.dropout = dropout


class Factory:
    """The user's own function that builds a model, and may say what goes in and what the loss is."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.stage = "the factory"
        self.function = self.find(order["place"], order["function"])

    def find(self, place: str, name: str) -> Any:
        """Import the module and return what is named in it."""
        try:
            if place.endswith(".py"):
                sys.path.insert(0, str(Path(place).resolve().parent))
                spec = importlib.util.spec_from_file_location(Path(place).stem, place)
                module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]  # the file is there
                sys.modules[spec.name] = module  # type: ignore[union-attr]
                spec.loader.exec_module(module)  # type: ignore[union-attr]
            else:
                module = importlib.import_module(place)
        except ModuleNotFoundError as error:
            own = error.name is not None and (place == error.name or place.startswith(f"{error.name}."))
            if own:
                raise WrongUse(f"there is no module {error.name!r}") from error
            raise Failed(f"importing {place}: {shown(error)}") from error
        except BaseException as error:
            raise Failed(f"importing {place}: {shown(error)}") from error
        found = module
        for part in name.split("."):
            if not hasattr(found, part):
                raise WrongUse(f"{place} has no {name!r}")
            found = getattr(found, part)
        if not callable(found):
            raise WrongUse(f"{name} is no function: {type(found).__name__}")
        return found

    def __call__(self, torch: Any, rows: int | None) -> tuple[Any, Any, Any]:
        """Return a model, what goes in, and what makes a loss of what comes out."""
        self.stage = "the factory"
        known = inspect.signature(self.function).parameters
        needed = [
            one.name
            for one in known.values()
            if one.default is one.empty
            and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
            and one.name != "batch"
        ]
        if needed:
            name = self.order["function"]
            raise WrongUse(f"{name} wants {needed[0]!r}; a factory is called with nothing, or with batch=ROWS")
        sized = "batch" in known and (rows is not None or known["batch"].default is inspect.Parameter.empty)
        try:
            made = self.function(batch=rows or 1) if sized else self.function()
        except SystemExit as error:
            raise Failed(f"the factory left the program: SystemExit {error.code}") from error
        model, inputs, loss_of = (*made, None, None)[:3] if isinstance(made, tuple) else (made, None, None)
        if not isinstance(model, torch.nn.Module):
            raise WrongUse(
                f"{self.order['function']} returned {type(model).__name__}, and no torch.nn.Module"
                " (or a tuple of model, inputs, loss)"
            )
        if self.order["input"]:
            inputs = tensors(torch, self.order["input"], rows or 1)
        elif inputs is None:
            raise WrongUse("what goes into the model is not known: --input SHAPE, or a factory that returns it too")
        elif rows and not sized:
            inputs = with_rows(torch, inputs, rows)
        self.stage = "the forward pass"
        return model.train(), inputs, loss_of or loss_from(torch, self.order)


class Pretrained:
    """A model of transformers, made from its configuration with weights that hold nothing."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.stage = "transformers"
        os.environ["TRANSFORMERS_VERBOSITY"] = "error"
        try:
            import transformers
        except ImportError as error:
            raise WrongUse(f"transformers cannot be imported here: {error}") from error
        kind = order["config"]["model_type"]
        try:
            content = {name: value for name, value in order["config"].items() if name != "model_type"}
            self.config = transformers.AutoConfig.for_model(kind, **content)
        except Exception as error:
            raise WrongUse(f"transformers does not take this configuration: {shown(error)}") from error
        for name in list(vars(self.config)):
            if "drop" in name and "att" in name:
                setattr(self.config, name, 0.0)
        self.config.use_cache = False
        self.kind = self.model_class(transformers)

    def model_class(self, transformers: Any) -> Any:
        """Return the class that the configuration names, else one that has a loss."""
        for name in self.config.architectures or ():
            found = getattr(transformers, name, None)
            if found is not None and hasattr(found, "_from_config") and not name.endswith("Model"):
                return found
        for auto in ("CausalLM", "Seq2SeqLM", "MaskedLM", "ImageClassification"):
            known = getattr(transformers, f"AutoModelFor{auto}")
            if type(self.config) in known._model_mapping:
                return known._model_mapping[type(self.config)]
        raise WrongUse(f"transformers has no model with a loss for model_type {self.config.model_type!r}")

    def __call__(self, torch: Any, rows: int | None) -> tuple[Any, Any, Any]:
        """Return a model, what goes in, and what makes a loss of what comes out."""
        self.stage = "transformers"
        model = self.kind._from_config(self.config, dtype=torch.get_default_dtype())
        count, length = rows or 1, self.order["sequence"]
        self.stage = "the forward pass"
        if model.main_input_name == "pixel_values":
            size = self.config.image_size
            sides = size if isinstance(size, (list, tuple)) else (size, size)
            pixels = torch.zeros(count, self.config.num_channels, *sides)
            return (
                model.train(),
                {"pixel_values": pixels, "labels": integers(torch, count)},
                loss_from(torch, self.order),
            )
        if not length:
            raise WrongUse("how many tokens a row has is not known: --sequence N")
        limit = getattr(self.config, "max_position_embeddings", None)
        if isinstance(limit, int) and 0 < limit < length:
            raise WrongUse(f"--sequence {length} is longer than the model's {limit} positions")
        labels = integers(torch, count) if "ForSequenceClassification" in self.kind.__name__ else None
        ids = integers(torch, count, length)
        return (
            model.train(),
            {"input_ids": ids, "labels": ids if labels is None else labels},
            loss_from(torch, self.order),
        )


def integers(torch: Any, *shape: int) -> Any:
    """Return zeros that may be tokens or classes."""
    return torch.zeros(*shape, dtype=torch.int64)


def tensors(torch: Any, shapes: list[tuple[list[int], str]], rows: int) -> tuple[Any, ...]:
    """Return what `--input` describes."""
    default = str(torch.get_default_dtype()).partition(".")[2]
    return tuple(
        torch.zeros(rows, *shape, dtype=getattr(torch, default if dtype == "float" else dtype))
        for shape, dtype in shapes
    )


def flat(inputs: Any) -> list[Any]:
    """Return all that goes in, in order."""
    if isinstance(inputs, dict):
        return [one for value in inputs.values() for one in flat(value)]
    if isinstance(inputs, (tuple, list)):
        return [one for value in inputs for one in flat(value)]
    return [inputs]


def with_rows(torch: Any, inputs: Any, rows: int) -> Any:
    """Give all tensors whose first dimension is the batch another number of rows."""
    first = next((len(one) for one in flat(inputs) if isinstance(one, torch.Tensor) and one.dim()), 0)

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return type(value)({name: cut(one) for name, one in value.items()})
        if isinstance(value, (tuple, list)):
            return type(value)([cut(one) for one in value])
        if isinstance(value, torch.Tensor) and value.dim() and len(value) == first:
            return value[:1].expand(rows, *value.shape[1:]).clone()
        return value

    return cut(inputs)


def loss_from(torch: Any, order: dict[str, Any]) -> Any:
    """Return what makes a loss of an output: its own one, else cross-entropy over classes, else a mean square.

    What was assumed is written into the order.
    """

    def loss_of(output: Any) -> Any:
        own = output.get("loss") if isinstance(output, dict) else getattr(output, "loss", None)
        if own is not None:
            return own
        parts = list(output.values()) if isinstance(output, dict) else output
        scores = parts[0] if isinstance(parts, (tuple, list)) else getattr(parts, "logits", parts)
        if not isinstance(scores, torch.Tensor):
            raise Failed(f"the model puts out {type(scores).__name__}; let the factory return a loss as its third part")
        if not scores.dim():
            return scores
        if scores.dim() == 1 or scores.shape[-1] == 1:
            order["assumed"] = "the mean square of its output"
            return scores.square().mean()
        order["assumed"] = "cross-entropy of its output"
        classes = scores.flatten(0, -2) if scores.dim() != 4 else scores
        places = (classes.shape[0], *classes.shape[2:])
        return torch.nn.functional.cross_entropy(classes, integers(torch, *places))

    return loss_of


def recomputing(torch: Any, model: Any) -> bool:
    """Have the blocks of a model computed again in the backward pass; return whether it has any."""
    from torch.utils.checkpoint import checkpoint

    if getattr(model, "supports_gradient_checkpointing", False):
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        return True
    chain: list[Any] = []
    for one in model.modules():
        if isinstance(one, (torch.nn.Sequential, torch.nn.ModuleList)):
            chain = max(chain, [part for part in one if next(part.parameters(), None) is not None], key=len)
    if len(chain) < MIN_BLOCKS:
        return False
    for block in chain:
        block.forward = again(checkpoint, block.forward)
    return True


def again(checkpoint: Any, forward: Any) -> Any:
    """Return a forward pass that keeps its input alone."""
    return lambda *args, **kwargs: checkpoint(forward, *args, use_reentrant=False, **kwargs)


def one_run(torch: Any, tracker_class: Any, model: Any, inputs: Any, loss_of: Any, autocast: str) -> dict[str, Any]:
    """Follow one forward and backward pass; say what was in memory at its peak before and after the first gradient."""
    tracker = tracker_class()
    tracker.track_external(model, *(one for one in flat(inputs) if isinstance(one, torch.Tensor)))
    before: list[dict[str, int]] = []

    def begun(_: Any) -> None:
        if not before:
            before.append(categories(tracker.get_tracker_snapshot("peak")))
            tracker._peak_mem.clear()  # has the peak begin anew; there is no public way
            tracker._peak_mem_snap.clear()

    for weight in model.parameters():
        if weight.requires_grad:
            weight.register_post_accumulate_grad_hook(begun)
    with tracker:
        with torch.autocast("cpu", getattr(torch, autocast or "bfloat16"), enabled=bool(autocast)):
            if isinstance(inputs, dict):
                output = model(**inputs)
            elif isinstance(inputs, (tuple, list)):
                output = model(*inputs)
            else:
                output = model(inputs)
            loss = loss_of(output)
        del output
        loss.backward()
    after = categories(tracker.get_tracker_snapshot("peak"))
    return {"before": before[0] if before else after, "after": after}


def categories(peak: dict[Any, dict[Any, int]]) -> dict[str, int]:
    """Add up what MemTracker counts, over its devices."""
    sizes: dict[str, int] = {}
    for snapshot in peak.values():
        for kind, size in snapshot.items():
            name = getattr(kind, "value", kind)
            sizes[name] = sizes.get(name, 0) + size
    return {
        "activations": sizes.get("Activation", 0) + sizes.get("Other", 0),
        "temporary": sizes.get("Temp", 0) + sizes.get("Optstate", 0),
        "gradients": sizes.get("Gradient", 0),
    }


def described(torch: Any, model: Any, inputs: Any) -> dict[str, Any]:
    """Count what does not depend on the batch."""
    weights = {id(one): one for one in model.parameters()}
    trained = [one for one in weights.values() if one.requires_grad]
    if not trained:
        raise WrongUse("no weight of the model is trained: none requires a gradient")
    layers = [sum(one.numel() for one in module.parameters(recurse=False)) for module in model.modules()]
    buffers = {id(one): one for one in model.buffers()}
    parts = [(name, sum(one.numel() for one in part.parameters())) for name, part in model.named_children()]
    parts.sort(key=lambda one: -one[1])
    tensors = [one for one in flat(inputs) if isinstance(one, torch.Tensor) and one.dim()]
    return {
        "parameters": sum(one.numel() for one in weights.values()),
        "trainable": sum(one.numel() for one in trained),
        "parameter_bytes": sum(one.numel() * one.element_size() for one in weights.values()),
        "largest_layer": max(layers, default=0),
        "largest_tensor": max(one.numel() for one in weights.values()),
        "buffers": sum(one.numel() * one.element_size() for one in buffers.values()),
        "rows": len(tensors[0]) if tensors else 1,
        "name": type(model).__name__,
        "by_module": parts[:TOP_MODULES],
    }


def shown(error: BaseException) -> str:
    """Say what was raised and where in the user's code."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename and frame.filename != "<string>"]
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:300]}{place}" if text else f"{type(error).__name__}{place}"


main()
