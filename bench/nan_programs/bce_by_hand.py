"""Cross entropy by hand: a sigmoid that has saturated leaves log(0); the loss comes from a nested function."""

import torch
from torch import nn


def make_loss(weight):
    def loss_of(probability, target):
        positive = target * torch.log(probability)
        negative = (1 - target) * torch.log(1 - probability)  # origin: log
        return -(weight * positive + negative).mean()

    return loss_of


def train(steps=7):
    torch.manual_seed(9)
    model = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    loss_of = make_loss(2.0)
    for step in range(steps):
        x = torch.randn(16, 2)
        if step == 5:
            x[11] = torch.sign(model[0].weight[0]) * 400  # sample: 11
        y = (x.sum(1, keepdim=True) > 0).float()
        if step == 5:
            y[11] = 0
        optimizer.zero_grad()
        loss_of(model(x), y).backward()
        optimizer.step()


train()
