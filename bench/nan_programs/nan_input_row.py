"""One value of one row of the data is missing. Truth: input."""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(6)
features = torch.randn(60, 7)
features[37, 2] = float("nan")  # origin: input, sample: 7
data = TensorDataset(features, features.nan_to_num().sum(1, keepdim=True))
model = nn.Sequential(nn.BatchNorm1d(7), nn.Linear(7, 16), nn.GELU(), nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
for inputs, targets in DataLoader(data, batch_size=10):
    loss = nn.functional.mse_loss(model(inputs), targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
