"""What the trainings that are written down here will take of a device's memory, by closed formulas."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from doctor.errors import NotApplicable, Unavailable, UsageError
from doctor.estimate.changes import Change, cheapest, room_of
from doctor.estimate.deepspeed import from_deepspeed
from doctor.estimate.peak import Counted, Peak, predicted
from doctor.estimate.shapes import ModelShape, shape_from
from doctor.estimate.training import Training, optimizer_named
from doctor.model import DeviceMemory
from doctor.subjects.config import ConfigFile, Configs
from doctor.subjects.config_kinds import Sort

MANY_RANKS = 4096
"""Of an unknown number of ranks, more than which nobody has."""
PLAIN_BYTES = 16
"""Bytes for each weight that is trained plainly with Adam, whether all in 32 bits or with master weights."""
_ADAPTERS = ("use_peft", "lora_r", "lora_alpha", "lora_rank", "peft_type", "adapter")
_QUANTIZED = ("load_in_4bit", "load_in_8bit", "quantization_config")
_KERNELS = ("use_liger_kernel", "liger_kernel_config", "fsdp", "fsdp_config", "tensor_parallel", "torchtitan")
_LENGTHS = ("max_length", "max_seq_length", "model_max_length", "cutoff_len", "block_size")
Unknown = Mapping[str, Sequence[Any]]


class Written(Struct, frozen=True, kw_only=True):
    """A training as far as it is written down: what is known, and between what the rest may lie.

    Attributes
    ----------
    known : mapping
        Fields of `Training`.
    open : mapping of str to sequence
        Fields that are not known, with the least and the most that they may be; the most is None where nothing bounds
        it.
    """

    path: str
    line: int
    known: Mapping[str, Any]
    open: Unknown


class Need(Struct, frozen=True, kw_only=True):
    """What one training takes.

    Attributes
    ----------
    states : int
        Bytes of weights, gradients and optimizer state alone, at the least.
    least, most : Peak and Peak or None
        By what is not known; None where nothing bounds it.
    eased : bool
        Whether the training is set up to spare memory: sharded weights, offload, or states in 8 bits.
    changes : tuple of Change
        With which it fits even at the most, where it does not; none where nothing bounds what it takes.
    training : Training
        What the changes are made to.
    """

    path: str
    line: int
    model: str
    parameters: int
    states: int
    least: Peak
    most: Peak | None
    unknown: tuple[str, ...]
    eased: bool
    changes: tuple[Change, ...]
    training: Training


class MemoryNeeds(Struct, frozen=True, kw_only=True):
    """What all of them take.

    Attributes
    ----------
    usable : int
        Bytes of the device that tensors can have.
    untold : tuple of str
        Why there is no verdict on the others.
    """

    device: int
    usable: int
    needs: tuple[Need, ...]
    untold: tuple[str, ...]

    @classmethod
    def measure(cls, configs: Configs | None, device: DeviceMemory | None) -> "MemoryNeeds":
        """Join each training with the model that it trains.

        Raises
        ------
        NotApplicable
            When there is no training here, or no model beside it.
        Unavailable
            When the device is not known.
        """
        pairs = list(_pairs([_Read(file) for file in configs.files])) if configs else []
        if not pairs:
            raise NotApplicable("no config.json of a model lies beside the configuration of a training")
        if device is None:
            raise Unavailable(
                "the memory of the device is not known (--device-memory SIZE, or device-memory in settings)"
            )
        needs, untold = [], []
        for model, parts in pairs:
            why = _why_not(parts)
            shape = shape_from(model.content)
            if why or isinstance(shape, str):
                untold.append(f"{parts[0].shown}: {why or shape}")
                continue
            needs.append(need_of(shape, written_in(parts, model.content), device.bytes, model.shown))
        usable = room_of(device.bytes, Training())
        return cls(device=device.bytes, usable=usable, needs=tuple(needs), untold=tuple(untold))


def need_of(shape: ModelShape, written: Written, device: int, model: str) -> Need:
    """Predict what a training takes at the least and at the most."""
    counted = Counted(shape=shape)
    bounded = all(most is not None for _, *_, most in written.open.values())
    peaks = []
    for values in itertools.product(*(dict.fromkeys(one) for one in written.open.values())):
        given = dict(zip(written.open, values, strict=True))
        if None not in values:
            training = Training(**{**written.known, **given})
            peak = predicted(counted, training)
            assert peak is not None  # noqa: S101  # closed formulas know every training
            peaks.append((peak.total, training, peak))
    total, training, least = min(peaks, key=lambda one: one[0])
    largest = max(peaks, key=lambda one: one[0])
    usable = room_of(device, training)
    return Need(
        path=written.path,
        line=written.line,
        model=model,
        parameters=shape.parameters,
        states=min(one.parameters + one.gradients + one.optimizer for _, one in _steps(counted, peaks)),
        least=least,
        most=largest[2] if bounded else None,
        unknown=tuple(written.open),
        eased=(training.zero_stage == 3 and training.ranks > 1)
        or training.offload != "none"
        or training.optimizer == "adamw-8bit",
        changes=tuple(cheapest(counted, largest[1], device)) if bounded and total > usable else (),
        training=largest[1] if bounded else training,
    )


def _steps(counted: Counted, peaks: Sequence[tuple[int, Training, Peak]]) -> Iterator[tuple[Training, Peak]]:
    """Yield the peaks of trainings whose passes take nothing, which are those of states alone."""
    for _, training, _ in peaks:
        alone = predicted(counted, training.replaced(micro_batch=1, sequence=1, accumulation=2))
        if alone is not None:
            yield training, alone


class _Read:
    """A configuration as Python would hold it."""

    def __init__(self, file: ConfigFile) -> None:
        self.path, self.shown, self.sort, self._root = file.path, file.shown, file.sort, file.root
        content = file.root.plain()
        self.content: dict[str, Any] = content if isinstance(content, dict) else {}

    def line_of(self, *keys: str) -> int:
        """Return the line of the first of these keys that is there, else 1."""
        entries = (self._root.entry(key) for key in keys)
        return next((entry.line for entry in entries if entry), 1)


def _pairs(files: Sequence[_Read]) -> Iterator[tuple[_Read, list[_Read]]]:
    """Yield each training's files with the model that it trains, where that is plain."""
    models = [one for one in files if one.sort is Sort.MODEL]
    engines = [one for one in files if one.sort is Sort.DEEPSPEED]
    claimed: set[str] = set()
    trainings = []
    for trainer in [one for one in files if one.sort in (Sort.TRAINER, Sort.LLAMA_FACTORY)]:
        named = trainer.content.get("deepspeed")
        beside = [one for one in engines if isinstance(named, str) and one.path.name == Path(named).name]
        claimed |= {one.shown for one in beside}
        trainings.append([trainer, *beside[:1]])
    trainings += [[one] for one in engines if one.shown not in claimed]
    for parts in trainings:
        named = parts[0].content.get("model_name_or_path")
        folder = parts[0].path.parent
        near = [one for one in models if isinstance(named, str) and one.path.parent.name == Path(named).name]
        near = near or [one for one in models if one.path.parent == folder] or models
        if len(near) == 1:
            yield near[0], parts


