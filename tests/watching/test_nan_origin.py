"""The origin of a NaN is found in real runs, and looking for it changes nothing."""

import importlib.util
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.errors import NotApplicable
from doctor.evidence.nan_origin import NanOrigins, Origin, operation_name
from doctor.subjects.run import Run
from tests.watching.conftest import Watched, only_process, opened

pytest.importorskip("torch")
BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nan_origin_bench", BENCH / "nan_origin.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def origins(folder: Path) -> tuple[Origin, ...]:
    only_process(folder)
    return NanOrigins.measure(opened(folder)).origins


@pytest.mark.parametrize(
    "name",
    [
        "bce_by_hand",
        "custom_function",
        "fully_masked_softmax",
        "nan_input_row",
        "nan_weight",
        "zero_over_zero_in_where",
    ],
)
def test_the_true_operation_line_and_sample_are_named_and_come_again(
    name: str, watched: Watched, tmp_path: Path, bench: ModuleType
) -> None:
    program = BENCH / "nan_programs" / f"{name}.py"
    done = watched(str(program), folder=tmp_path)
    assert done.returncode == 0, done.stderr
    truth = bench.truth_of(program)
    found = origins(tmp_path)
    assert found, "nothing was explained"
    answer = bench._answer(found[0], program)
    assert answer.right(truth), answer
    assert found[0].where == truth.where
    if truth.sample is not None:
        assert answer.sample == truth.sample
    again = subprocess.run(
        [sys.executable, str(tmp_path / "capsule" / "reproduce.py")], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "library"), [("exp_overflow_lightning", "lightning"), ("zero_count_hf", "transformers")]
)
def test_what_a_framework_trains_is_explained_and_packed(
    name: str, library: str, watched: Watched, tmp_path: Path, bench: ModuleType
) -> None:
    pytest.importorskip(library)
    program = BENCH / "nan_programs" / f"{name}.py"
    watched(str(program), folder=tmp_path)
    answer = bench._answer(origins(tmp_path)[0], program)
    assert answer.right(bench.truth_of(program)), answer
    again = subprocess.run(
        [sys.executable, str(tmp_path / "capsule" / "reproduce.py")], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stdout + again.stderr


def test_a_capsule_needs_nothing_of_the_doctor(watched: Watched, tmp_path: Path) -> None:
    run, elsewhere = tmp_path / "run", tmp_path / "elsewhere"
    run.mkdir()
    watched(str(BENCH / "nan_programs" / "sqrt_at_zero.py"), folder=run)
    shutil.copytree(run / "capsule", elsewhere)
    again = subprocess.run(
        [sys.executable, str(elsewhere / "reproduce.py")],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"OMP_NUM_THREADS": "1"},
    )
    assert "the same origin as in the run" in again.stdout
    assert "sqrt (domain)" in again.stdout


SURVIVOR = """
import sys, torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
torch.manual_seed(0)
torch.use_deterministic_algorithms(True)
model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
log = open(sys.argv[1], "w")
seen = []
data = TensorDataset(torch.randn(60, 4))
data.tensors[0][25] = -9
for (x,) in DataLoader(data, batch_size=6, shuffle=True, generator=torch.Generator().manual_seed(3)):
    log.write("batch %d\\n" % len(seen))
    log.flush()
    noise = torch.randn_like(x)
    out = model(x + 0.1 * noise)
    loss = (out.square().mean() + torch.log((x.sum(1) > -30).float()).mean())
    seen.append(float(loss))
    optimizer.zero_grad()
    loss.backward()
    if torch.isfinite(loss):
        optimizer.step()
    print(float(loss).hex(), torch.rand(1).item())
print([p.double().sum().item().hex() for p in model.state_dict().values()], len(seen))
"""


