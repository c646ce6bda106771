"""A schedule of one's own writes NaN into a weight between two steps. Truth: weights."""

import torch
from torch import nn


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.gate = nn.Parameter(torch.ones(8))

    def forward(self, x):
        return torch.relu(self.first(x)) * self.gate


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.tower = Tower()
        self.head = nn.Linear(8, 1)

    def forward(self, x):
        return self.head(self.tower(x))


torch.manual_seed(7)
model = Model()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
warmup = 4
for step in range(8):
    x = torch.randn(9, 4)
    loss = (model(x) - 1).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    with torch.no_grad():
        if step == warmup:
            model.tower.gate.mul_((step - warmup) / torch.zeros(8))  # origin: weights, name: tower.gate
