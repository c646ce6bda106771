"""Findings are written where trackers of experiments show them, through the real libraries and without a network."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import doctor
from doctor.integrations import tensorboard
from doctor.integrations.telling import counts, markdown, rows
from doctor.model import Report

TRUTH = random.Random(0).choices((0, 1), k=200)
ECHO = pa.table({"a": [n * 37 % 11 for n in range(200)], "echo": ["xz"[one] for one in TRUTH], "y": TRUTH})
SAID = "echo is y in other words"
OFFLINE = {"WANDB_MODE": "offline", "WANDB_SILENT": "true", "MLFLOW_ENABLE_TELEMETRY": "false", "DO_NOT_TRACK": "1"}


@pytest.fixture(scope="module")
def report() -> Report:
    return doctor.scan(ECHO, target="y", select="leakage")


def read_tensorboard(folder: Path) -> tuple[str, dict[str, float]]:
    """Read text and scalars as TensorBoard does."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    tensors = {tag: events.Tensors(tag)[-1].tensor_proto for tag in events.Tags()["tensors"]}
    scalars = {tag: events.Scalars(tag)[-1].value for tag in events.Tags()["scalars"]}
    scalars |= {tag: proto.float_val[0] for tag, proto in tensors.items() if proto.float_val}
    texts = [proto.string_val[0].decode() for tag, proto in tensors.items() if proto.string_val]
    return "".join(texts), scalars


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_text_and_counts(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    tensorboard.write(report, tmp_path, step=7)
    text, scalars = read_tensorboard(tmp_path)
    assert SAID in text
    assert scalars == {"doctor/errors": 1, "doctor/warnings": 0, "doctor/remarks": 0}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_writer_of_torch_is_taken_too(report: Report, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    writing = pytest.importorskip("torch.utils.tensorboard", reason="torch is not installed")
    with writing.SummaryWriter(str(tmp_path)) as writer:
        tensorboard.write(report, writer)
    text, scalars = read_tensorboard(tmp_path)
    assert SAID in text
    assert scalars["doctor/errors"] == 1


def test_a_table_is_not_broken_by_what_stands_in_it(report: Report) -> None:
    (finding,) = report.findings
    hostile = finding.__class__(
        check=finding.check, severity=finding.severity, message="a|b <script>`*x*` password=hunter2"
    )
    text = markdown(Report(doctor=report.doctor, case=report.case, findings=[hostile]))
    (line,) = (line for line in text.splitlines() if "leakage" in line)
    assert "a\\|b \\<script\\>\\`\\*x\\*\\`" in line
    assert "hunter2" not in text
    assert markdown(Report(doctor=report.doctor, case=report.case)) == "No finding."
    assert counts(report) == {"errors": 1, "warnings": 0, "remarks": 0}
    assert rows(report)[0][:2] == ("error", "leakage/label-leakage")


PROGRAM = """
import random, sys, doctor, pyarrow as pa
from doctor.errors import UsageError
y = random.Random(0).choices((0, 1), k=200)
echo = pa.table({"a": [n * 37 % 11 for n in range(200)], "echo": ["xz"[one] for one in y], "y": y})
report = doctor.scan(echo, target="y", select="leakage")
"""
WANDB = (
    PROGRAM
    + """
import wandb
from doctor.integrations.wandb import write
try:
    write(report)
except UsageError as error:
    print("refused:", error)
with wandb.init(project="p") as run:
    write(report)
    print("summary", run.summary["doctor/errors"], run.dir)
"""
)
MLFLOW = (
    PROGRAM
    + """
import mlflow
from doctor.integrations.mlflow import write
mlflow.set_tracking_uri(sys.argv[1])
try:
    write(report)
except UsageError as error:
    print("refused:", error)
with mlflow.start_run() as run:
    write(report)
client = mlflow.MlflowClient()
write(report, run.info.run_id)  # which has ended
print("metric", client.get_run(run.info.run_id).data.metrics["doctor.errors"])
print("kept", *sorted(item.path for item in client.list_artifacts(run.info.run_id, "doctor")))
"""
)


def ran(program: str, folder: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env={**os.environ, **OFFLINE, "OMP_NUM_THREADS": "1", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.slow
def test_wandb_keeps_table_page_and_counts(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed")
    printed = ran(WANDB, tmp_path, WANDB_DIR=str(tmp_path))
    assert "refused: no run of Weights & Biases is open" in printed
    assert "summary 1 " in printed
    (table,) = tmp_path.rglob("*.table.json")
    assert SAID in json.loads(table.read_text("utf-8"))["data"][0][2]
    (page,) = tmp_path.rglob("*.html")
    assert SAID in page.read_text("utf-8")


@pytest.mark.slow
def test_mlflow_keeps_reports_and_counts_with_a_run(tmp_path: Path) -> None:
    pytest.importorskip("mlflow", reason="mlflow is not installed")
    # Files are the one store that the light build of MLflow has.
    printed = ran(MLFLOW, tmp_path, (tmp_path / "kept").as_uri(), MLFLOW_ALLOW_FILE_STORE="true")
    assert "refused: no run of MLflow is open" in printed
    assert "metric 1.0" in printed
    assert "kept doctor/report.html doctor/report.json" in printed
    (page,) = tmp_path.rglob("report.html")
    assert SAID in page.read_text("utf-8")


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
        return {"loss": nn.functional.cross_entropy(out, labels), "logits": out}
arguments = TrainingArguments("out", num_train_epochs=2, report_to=["tensorboard"], use_cpu=True, save_strategy="no")
data = [{"x": x, "labels": y} for x, y in zip(X, Y)]
Trainer(Model(), arguments, train_dataset=data, callbacks=[DoctorCallback("kept")]).train()
"""
LIGHTNING = """
import warnings
warnings.simplefilter("ignore")
import torch, lightning
from lightning.pytorch.loggers import TensorBoardLogger
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
        return nn.functional.cross_entropy(self.head(batch[0]), batch[1])
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
data = torch.utils.data
trainer = lightning.Trainer(max_epochs=2, accelerator="cpu", logger=TensorBoardLogger("out"),
                            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
                            callbacks=[DoctorCallback("kept")])
trainer.fit(Model(), data.DataLoader(data.TensorDataset(X, Y), 16))
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("needs", "program"), [("transformers", HUGGING_FACE), ("lightning", LIGHTNING)])
def test_a_callback_tells_the_tracker_of_its_trainer(needs: str, program: str, tmp_path: Path) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    ran(program, tmp_path)
    folders = {file.parent for file in (tmp_path / "out").rglob("events.out.tfevents.*")}
    (folder,) = folders
    text, scalars = read_tensorboard(folder)
    assert "No finding." in text
    assert scalars["doctor/errors"] == 0