def test_training_goes_on_bit_for_bit_as_without_the_replay(watched: Watched, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with_probe = watched(SURVIVOR, tmp_path / "with.txt", folder=run)
    without = watched(SURVIVOR, tmp_path / "without.txt", folder=None)
    assert with_probe.returncode == 0, with_probe.stderr
    assert with_probe.stdout == without.stdout
    assert "inf" in without.stdout
    assert (tmp_path / "with.txt").read_bytes() == (tmp_path / "without.txt").read_bytes()
    assert [event.kind for event in only_process(run).events].count("nan_origin") == 1


HEALTHY = """
import torch
from torch import nn
torch.manual_seed(0)
embed, attend, head = nn.Embedding(9, 8), nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 9)
parameters = [*embed.parameters(), *attend.parameters(), *head.parameters()]
optimizer = torch.optim.AdamW(parameters, lr=0.01)
scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40)
causal = torch.triu(torch.full((6, 6), float("-inf")), 1)
for step in range(30):
    tokens = torch.randint(1, 9, (4, 6))
    tokens[0, 3:] = 0
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        x = embed(tokens)
        x, _ = attend(x, x, x, attn_mask=causal, key_padding_mask=tokens == 0, need_weights=step % 2 == 0)
        logits = head(x).masked_fill(torch.arange(9) == 0, float("-inf"))
    chosen = logits.float().log_softmax(-1)
    kept = torch.where(chosen.isinf(), torch.zeros(()), chosen)
    loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), tokens.clamp(min=1).flatten())
    loss = loss + 0.01 * (kept.exp() * kept).sum(-1).mean()
    scaler.scale(loss).backward()
    scaler.step(optimizer)
    scaler.update()
print(scaler.get_scale() < 2.0**40, bool(torch.isfinite(loss)))
"""


def test_masks_and_a_scaler_that_skips_are_healthy(watched: Watched, tmp_path: Path) -> None:
    done = watched(HEALTHY, folder=tmp_path)
    assert done.stdout == "True True\n", done.stderr
    assert origins(tmp_path) == ()


FLAKY = """
import sys, torch
from torch import nn

class Flaky(nn.Module):
    calls = 0
    def forward(self, x):
        self.calls += 1
        return x * float("nan") if self.calls == 3 else x

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(3, 3), Flaky(), nn.Linear(3, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for step in range(4):
    x = torch.ones(2, 3) * step
    loss = model(x).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


LARGE = """
import torch
weight = torch.nn.Parameter(torch.ones(2))
optimizer = torch.optim.SGD([weight], lr=1e-30)
for step in range(4):
    optimizer.zero_grad()
    (weight.sum() * 1e25).backward()
    optimizer.step()
print(bool(torch.isfinite(weight.grad).all()), bool(torch.isfinite(weight.grad.norm())))
"""


def test_gradients_of_which_only_the_norm_overflows_have_no_origin(watched: Watched, tmp_path: Path) -> None:
    done = watched(LARGE, folder=tmp_path)
    assert done.stdout == "True False\n", done.stderr
    assert origins(tmp_path) == ()


def test_what_does_not_come_again_is_said_to_differ(watched: Watched, tmp_path: Path) -> None:
    program = tmp_path / "flaky.py"
    program.write_text(FLAKY, "utf-8")
    run = tmp_path / "run"
    run.mkdir()
    watched(str(program), folder=run)
    (origin,) = origins(run)
    assert (origin.fault, origin.step) == ("differs", 3)


def test_of_code_without_a_source_only_the_graph_tells(watched: Watched, tmp_path: Path) -> None:
    watched(FLAKY.replace("self.calls == 3", "self.calls >= 3"), folder=tmp_path)
    found = origins(tmp_path)
    assert found
    assert found[0].fault == "early"


def test_a_replay_that_takes_too_long_is_given_up() -> None:
    from doctor.watching.probe.replay_child import in_child

    def sleep() -> dict[str, Any]:
        time.sleep(30)
        return {}

    assert in_child(sleep, 0.3)["failed"].startswith("running the step again took longer")


def test_a_replay_reaches_nothing_outside_itself(tmp_path: Path) -> None:
    from doctor.watching.probe.replay_child import in_child

    open_file = (tmp_path / "open.txt").open("w", encoding="utf-8")

    def harm() -> dict[str, Any]:
        open_file.write("x" * 100_000)
        open_file.flush()
        (tmp_path / "new.txt").write_text("made", "utf-8")
        return {}

    answer = in_child(harm, 20.0)
    open_file.close()
    assert answer["failed"].startswith("Forbidden: open")
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("open.txt", 0)]


def test_a_log_explains_nothing() -> None:
    with pytest.raises(NotApplicable):
        NanOrigins.measure(Run(path=Path("log.txt"), shown="log.txt", origin="log"))


@pytest.mark.parametrize(
    ("name", "node", "expected"),
    [
        ("addmm", "", "matmul"),
        ("_softmax", "", "softmax"),
        ("div", "SqrtBackward0", "sqrt"),
        ("mul", "MySquareBackward", "MySquare"),
        ("exp_", "", "exp"),
    ],
)
def test_operations_are_named_as_users_write_them(name: str, node: str, expected: str) -> None:
    assert operation_name(name, node) == expected
