"""A transformer block of one's own; one sample is padding from end to end."""

import math

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Attention(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)

    def forward(self, x, padding):
        q, k, v = self.qkv(x).chunk(3, -1)
        scores = q @ k.transpose(1, 2) / math.sqrt(x.shape[-1])
        scores = scores.masked_fill(padding[:, None, :], float("-inf"))
        weights = scores.softmax(-1)  # origin: softmax
        return weights @ v


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 16)
        self.blocks = nn.ModuleList([Attention(16), Attention(16)])
        self.head = nn.Linear(16, 2)

    def forward(self, tokens):
        padding = tokens == 0
        x = self.embed(tokens)
        for block in self.blocks:
            x = x + block(x, padding)
        return self.head(x.mean(1))


torch.manual_seed(3)
tokens = torch.randint(1, 20, (40, 6))
tokens[:, 4:] = 0
tokens[29] = 0  # sample: 5
labels = torch.randint(0, 2, (40,))
model = Model()
optimizer = torch.optim.AdamW(model.parameters())
criterion = nn.CrossEntropyLoss()
for _ in range(1):
    for tokens_batch, labels_batch in DataLoader(TensorDataset(tokens, labels), batch_size=8):
        optimizer.zero_grad()
        outputs = model(tokens_batch)
        loss = criterion(outputs, labels_batch)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
