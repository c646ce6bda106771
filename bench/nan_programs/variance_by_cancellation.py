"""E[x²] - E[x]² is negative by rounding: float64 would have survived."""

import torch
from torch import nn


class Spread(nn.Module):
    def forward(self, x):
        variance = (x * x).mean(1) - x.mean(1) ** 2
        return torch.sqrt(variance)  # origin: sqrt


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Linear(4, 32)
        self.spread = Spread()

    def forward(self, x):
        return self.spread(self.features(x))


torch.manual_seed(16)
model = Model()
nn.init.normal_(model.features.weight, std=1e-3)
nn.init.constant_(model.features.bias, 1.0)
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
for step in range(6):
    x = torch.randn(32, 4)
    if step == 4:
        x = x * 1e-3
    loss = model(x).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
