"""Tells what a configuration file is for, by the keys in it; what is not certainly one is left alone."""

import re
from enum import StrEnum

from doctor.subjects.config_nodes import KeyPath, Node


class Sort(StrEnum):
    """What a configuration is written for."""

    DEEPSPEED = "DeepSpeed"
    TRAINER = "Trainer"
    """Arguments of the trainers of transformers and trl."""
    LLAMA_FACTORY = "LLaMA-Factory"
    AXOLOTL = "axolotl"
    ACCELERATE = "accelerate"
    MODEL = "model"
    """The description of a model by transformers."""
    LAUNCHER = "launcher"
    """A shell script that starts a training."""


BATCH_KEYS = ("train_batch_size", "train_micro_batch_size_per_gpu")
_DEEPSPEED_BLOCKS = (
    "zero_optimization",
    "fp16",
    "bf16",
    "bfloat16",
    "optimizer",
    "scheduler",
    "activation_checkpointing",
)
_DEEPSPEED_WORDS = (
    *BATCH_KEYS,
    "zero_allow_untested_optimizer",
    "zero_force_ds_cpu_optimizer",
    "wall_clock_breakdown",
    "gradient_clipping",
    "steps_per_print",
    "prescale_gradients",
    "gradient_accumulation_steps",
    "communication_data_type",
    "flops_profiler",
    "data_efficiency",
    "torch_autocast",
)
_ZERO_WORDS = (
    "stage",
    "offload_optimizer",
    "offload_param",
    "overlap_comm",
    "contiguous_gradients",
    "reduce_bucket_size",
)
_TRAINER_WORDS = (
    "per_device_train_batch_size",
    "per_device_eval_batch_size",
    "num_train_epochs",
    "lr_scheduler_type",
    "gradient_accumulation_steps",
    "warmup_ratio",
    "warmup_steps",
    "eval_strategy",
    "evaluation_strategy",
    "save_strategy",
    "save_steps",
    "logging_steps",
    "learning_rate",
    "output_dir",
    "max_steps",
    "max_grad_norm",
    "report_to",
    "bf16",
    "fp16",
    "do_train",
    "gradient_checkpointing",
    "weight_decay",
    "optim",
)
_TRAINER_OWN = ("per_device_train_batch_size", "num_train_epochs", "lr_scheduler_type", "per_device_eval_batch_size")
_LLAMA_WORDS = ("finetuning_type", "cutoff_len", "template", "stage", "dataset_dir", "overwrite_cache")
_AXOLOTL_WORDS = (
    "micro_batch_size",
    "sequence_len",
    "datasets",
    "sample_packing",
    "num_epochs",
    "val_set_size",
    "adapter",
    "dataset_prepared_path",
    "flash_attention",
)
_ACCELERATE_WORDS = (
    "compute_environment",
    "distributed_type",
    "num_machines",
    "num_processes",
    "machine_rank",
    "mixed_precision",
    "main_training_function",
    "deepspeed_config",
    "fsdp_config",
    "rdzv_backend",
    "same_network",
)
MARKS = re.compile(
    r"\b(train_batch_size|train_micro_batch_size_per_gpu|zero_optimization|per_device_train_batch_size|num_train_epochs"
    r"|lr_scheduler_type|base_model|finetuning_type|compute_environment|distributed_type|deepspeed|model_type"
    r"|architectures|fp16|bf16)\b"
)
"""A file without one of these is no configuration of a training."""
CERTAIN = re.compile(
    r"[\"']?(train_batch_size|train_micro_batch_size_per_gpu|zero_optimization|per_device_train_batch_size"
    r"|num_train_epochs|lr_scheduler_type|finetuning_type|gradient_accumulation_steps|distributed_type"
    r"|compute_environment)[\"']?\s*:"
)
MIN_CERTAIN = 2
"""So many different ones of them make a file that cannot be read a broken configuration."""
MIN_TRAINER, MIN_ACCELERATE, MIN_AXOLOTL = 3, 3, 2


def sort_of(root: Node) -> tuple[Sort, KeyPath] | None:
    """Return what a file is for and the path at which the configuration stands in it; None where it is none."""
    if root.entries is None:
        return None
    sort = _sort_of_mapping(root)
    return (sort, ()) if sort else None


def _sort_of_mapping(node: Node) -> Sort | None:
    keys = set(node.keys)
    if is_deepspeed(node):
        return Sort.DEEPSPEED
    if "base_model" in keys and len(keys & set(_AXOLOTL_WORDS)) >= MIN_AXOLOTL:
        return Sort.AXOLOTL
    trainer = len(keys & set(_TRAINER_WORDS)) >= MIN_TRAINER and bool(keys & set(_TRAINER_OWN))
    if "log_history" in keys or (_text(node, "model_type") and _list(node, "architectures")):
        trainer = False  # the state of a run, the description of a model
    if trainer:
        return Sort.LLAMA_FACTORY if len(keys & set(_LLAMA_WORDS)) >= MIN_AXOLOTL else Sort.TRAINER
    if len(keys & set(_ACCELERATE_WORDS)) >= MIN_ACCELERATE and keys & {"distributed_type", "compute_environment"}:
        return Sort.ACCELERATE
    if _text(node, "model_type") and (_list(node, "architectures") or keys & {"hidden_size", "d_model", "n_embd"}):
        return Sort.MODEL
    return None


def is_deepspeed(node: Node) -> bool:
    """Whether a mapping is a configuration of DeepSpeed: its own words, in their own shapes."""
    keys = set(node.keys)
    if keys & set(_TRAINER_OWN) or "base_model" in keys or "deepspeed_config" in keys:
        return False
    zero = node.child("zero_optimization")
    if zero is not None and zero.entries is not None and (not zero.entries or set(zero.keys) & set(_ZERO_WORDS)):
        return True
    words = keys & set(_DEEPSPEED_WORDS)
    blocks = [name for name in _DEEPSPEED_BLOCKS if (child := node.child(name)) and child.entries is not None]
    if "train_micro_batch_size_per_gpu" in keys:
        return True
    if "train_batch_size" in keys and (len(words) > 1 or blocks):
        return True
    enabled = [name for name in ("fp16", "bf16", "bfloat16") if (child := node.child(name)) and child.child("enabled")]
    return bool(enabled) and (len(words) + len(blocks) >= MIN_CERTAIN)


def _text(node: Node, key: str) -> bool:
    child = node.child(key)
    return child is not None and isinstance(child.value, str)


def _list(node: Node, key: str) -> bool:
    child = node.child(key)
    return child is not None and child.items is not None
