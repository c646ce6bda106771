"""Logs as trainers write them, read back as a run."""
# ruff: noqa: E501 # trainers write long lines

import json
import math
from pathlib import Path

import numpy as np
import pytest

from doctor.errors import CannotOpen
from doctor.subjects.logs.opening import open_anything
from doctor.subjects.run import Run
from doctor.watching.probe.metric_names import canonical

MEGATRON = """\
 [2024-05-01 10:00:00] iteration       10/     100 | consumed samples:          160 | elapsed time per iteration (ms): 104.0 | learning rate: 1.0E-05 | global batch size:    16 | lm loss: 9.123400E+00 | loss scale: 65536.0 | grad norm: 1.250 | number of skipped iterations:   0 | number of nan iterations:   0 |
 [2024-05-01 10:00:01] iteration       20/     100 | consumed samples:          320 | elapsed time per iteration (ms): 102.0 | learning rate: 2.0E-05 | global batch size:    16 | lm loss: 8.000000E+00 | loss scale: 32768.0 | grad norm: inf | number of skipped iterations:   3 | number of nan iterations:   0 |
"""
DEEPSPEED = """\
[2024-05-01 10:00:00,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=10, skipped=0, lr=[0.001], mom=[(0.9, 0.999)]
steps: 10 loss: 0.6931 iter time (s): 0.120 samples/sec: 133.3
[2024-05-01 10:00:02,123] [INFO] [loss_scaler.py:190:update_scale] [deepspeed] OVERFLOW! Rank 0 Skipping step. Attempted loss scale: 65536, reducing to 32768
[2024-05-01 10:00:03,123] [INFO] [logging.py:96:log_dist] [Rank 0] step=20, skipped=1, lr=[0.002], mom=[(0.9, 0.999)]
steps: 20 loss: nan iter time (s): 0.120 samples/sec: 133.3
"""
HF_LINES = """\
 10%|█         | 10/100 [00:01<00:09,  9.90it/s]
{'loss': 0.69, 'grad_norm': 1.5, 'learning_rate': 5e-05, 'epoch': 0.1}
 20%|██        | 20/100 [00:02<00:08,  9.90it/s]
{'loss': '0.5', 'grad_norm': 'nan', 'learning_rate': '4e-05', 'epoch': '0.2'}
  0%|          | 0/5 [00:00<?, ?it/s]
{'eval_loss': 0.8, 'eval_accuracy': 0.62, 'eval_runtime': 1.0, 'epoch': 0.2}
"""
NANO = "step 0: train loss 4.20, val loss 4.21\niter 0: loss 4.2000, time 12.00ms, mfu -100.00%\niter 1: loss 4.1, time 3ms\n"
EXAMPLE = "Train Epoch: 1 [0/60000 (0%)]\tLoss: 2.30\nTrain Epoch: 1 [640/60000 (1%)]\tLoss: 2.10\nTrain Epoch: 2 [0/60000 (0%)]\tLoss: 1.0\n"
KERAS = "Epoch 1/3\n - loss: 0.9000 - accuracy: 0.4000 - val_loss: 1.1 - val_accuracy: 0.3\nEpoch 2/3\n - loss: 0.5 - accuracy: 0.8 - val_loss: 1.3 - val_accuracy: 0.35\n"
BAR = "Epoch 0:  50%|█████     | 1/2 [00:00<00:00, 9.0it/s, v_num=0, train_loss=0.700]\rEpoch 0: 100%|██████████| 2/2 [00:00<00:00, 9.0it/s, v_num=0, train_loss=0.600]\n"
TRACE = """\
step 1 loss 0.5
step 2 loss 0.4
[rank1]: Traceback (most recent call last):
[rank1]:   File "/home/u/train.py", line 41, in <module>
[rank1]:     main()
[rank1]:   File "/home/u/train.py", line 30, in main
[rank1]:     y = table[i]
[rank1]:         ~~~~~^^^
[rank1]: KeyError: 'sun'
[rank1]:
[rank1]: During handling of the above exception, another exception occurred:
[rank1]:
[rank1]: Traceback (most recent call last):
[rank1]:   File "/home/u/train.py", line 43, in <module>
[rank1]:     raise ValueError("no such word")
[rank1]: ValueError: no such word
"""


def read(tmp_path: Path, text: str) -> Run:
    path = tmp_path / "train.log"
    path.write_text(text, "utf-8")
    return open_anything(path)


def points(run: Run, name: str) -> list[tuple[int, float]]:
    series = run.processes[0].series[name]
    return list(zip(series.steps.tolist(), series.values.tolist(), strict=True))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("loss", "loss"),
        ("train/loss", "loss"),
        ("train_loss_step", "loss"),
        ("eval_loss", "evaluation_loss"),
        ("val/acc", "evaluation_accuracy"),
        ("valid_accuracy", "evaluation_accuracy"),
        ("grad_norm", "grad_norm"),
        ("train/grad_norm", "grad_norm"),
        ("lr-AdamW", "learning_rate"),
        ("learning_rate", "learning_rate"),
        ("value", None),
        ("lossless", None),
        ("eval_runtime", None),
    ],
)
def test_trainers_names_are_understood(given: str, expected: str | None) -> None:
    assert canonical(given) == expected


