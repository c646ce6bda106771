"""Trains with DeepSpeed on the CPU, and says of every step what a watcher should have recorded."""

import json
import os
import sys

import deepspeed
import deepspeed.ops
import torch
from torch import nn

for name, value in {"RANK": 0, "WORLD_SIZE": 1, "LOCAL_RANK": 0, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": 0}.items():
    os.environ.setdefault(name, str(value))
deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False  # else it is compiled for minutes
stage, precision = int(sys.argv[1]), sys.argv[2]
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
inputs = torch.randn(256, 8)
targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()
config = {
    "train_batch_size": 64,
    "train_micro_batch_size_per_gpu": 32,
    "gradient_accumulation_steps": 2,
    "gradient_clipping": 0.5,
    "zero_optimization": {"stage": stage},
    "optimizer": {"type": "AdamW", "params": {"lr": 1e-2, "torch_adam": True}},
    "steps_per_print": 1000,
}
if precision == "bf16":
    config["bf16"] = {"enabled": True}
engine, _, loader, _ = deepspeed.initialize(
    model=model,
    model_parameters=model.parameters(),
    config=config,
    training_data=torch.utils.data.TensorDataset(inputs, targets),
)
kind = next(model.parameters()).dtype
steps, losses = [], []
for _ in range(2):
    for batch, target in loader:
        loss = nn.functional.cross_entropy(engine(batch.to(kind)).float(), target)
        losses.append(loss.item())
        engine.backward(loss)
        engine.step()
        if len(losses) == 2:
            norm = engine.get_global_grad_norm()
            steps.append({"losses": losses, "norm": None if norm is None else float(norm)})
            losses = []
print("STEPS", json.dumps(steps))
