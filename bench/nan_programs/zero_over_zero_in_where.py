"""A plain loop; where() hides 0/0 in the result, not in its derivative."""

import torch
from torch import nn

torch.manual_seed(2)
model = nn.Linear(5, 3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(6):
    x = torch.randn(10, 5)
    valid = torch.rand(10, 3) > (2.0 if step == 3 else 0.1)
    valid[1:] |= torch.rand(9, 1) > -1
    predicted = model(x).abs() * valid
    total = predicted.sum(1)
    share = torch.where(
        total.unsqueeze(1) > 0,
        predicted / total.unsqueeze(1),  # origin: div, backward
        torch.zeros(()),
    )
    loss = (share - 0.3).pow(2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
