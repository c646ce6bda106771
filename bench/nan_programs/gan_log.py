"""Two optimizers; the discriminator grows sure, and the generator's loss is log(1 - 1)."""

import torch
from torch import nn


def generator_loss(judged):
    return torch.log(1 - judged).mean()  # origin: log


torch.manual_seed(15)
generator = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
discriminator = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1), nn.Sigmoid())
optimizer_d = torch.optim.Adam(discriminator.parameters(), lr=1e-3)
optimizer_g = torch.optim.Adam(generator.parameters(), lr=1e-3)
bce = nn.BCELoss()
for step in range(12):
    if step == 8:
        with torch.no_grad():
            discriminator[2].bias.fill_(60.0)
    real = torch.randn(16, 2) + 3
    noise = torch.randn(16, 4)
    fake = generator(noise)
    judged = torch.cat([discriminator(real), discriminator(fake.detach())])
    truth = torch.cat([torch.ones(16, 1), torch.zeros(16, 1)])
    loss_d = bce(judged, truth)
    optimizer_d.zero_grad()
    loss_d.backward()
    optimizer_d.step()

    loss_g = generator_loss(discriminator(fake))
    optimizer_g.zero_grad()
    loss_g.backward()
    optimizer_g.step()
