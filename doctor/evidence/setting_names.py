"""What the settings of a training are called by DeepSpeed, by trainers, by launchers and by code."""

from collections.abc import Mapping
from enum import StrEnum

from doctor.subjects.config_kinds import Sort


class Quantity(StrEnum):
    """A setting, whatever it is called where it is written."""

    MICRO_BATCH = "micro-batch"
    ACCUMULATION = "accumulation"
    TRAIN_BATCH = "train batch"
    WORLD_SIZE = "world size"
    PER_NODE = "processes per node"
    NODES = "nodes"
    LEARNING_RATE = "learning rate"
    PEAK_RATE = "peak learning rate of the schedule"
    WARMUP_STEPS = "warm-up steps"
    WARMUP_SHARE = "warm-up share"
    TOTAL_STEPS = "steps of the schedule"
    MAX_STEPS = "steps of the run"
    STEPS_PER_EPOCH = "steps per epoch"
    SCHEDULE_EPOCHS = "epochs of the schedule"
    EPOCHS = "epochs"
    SCHEDULE = "schedule"
    OPTIMIZER = "optimizer"
    WEIGHT_DECAY = "weight decay"
    CLIPPING = "clipping"
    OPTIMIZER_CLIPPING = "clipping by the optimizer"
    FP16 = "fp16"
    BF16 = "bf16"
    AUTOCAST = "autocast"
    AMP = "amp"
    LOSS_SCALE = "loss scale"
    ZERO_STAGE = "ZeRO stage"
    OFFLOAD_OPTIMIZER = "offload of the optimizer"
    OFFLOAD_PARAM = "offload of the parameters"
    COMPILE = "compile"
    CHECKPOINTING = "activation checkpointing"
    SEED = "seed"
    MODEL = "model"
    ADAPTER = "adapter"
    NUM_LABELS = "labels of the head"
    MAX_LENGTH = "length of a text"
    POSITIONS = "positions of the model"
    PAD_TOKEN = "padding token"  # noqa: S105  # no password
    IGNORE_INDEX = "ignored label"
    CLASS_WEIGHTS = "weights of the classes"
    IMAGE_SIZE = "image size"
    EXPERTS = "experts"
    DATA_FILE = "data file"
    CONFIG_FILE = "DeepSpeed configuration"
    ACCELERATE_FILE = "accelerate configuration"


