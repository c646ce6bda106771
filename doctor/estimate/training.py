"""How a model is trained, as far as memory depends on it."""

import re

from msgspec import Struct, structs

from doctor.errors import UsageError

PRECISIONS = {
    "fp32": "32-bit floats",
    "autocast": "32-bit weights, operations in 16 bits (torch.autocast, bf16 or fp16 of transformers' Trainer)",
    "bf16": "16-bit weights with 32-bit master weights (DeepSpeed, Megatron)",
    "fp16": "16-bit weights with 32-bit master weights (DeepSpeed, Megatron)",
    "bf16-only": "weights, gradients and optimizer state in 16 bits",
}
OPTIMIZERS = {
    "adamw": "AdamW as torch runs it by default",
    "adamw-fused": "AdamW(fused=True)",
    "adamw-8bit": "AdamW with 8-bit states (bitsandbytes)",
    "sgd": "SGD without momentum",
    "momentum": "SGD with momentum",
    "rmsprop": "RMSprop",
    "adagrad": "Adagrad",
    "lion": "Lion",
    "adafactor": "Adafactor without a first moment",
}
_ALIASES = {
    "adam": "adamw",
    "adamwtorch": "adamw",
    "fusedadam": "adamw-fused",
    "fusedadamw": "adamw-fused",
    "adamwtorchfused": "adamw-fused",
    "deepspeedcpuadam": "adamw-fused",
    "adam8bit": "adamw-8bit",
    "adamw8bit": "adamw-8bit",
    "adamwbnb8bit": "adamw-8bit",
    "pagedadamw8bit": "adamw-8bit",
    "sgdmomentum": "momentum",
}
OFFLOADS = ("none", "optimizer", "optimizer+parameters")
DEFAULT_BUCKET = 500_000_000
"""DeepSpeed's reduce_bucket_size, in elements."""
DEFAULT_LIVE = 1_000_000_000
"""DeepSpeed's stage3_max_live_parameters, in elements."""
DEFAULT_SUB_GROUP = 1_000_000_000
"""DeepSpeed's sub_group_size, in elements."""


class Training(Struct, frozen=True, kw_only=True):
    """How a model is trained.

    Attributes
    ----------
    micro_batch : int
        Rows that a rank sees at once.
    sequence : int or None
        Tokens of a row, where the rows are texts.
    zero_stage : int or None
        None trains without DeepSpeed.
    offload : str
        One of `OFFLOADS`.
    device : str
        "gpu" or "cpu": torch runs some optimizers otherwise there.
    bucket, live, sub_group : int
        DeepSpeed's buffers, and the weights that stage 3 keeps gathered, in elements.
    overlap : bool or None
        DeepSpeed's overlap_comm; None is what the stage brings.
    """

    micro_batch: int = 1
    sequence: int | None = None
    accumulation: int = 1
    ranks: int = 1
    precision: str = "fp32"
    optimizer: str = "adamw"
    zero_stage: int | None = None
    offload: str = "none"
    checkpointing: bool = False
    device: str = "gpu"
    bucket: int = DEFAULT_BUCKET
    live: int = DEFAULT_LIVE
    sub_group: int = DEFAULT_SUB_GROUP
    overlap: bool | None = None

    def replaced(self, **changes: object) -> "Training":
        """Return a copy with some fields changed."""
        return structs.replace(self, **changes)

    @property
    def mixed(self) -> bool:
        """Whether 16-bit weights have 32-bit master weights."""
        return self.precision in ("bf16", "fp16")

    @property
    def weight_bytes(self) -> int:
        """Bytes of a weight that is computed with."""
        return 4 if self.precision in ("fp32", "autocast") else 2

    @property
    def activation_bytes(self) -> int:
        """Bytes of a number that a layer puts out."""
        return 4 if self.precision == "fp32" else 2


def checked(training: Training) -> Training:
    """Return a training that DeepSpeed would accept.

    Raises
    ------
    UsageError
        For what does not go together.
    """
    stage = -1 if training.zero_stage is None else training.zero_stage
    if training.offload != "none" and stage < 1:
        raise UsageError("offload needs ZeRO: DeepSpeed moves optimizer state to the host at stages 1 to 3")
    if training.offload == "optimizer+parameters" and stage != 3:
        raise UsageError("parameters are offloaded at ZeRO stage 3 only")
    if training.offload != "none" and training.optimizer == "adamw-8bit":
        raise UsageError("offload and adamw-8bit do not go together: 8-bit states are updated on the device")
    if training.precision == "bf16-only" and stage >= 0:
        raise UsageError("bf16-only is training without DeepSpeed, which keeps 32-bit master weights")
    return training


def optimizer_named(name: str) -> str:
    """Return the optimizer that is meant by a name of torch, transformers or DeepSpeed.

    Raises
    ------
    UsageError
        When it is none that is known.
    """
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    known = {re.sub(r"[^a-z0-9]", "", one): one for one in OPTIMIZERS} | _ALIASES
    if plain not in known:
        raise UsageError(f"optimizer {name!r} is none of {', '.join(OPTIMIZERS)}")
    return known[plain]
