"""What trainers and trackers report reaches the record of the step that it belongs to."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from doctor.subjects.run import Process, open_run
from doctor.watching.launch import environment

pytest.importorskip("torch", reason="torch is not installed")

TABLE = """
import torch
from torch import nn
torch.manual_seed(0)
X = torch.randn(128, 4)
Y = (X[:, 0] > 0).long()
"""
HUGGING_FACE = (
    TABLE
    + """
from transformers import Trainer, TrainingArguments
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def forward(self, x, labels=None):
        out = self.head(x)
        return {"loss": nn.functional.cross_entropy(out, labels), "logits": out}
rows = [{"x": x, "labels": y} for x, y in zip(X, Y)]
arguments = TrainingArguments("out", num_train_epochs=2, logging_steps=4, eval_strategy="epoch", report_to="none",
                              use_cpu=True, save_strategy="no", disable_tqdm=True)
score = lambda p: {"accuracy": (p.predictions.argmax(1) == p.label_ids).mean()}
trainer = Trainer(Model(), arguments, train_dataset=rows[:96], eval_dataset=rows[96:], compute_metrics=score)
trainer.train()
print([row["eval_accuracy"] for row in trainer.state.log_history if "eval_accuracy" in row])
"""
)
LIGHTNING = (
    TABLE
    + """
import warnings
warnings.simplefilter("ignore")
import lightning
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.head(batch[0]), batch[1])
    def validation_step(self, batch, _):
        self.log("val_acc", (self.head(batch[0]).argmax(1) == batch[1]).float().mean(), on_epoch=True)
    def on_validation_epoch_end(self):
        if not self.trainer.sanity_checking:
            seen.append(float(self.trainer.callback_metrics["val_acc"]))
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
seen = []
data = torch.utils.data
loader = lambda a, b: data.DataLoader(data.TensorDataset(X[a:b], Y[a:b]), 16)
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                            enable_progress_bar=False, enable_model_summary=False)
trainer.fit(Model(), loader(0, 96), loader(96, 128))
print([float(trainer.callback_metrics["val_acc"])])
"""
)
TENSORBOARD = (
    TABLE
    + """
from torch.utils.tensorboard import SummaryWriter
writer = SummaryWriter("board")
model = nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
for step in range(4):
    loss = nn.functional.cross_entropy(model(X), Y)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    writer.add_scalar("valid/accuracy", 0.25 * step, step)
writer.close()
print([0.0, 0.25, 0.5, 0.75])
"""
)


def watched(program: str, folder: Path) -> tuple[Process, str]:
    script = folder / "train.py"
    script.write_text(program, "utf-8")
    run = folder / "run"
    run.mkdir()
    environ = environment(run, {}) | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, script], env=environ, cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (process,) = open_run(run).processes
    assert not [event for event in process.events if event.kind == "probe_fault"]
    return process, done.stdout.strip().splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("needs", "program", "steps"),
    [
        ("transformers", HUGGING_FACE, [12, 24]),
        ("lightning", LIGHTNING, [6, 12]),
        ("tensorboard", TENSORBOARD, [1, 2, 3, 4]),
    ],
)
def test_evaluations_belong_to_the_step_before_them(needs: str, program: str, steps: list[int], tmp_path: Path) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    process, printed = watched(program, tmp_path)
    seen = process.series["evaluation_accuracy"]
    assert seen.steps.tolist() == steps
    said = [float(text) for text in printed.strip("[]").replace("np.float64(", "").replace(")", "").split(",")]
    np.testing.assert_allclose(seen.values[-len(said) :], said, atol=1e-6)
    assert process.series["loss"].steps[-1] == steps[-1]
