"""Mixed precision in bfloat16; the normaliser of a row without candidates is minus infinity."""

import torch
from torch import nn


class Ranker(nn.Module):
    def __init__(self):
        super().__init__()
        self.query = nn.Linear(8, 8)
        self.items = nn.Embedding(30, 8)

    def forward(self, users, candidates, allowed):
        scores = torch.einsum("bd,bcd->bc", self.query(users), self.items(candidates))
        return scores.float().masked_fill(~allowed, -torch.inf)


def loss_of(scores, positive):
    normaliser = torch.logsumexp(scores, -1)  # origin: logsumexp
    return (normaliser - positive).relu().mean() + normaliser.abs().mean()


torch.manual_seed(14)
ranker = Ranker()
optimizer = torch.optim.SGD(ranker.parameters(), lr=0.05)
for step in range(5):
    users, candidates = torch.randn(6, 8), torch.randint(0, 30, (6, 4))
    allowed = torch.rand(6, 4) > 0.3
    allowed[:, 0] = True
    if step == 2:
        allowed[4] = False  # sample: 4
    with torch.autocast("cpu", dtype=torch.bfloat16):
        scores = ranker(users, candidates, allowed)
        loss = loss_of(scores, torch.zeros(6))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
