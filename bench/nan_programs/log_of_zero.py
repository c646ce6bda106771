"""A function per step; an entropy term takes the log of an attention weight that is zero in one sample."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Pooler(nn.Module):
    def __init__(self):
        super().__init__()
        self.score = nn.Linear(8, 1)
        self.out = nn.Linear(8, 2)

    def forward(self, tokens, present):
        weights = torch.softmax(self.score(tokens).squeeze(-1), -1) * present
        entropy = -(weights * weights.log()).sum(-1)  # origin: log
        return self.out((weights.unsqueeze(-1) * tokens).sum(1)), entropy


def train_step(model, optimizer, batch):
    tokens, present, labels = batch
    logits, entropy = model(tokens, present)
    loss = nn.functional.cross_entropy(logits, labels) - 0.01 * entropy.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def main():
    torch.manual_seed(0)
    present = torch.ones(64, 5)
    present[43, 3] = 0  # sample: 3
    data = TensorDataset(torch.randn(64, 5, 8), present, torch.randint(0, 2, (64,)))
    model = Pooler()
    optimizer = torch.optim.Adam(model.parameters())
    for batch in DataLoader(data, batch_size=8):
        train_step(model, optimizer, batch)


main()