Q = Quantity
DEEPSPEED: Mapping[str, Quantity] = {
    "train_batch_size": Q.TRAIN_BATCH,
    "train_micro_batch_size_per_gpu": Q.MICRO_BATCH,
    "gradient_accumulation_steps": Q.ACCUMULATION,
    "gradient_clipping": Q.CLIPPING,
    "optimizer.type": Q.OPTIMIZER,
    "optimizer.params.lr": Q.LEARNING_RATE,
    "optimizer.params.weight_decay": Q.WEIGHT_DECAY,
    "optimizer.params.max_grad_norm": Q.OPTIMIZER_CLIPPING,
    "scheduler.type": Q.SCHEDULE,
    "scheduler.params.warmup_num_steps": Q.WARMUP_STEPS,
    "scheduler.params.total_num_steps": Q.TOTAL_STEPS,
    "scheduler.params.warmup_max_lr": Q.PEAK_RATE,
    "fp16.enabled": Q.FP16,
    "fp16.loss_scale": Q.LOSS_SCALE,
    "bf16.enabled": Q.BF16,
    "bfloat16.enabled": Q.BF16,
    "amp.enabled": Q.AMP,
    "torch_autocast.enabled": Q.AUTOCAST,
    "zero_optimization.stage": Q.ZERO_STAGE,
    "zero_optimization.offload_optimizer.device": Q.OFFLOAD_OPTIMIZER,
    "zero_optimization.offload_param.device": Q.OFFLOAD_PARAM,
}
TRAINER: Mapping[str, Quantity] = {
    "per_device_train_batch_size": Q.MICRO_BATCH,
    "per_gpu_train_batch_size": Q.MICRO_BATCH,
    "gradient_accumulation_steps": Q.ACCUMULATION,
    "learning_rate": Q.LEARNING_RATE,
    "num_train_epochs": Q.EPOCHS,
    "max_steps": Q.MAX_STEPS,
    "warmup_steps": Q.WARMUP_STEPS,
    "warmup_ratio": Q.WARMUP_SHARE,
    "lr_scheduler_type": Q.SCHEDULE,
    "optim": Q.OPTIMIZER,
    "weight_decay": Q.WEIGHT_DECAY,
    "max_grad_norm": Q.CLIPPING,
    "fp16": Q.FP16,
    "bf16": Q.BF16,
    "torch_compile": Q.COMPILE,
    "gradient_checkpointing": Q.CHECKPOINTING,
    "seed": Q.SEED,
    "model_name_or_path": Q.MODEL,
    "num_labels": Q.NUM_LABELS,
    "max_length": Q.MAX_LENGTH,
    "max_seq_length": Q.MAX_LENGTH,
    "model_max_length": Q.MAX_LENGTH,
    "cutoff_len": Q.MAX_LENGTH,
    "block_size": Q.MAX_LENGTH,
    "finetuning_type": Q.ADAPTER,
    "use_peft": Q.ADAPTER,
    "train_file": Q.DATA_FILE,
    "deepspeed": Q.CONFIG_FILE,
}
AXOLOTL: Mapping[str, Quantity] = {
    "micro_batch_size": Q.MICRO_BATCH,
    "gradient_accumulation_steps": Q.ACCUMULATION,
    "learning_rate": Q.LEARNING_RATE,
    "num_epochs": Q.EPOCHS,
    "max_steps": Q.MAX_STEPS,
    "warmup_steps": Q.WARMUP_STEPS,
    "warmup_ratio": Q.WARMUP_SHARE,
    "lr_scheduler": Q.SCHEDULE,
    "optimizer": Q.OPTIMIZER,
    "weight_decay": Q.WEIGHT_DECAY,
    "max_grad_norm": Q.CLIPPING,
    "gradient_clipping": Q.CLIPPING,
    "fp16": Q.FP16,
    "bf16": Q.BF16,
    "torch_compile": Q.COMPILE,
    "gradient_checkpointing": Q.CHECKPOINTING,
    "seed": Q.SEED,
    "base_model": Q.MODEL,
    "adapter": Q.ADAPTER,
    "num_labels": Q.NUM_LABELS,
    "sequence_len": Q.MAX_LENGTH,
    "deepspeed": Q.CONFIG_FILE,
}
ACCELERATE: Mapping[str, Quantity] = {
    "num_processes": Q.WORLD_SIZE,
    "num_machines": Q.NODES,
    "gradient_accumulation_steps": Q.ACCUMULATION,
    "deepspeed_config.gradient_accumulation_steps": Q.ACCUMULATION,
    "deepspeed_config.gradient_clipping": Q.CLIPPING,
    "deepspeed_config.zero_stage": Q.ZERO_STAGE,
    "deepspeed_config.offload_optimizer_device": Q.OFFLOAD_OPTIMIZER,
    "deepspeed_config.offload_param_device": Q.OFFLOAD_PARAM,
    "deepspeed_config.deepspeed_config_file": Q.CONFIG_FILE,
}
MODEL: Mapping[str, Quantity] = {
    "num_labels": Q.NUM_LABELS,
    "pad_token_id": Q.PAD_TOKEN,
    "image_size": Q.IMAGE_SIZE,
    "max_position_embeddings": Q.POSITIONS,
    "n_positions": Q.POSITIONS,
    "model_type": Q.MODEL,
    "num_local_experts": Q.EXPERTS,
    "num_experts": Q.EXPERTS,
    "n_routed_experts": Q.EXPERTS,
}
NAMES: Mapping[Sort, Mapping[str, Quantity]] = {
    Sort.DEEPSPEED: DEEPSPEED,
    Sort.TRAINER: TRAINER,
    Sort.LLAMA_FACTORY: TRAINER,
    Sort.AXOLOTL: AXOLOTL,
    Sort.ACCELERATE: ACCELERATE,
    Sort.MODEL: MODEL,
}
LAUNCHER_OPTIONS: Mapping[str, Mapping[str, Quantity]] = {
    "deepspeed": {"num_gpus": Q.PER_NODE, "num_accelerators": Q.PER_NODE, "num_nodes": Q.NODES},
    "torchrun": {"nproc_per_node": Q.PER_NODE, "nnodes": Q.NODES},
    "accelerate": {
        "num_processes": Q.WORLD_SIZE,
        "num_machines": Q.NODES,
        "config_file": Q.ACCELERATE_FILE,
        "zero_stage": Q.ZERO_STAGE,
        "gradient_accumulation_steps": Q.ACCUMULATION,
        "gradient_clipping": Q.CLIPPING,
        "offload_optimizer_device": Q.OFFLOAD_OPTIMIZER,
        "offload_param_device": Q.OFFLOAD_PARAM,
        "deepspeed_config_file": Q.CONFIG_FILE,
    },
}
"""Options of the launchers themselves, before the program's name."""
PROGRAM_OPTIONS: Mapping[str, Quantity] = {
    **TRAINER,
    "deepspeed_config": Q.CONFIG_FILE,
    "lr": Q.LEARNING_RATE,
    "epochs": Q.EPOCHS,
    "num_epochs": Q.EPOCHS,
    "num_warmup_steps": Q.WARMUP_STEPS,
    "max_train_steps": Q.MAX_STEPS,
    "grad_accum_steps": Q.ACCUMULATION,
    "grad_accumulation_steps": Q.ACCUMULATION,
}
"""Options of programs, by the names that the examples of transformers, accelerate and DeepSpeed give them."""
MODEL_PARALLEL = (
    "tensor_parallel",
    "tensor_model_parallel_size",
    "model_parallel_size",
    "pipeline",
    "pipeline_parallel_size",
    "pipeline_model_parallel_size",
    "pipe_parallel_size",
    "sequence_parallel_size",
    "context_parallel_size",
    "tensor_parallel_size",
    "expert_parallel",
    "hpz",
    "autotp_size",
)
"""Where one of these is written, not every process has data of its own, so that the world of the batch is smaller."""
