"""Lightning: softplus by hand overflows."""

import logging
import warnings

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

warnings.filterwarnings("ignore")
logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


class Intensity(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 1)

    def forward(self, x):
        return torch.log(1 + torch.exp(self.linear(x)))  # origin: exp


class Counts(LightningModule):
    def __init__(self):
        super().__init__()
        self.intensity = Intensity()

    def training_step(self, batch, batch_index):
        x, count = batch
        rate = self.intensity(x).squeeze(-1)
        return (rate - count * torch.log(rate + 1e-6)).mean()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-3)


torch.manual_seed(10)
x = torch.randn(40, 3)
model = Counts()
x[22] = 1000 * torch.sign(model.intensity.linear.weight[0].detach())  # sample: 6
loader = DataLoader(TensorDataset(x, torch.poisson(torch.ones(40))), batch_size=8)
Trainer(
    max_epochs=1,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    accelerator="cpu",
).fit(model, loader)