def test_a_megatron_log(tmp_path: Path) -> None:
    run = read(tmp_path, MEGATRON)
    assert points(run, "loss") == [(10, 9.1234), (20, 8.0)]
    assert points(run, "grad_norm") == [(10, 1.25), (20, math.inf)]
    assert points(run, "skipped") == [(10, 0.0), (20, 3.0)]
    assert points(run, "loss_scale") == [(10, 65536.0), (20, 32768.0)]
    assert points(run, "step_seconds") == [(10, 0.104), (20, 0.102)]


def test_a_deepspeed_log(tmp_path: Path) -> None:
    run = read(tmp_path, DEEPSPEED)
    losses = points(run, "loss")
    assert losses[0] == (10, 0.6931)
    assert losses[1][0] == 20
    assert math.isnan(losses[1][1])
    assert points(run, "learning_rate") == [(10, 0.001), (20, 0.002)]
    assert points(run, "loss_scale") == [(10, 32768.0)]


def test_lines_of_the_hugging_face_trainer_take_their_step_from_the_bar(tmp_path: Path) -> None:
    run = read(tmp_path, HF_LINES)
    assert points(run, "loss") == [(10, 0.69), (20, 0.5)]
    assert points(run, "evaluation_accuracy") == [(20, 0.62)]
    assert math.isnan(points(run, "grad_norm")[1][1])


def test_lines_of_hand_written_loops(tmp_path: Path) -> None:
    run = read(tmp_path, NANO)
    assert points(run, "loss") == [(1, 4.1)]
    assert points(run, "evaluation_loss") == [(1, 4.21)]
    assert points(read(tmp_path, EXAMPLE), "loss") == [(1, 2.3), (640, 2.1), (641, 1.0)]


def test_keras_lines_belong_to_their_epoch(tmp_path: Path) -> None:
    run = read(tmp_path, KERAS)
    assert points(run, "accuracy") == [(1, 0.4), (2, 0.8)]
    assert points(run, "evaluation_loss") == [(1, 1.1), (2, 1.3)]


def test_a_bar_is_read_between_its_carriage_returns(tmp_path: Path) -> None:
    assert points(read(tmp_path, BAR), "loss") == [(1, 0.7), (2, 0.6)]


def test_a_traceback_becomes_an_exception_of_its_rank_with_its_cause(tmp_path: Path) -> None:
    run = read(tmp_path, TRACE)
    (event,) = run.processes[1].events
    assert event.facts["type"] == "ValueError"
    assert event.facts["cause"]["type"] == "KeyError"
    assert event.facts["cause"]["frames"][-1]["line"] == 30
    assert event.facts["cause"]["frames"][-1]["code"] == "y = table[i]"
    assert run.end["status"] == 1


@pytest.mark.parametrize(("line", "signal"), [("Killed", 9), ("Segmentation fault (core dumped)", 11)])
def test_a_shells_word_of_a_death_is_kept(tmp_path: Path, line: str, signal: int) -> None:
    assert read(tmp_path, f"step 1 loss 0.5\n{line}\n").end["signal"] == signal


def test_a_trainers_state_is_read_without_its_summary(tmp_path: Path) -> None:
    rows = [
        {"step": 10, "loss": 0.7, "grad_norm": 1.0, "learning_rate": 1e-4, "epoch": 1.0},
        {"step": 10, "eval_loss": 0.8, "eval_accuracy": 0.5, "epoch": 1.0},
        {"step": 20, "loss": 0.0, "grad_norm": math.nan, "epoch": 2.0},
        {"step": 20, "train_loss": 0.35, "train_runtime": 3.0, "epoch": 2.0},
    ]
    (tmp_path / "trainer_state.json").write_text(json.dumps({"log_history": rows}), "utf-8")
    run = open_anything(tmp_path)
    assert points(run, "loss") == [(10, 0.7), (20, 0.0)]
    assert points(run, "evaluation_loss") == [(10, 0.8)]


def test_a_table_of_metrics_has_gaps(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,train_loss,val_loss\n0,49,0.7,\n0,49,,0.9\n1,99,nan,\n", "utf-8")
    run = open_anything(tmp_path)
    assert points(run, "evaluation_loss") == [(50, 0.9)]
    assert [step for step, _ in points(run, "loss")] == [50, 100]


def test_event_files_of_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the reader of TensorBoard's files is not installed")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path))
    for step in range(5):
        value = Summary.Value(tag="train/loss", simple_value=1.0 / (step + 1))
        writer.add_event(Event(step=step, wall_time=float(step), summary=Summary(value=[value])))
    writer.close()
    loss = open_anything(tmp_path).processes[0].series["loss"]
    assert loss.steps.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(loss.values, [1, 1 / 2, 1 / 3, 1 / 4, 1 / 5], rtol=1e-6)


def test_sources_in_one_folder_complete_each_other(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,train_loss\n0,0.7\n1,0.6\n", "utf-8")
    (tmp_path / "out.log").write_text("step 1 loss 0.70 lr: 0.1\nKilled\n", "utf-8")
    run = open_anything(tmp_path)
    assert points(run, "loss") == [(1, 0.7), (2, 0.6)]
    assert points(run, "learning_rate") == [(1, 0.1)]
    assert run.end["signal"] == 9


def test_what_is_no_run_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(CannotOpen, match="nothing of a run in it"):
        open_anything(tmp_path)
    (tmp_path / "a.csv").write_text("colour,size\nred,1\n", "utf-8")
    with pytest.raises(CannotOpen, match="no column is a known metric"):
        open_anything(tmp_path / "a.csv")
    (tmp_path / "b.log").write_bytes(b"\0\1\2")
    with pytest.raises(CannotOpen, match="not a text"):
        open_anything(tmp_path / "b.log")
