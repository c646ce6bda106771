"""What those readers say that refuse a sick configuration only later: DeepSpeed's engine, and the trainer.

    python bench/config_truths.py

Starts deepspeed.initialize on the patients that its reading of the configuration lets pass, and has transformers fill
in those that it is told otherwise. Nothing is compiled.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "config"
os.environ |= {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29519"}
os.environ |= {"DS_ACCELERATOR": "cpu", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def engine(path: Path, **changes: object) -> None:
    """Make an engine of DeepSpeed from a configuration."""
    import deepspeed
    import deepspeed.ops
    import torch

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    model = torch.nn.Linear(4, 2)
    config = json.loads(path.read_text("utf-8")) | changes
    deepspeed.initialize(config=config, model=model, model_parameters=model.parameters())


def filled(path: Path, **arguments: object) -> None:
    """Have transformers fill in a configuration, as its trainer does."""
    from transformers import TrainingArguments
    from transformers.integrations.deepspeed import HfTrainerDeepSpeedConfig

    told = TrainingArguments(output_dir="unused", use_cpu=True, **arguments)
    config = HfTrainerDeepSpeedConfig(json.loads(path.read_text("utf-8")))
    config.trainer_config_process(told)
    config.trainer_config_finalize(told, None, told.max_steps)


def both_formats() -> None:
    """Ask the trainer for fp16 and bf16."""
    from transformers import TrainingArguments

    TrainingArguments(output_dir="unused", use_cpu=True, fp16=True, bf16=True)


def optimizer(rate: str) -> None:
    """Have the trainer make its optimizer with a rate that is a text."""
    import torch
    from transformers import Trainer, TrainingArguments

    told = TrainingArguments(output_dir="unused", use_cpu=True, learning_rate=rate)  # type: ignore[arg-type]  # as YAML
    Trainer(model=torch.nn.Linear(4, 2), args=told).create_optimizer()


SGD = {"optimizer": {"type": "AdamW", "params": {"lr": 1e-4, "torch_adam": True}}}
CASES: dict[str, Callable[[], None]] = {
    "no-gradient-clipping, misplaced": lambda: engine(FIXTURES / "no_gradient_clipping/sick/ds_misplaced.json"),
    "zero-offload-conflict, nvme-path": lambda: engine(FIXTURES / "zero_offload_conflict/sick/ds_nvme.json", **SGD),
    "batch-arithmetic, trainer": lambda: filled(
        FIXTURES / "batch_arithmetic/sick/ds_trainer.json", per_device_train_batch_size=8, bf16=True
    ),
    "precision-conflict, trainer": lambda: filled(FIXTURES / "precision_conflict/sick/ds_fp16.json", bf16=True),
    "precision-conflict, both": both_formats,
    "schedule-mismatch, trainer": lambda: filled(
        FIXTURES / "schedule_mismatch/sick/ds_trainer.json", max_steps=2000, warmup_steps=500
    ),
    "learning-rate-range, text": lambda: optimizer("2e-5"),
    "healthy, trainer": lambda: filled(
        FIXTURES / "precision_conflict/healthy/ds_auto.json", bf16=True, max_steps=10, per_device_train_batch_size=4
    ),
}


def main() -> None:
    """Print what each reader says."""
    for name, case in CASES.items():
        try:
            case()
            said = "accepted"
        except Exception as error:
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:140]}"
        print(f"{name}: {said}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
