"""Weights in half precision; a product passes 65504, and the norm after it makes NaN of infinity."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(32, 32)
        self.norm = nn.LayerNorm(32)

    def forward(self, x):
        return self.norm(self.wide(x))  # origin: matmul


torch.manual_seed(4)
model = nn.Sequential(nn.Linear(8, 32), Block(), nn.Linear(32, 1)).half()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
for step in range(5):
    x = torch.randn(6, 8)
    if step == 3:
        x[2] *= 60000 / x[2].abs().max()  # sample: 2
        with torch.no_grad():
            model[1].wide.weight.mul_(6)
    hidden = model[0](x.half())
    hidden = model[1](hidden)
    loss = model[2](hidden).float().pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
