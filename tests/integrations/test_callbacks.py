"""The callbacks watch a trainer's run from its own process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from doctor.watching.launch import environment

pytest.importorskip("torch", reason="torch is not installed")

HUGGING_FACE = """
import torch
from torch import nn
from transformers import Trainer, TrainingArguments
from doctor.integrations.transformers import DoctorCallback
torch.manual_seed(0)
X = torch.randn(96, 4)
Y = (X[:, 0] > 0).long()
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def forward(self, x, labels=None):
        out = self.head(x)
        return {"loss": nn.functional.cross_entropy(out, labels) BREAK, "logits": out}
callback = DoctorCallback("kept")
arguments = TrainingArguments("out", num_train_epochs=2, report_to="none", use_cpu=True, save_strategy="no")
Trainer(Model(), arguments, train_dataset=[{"x": x, "labels": y} for x, y in zip(X, Y)], callbacks=[callback]).train()
print("watched" if callback.watched else "left alone")
"""
LIGHTNING = """
import warnings
warnings.simplefilter("ignore")
import torch, lightning
from torch import nn
from doctor.integrations.lightning import DoctorCallback
torch.manual_seed(0)
X = torch.randn(96, 4)
Y = (X[:, 0] > 0).long()
class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(4, 2)
    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.head(batch[0]), batch[1]) BREAK
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
callback = DoctorCallback("kept")
data = torch.utils.data
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=False, enable_checkpointing=False,
                            enable_progress_bar=False, enable_model_summary=False, callbacks=[callback])
trainer.fit(Model(), data.DataLoader(data.TensorDataset(X, Y), 16))
print("watched" if callback.watched else "left alone")
"""
BREAKS = "+ 1 / 0"
both = pytest.mark.parametrize(("needs", "program"), [("transformers", HUGGING_FACE), ("lightning", LIGHTNING)])


def trained(program: str, folder: Path, environ: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    (folder / "train.py").write_text(program, "utf-8")
    environ = environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "train.py"]
    return subprocess.run(command, env=environ, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@both
def test_a_callback_keeps_a_run_and_says_that_it_is_well(needs: str, program: str, tmp_path: Path) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    done = trained(program.replace("BREAK", ""), tmp_path, dict(os.environ))
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("watched")
    assert "no sign of trouble in 12 steps" in done.stderr.replace("24 steps", "12 steps")
    assert json.loads((tmp_path / "kept" / "diagnosis.json").read_text("utf-8"))["findings"] == []
    assert (tmp_path / "kept" / "report.html").is_file()


@pytest.mark.slow
@both
def test_a_training_that_breaks_off_is_diagnosed(needs: str, program: str, tmp_path: Path) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    done = trained(program.replace("BREAK", BREAKS), tmp_path, dict(os.environ))
    assert done.returncode != 0
    report = json.loads((tmp_path / "kept" / "diagnosis.json").read_text("utf-8"))
    assert [finding["check"] for finding in report["findings"]] == ["crash/exit-cause"]
    assert "ZeroDivisionError" in report["findings"][0]["message"]


@pytest.mark.slow
def test_under_doctor_watch_a_callback_stays_out_of_the_way(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="transformers is not installed")
    (tmp_path / "outer").mkdir()
    done = trained(HUGGING_FACE.replace("BREAK", ""), tmp_path, environment(tmp_path / "outer", {}))
    assert done.stdout.strip().endswith("left alone")
    assert not (tmp_path / "kept").exists()
