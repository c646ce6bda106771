"""A closure for the optimizer; a fractional power of a number below zero."""

import torch
from torch import nn


class Gamma(nn.Module):
    def __init__(self):
        super().__init__()
        self.exponent = nn.Parameter(torch.tensor(1.5))

    def forward(self, x):
        return x**self.exponent  # origin: pow


def fit():
    torch.manual_seed(12)
    scale, gamma = nn.Linear(2, 1), Gamma()
    optimizer = torch.optim.LBFGS([*scale.parameters(), *gamma.parameters()], lr=0.5, max_iter=4)
    x = torch.rand(20, 2)

    def closure():
        optimizer.zero_grad()
        loss = (gamma(scale(x)) - 1).pow(2).mean()
        loss.backward()
        return loss

    with torch.no_grad():
        scale.weight.fill_(0.2)
        scale.bias.fill_(0.1)
    for number in range(8):
        optimizer.step(closure)
        with torch.no_grad():
            if number == 4:
                scale.bias.sub_(3)


fit()
