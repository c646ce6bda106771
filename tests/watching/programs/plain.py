"""Trains a small classifier and says of every step what a watcher should have recorded."""

import json
import math

import torch
from torch import nn
from torch.nn.utils import clip_grad_norm_
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)
inputs = torch.randn(200, 8)
targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()
loader = DataLoader(TensorDataset(inputs, targets), batch_size=32, shuffle=True)
criterion = nn.CrossEntropyLoss()


def length(tensors):
    return math.sqrt(sum(float(one.double().pow(2).sum()) for one in tensors))


steps = []
for _ in range(3):
    model.train()
    for batch, target in loader:
        optimizer.zero_grad()
        logits = model(batch)
        loss = criterion(logits, target)
        loss.backward()
        rate = optimizer.param_groups[0]["lr"]
        layers = [float(one.grad.norm()) for one in model.parameters()]
        norm = clip_grad_norm_(model.parameters(), 0.4)
        before = [one.detach().clone() for one in model.parameters()]
        optimizer.step()
        weights = [one.detach() for one in model.parameters()]
        schedule.step()
        steps.append(
            {
                "loss": loss.item(),
                "criterion_loss": loss.item(),
                "backwards": 1,
                "grad_norm": norm.item(),
                "max_norm": 0.4,
                "non_finite_gradients": 0,
                "learning_rate": rate,
                "weight_norm": length(weights),
                "update_norm": length(new - old for new, old in zip(weights, before, strict=True)),
                "skipped": 0,
                "samples": len(batch),
                "accuracy": (logits.argmax(1) == target).double().mean().item(),
                "training_mode": 1,
                "stale_gradients": 0,
                "layers": layers,
            }
        )
    model.eval()
    with torch.no_grad():
        logits = [model(batch) for batch, _ in loader]
        total = right = 0.0
        for batch, target in loader:
            logits = model(batch)
            total += criterion(logits, target).item() * len(batch)
            right += (logits.argmax(1) == target).sum().item()
    steps[-1]["evaluation_loss"] = total / len(inputs)
    steps[-1]["evaluation_accuracy"] = right / len(inputs)
    steps[-1]["evaluation_training_mode"] = 0
print(json.dumps(steps))