def _why_not(parts: Sequence[_Read]) -> str:
    """Say why the formulas do not speak of a training; nothing where they do."""
    keys = {key: value for part in parts for key, value in part.content.items()}
    if any(keys.get(name) for name in _ADAPTERS) or keys.get("finetuning_type") in ("lora", "qlora", "freeze"):
        return "adapters or a part of the weights are trained, and how many is not known"
    if any(keys.get(name) for name in (*_QUANTIZED, *_KERNELS)):
        named = next(name for name in (*_QUANTIZED, *_KERNELS) if keys.get(name))
        return f"{named} changes what is kept in memory"
    return ""


def written_in(parts: Sequence[_Read], model: Mapping[str, Any]) -> Written:
    """Read a training from a trainer's arguments and a DeepSpeed configuration, or from one of them."""
    deepspeed = next((part.content for part in parts if part.sort is Sort.DEEPSPEED), None)
    trainer = next((part.content for part in parts if part.sort is not Sort.DEEPSPEED), None)
    known: dict[str, Any] = from_deepspeed(deepspeed) if deepspeed is not None else {}
    if deepspeed is not None and "optimizer" not in deepspeed and trainer is None:
        known.pop("optimizer", None)
    if trainer is not None:
        known = {**_from_trainer(trainer, model, sharded=deepspeed is not None), **known}
    if deepspeed is not None and isinstance(deepspeed.get("optimizer"), dict) and "optimizer" not in known:
        known["optimizer"] = None  # one that is not known
    leader = parts[0]
    line = leader.line_of("train_micro_batch_size_per_gpu", "per_device_train_batch_size", "zero_optimization")
    open_ = dict(_open(known, model, sharded=deepspeed is not None))
    known = {name: value for name, value in known.items() if value is not None and name not in open_}
    return Written(path=leader.shown, line=line, known=known, open=open_)


def _from_trainer(content: Mapping[str, Any], model: Mapping[str, Any], *, sharded: bool) -> dict[str, Any]:
    """Read arguments of transformers' Trainer, whose defaults are known."""
    found: dict[str, Any] = {
        "micro_batch": _whole(content.get("per_device_train_batch_size", 8)),
        "accumulation": _whole(content.get("gradient_accumulation_steps", 1)),
        "checkpointing": bool(content.get("gradient_checkpointing", False)),
        "sequence": next((_whole(content[name]) for name in _LENGTHS if name in content), None),
    }
    try:
        found["optimizer"] = optimizer_named(str(content.get("optim", "adamw_torch_fused")))
    except UsageError:
        found["optimizer"] = None
    half = content.get("bf16") is True or content.get("fp16") is True
    if sharded:
        found["precision"] = "bf16" if half else "fp32"
    elif str(model.get("dtype") or model.get("torch_dtype")) in ("bfloat16", "float16"):
        found["precision"] = None  # the weights are loaded in 16 bits, or in 32, as the program says
    else:
        found["precision"] = "autocast" if half else "fp32"
    return found


def _whole(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _open(known: Mapping[str, Any], model: Mapping[str, Any], *, sharded: bool) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield the fields that are not known, with what they may be."""
    if known.get("sequence") is None:
        context = model.get("max_position_embeddings") or model.get("n_positions")
        yield "sequence", (1, _whole(context))
    if known.get("micro_batch") is None:
        yield "micro_batch", (1, None)
    if known.get("ranks") is None and known.get("zero_stage"):
        yield "ranks", (1, MANY_RANKS)
    if known.get("precision") is None:
        yield "precision", ("bf16", "fp32") if sharded else ("bf16-only", "autocast")
    if known.get("optimizer") is None:
        yield "optimizer", ("sgd", "adamw")
    if known.get("checkpointing") is None:
        yield "checkpointing", (True, False)
