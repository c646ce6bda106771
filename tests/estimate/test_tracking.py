"""Models followed on fake tensors, held against what their training really takes; factories that misbehave."""

from pathlib import Path

import pytest

from doctor.errors import Unavailable, UsageError
from doctor.estimate.changes import cheapest
from doctor.estimate.peak import predicted
from doctor.estimate.tracking import Factory, Tracked, inputs_of, track
from doctor.estimate.training import Training

torch = pytest.importorskip("torch")

from bench import estimate_models  # noqa: E402  # needs torch

MODELS = Path(estimate_models.__file__)
ON_CPU = Training(device="cpu")
PATIENCE = 3600.0
GPU = torch.cuda.is_available()
BAD = """
import os
def raises():
    raise ValueError("the weights are elsewhere")
def takes_all():
    held = []
    while True:
        held.append(bytearray(10**8))
def leaves():
    os._exit(7)
def number():
    return 3
def hangs():
    while True:
        pass
"""


def followed(name: str, training: Training) -> Tracked:
    factory = Factory.named(f"{MODELS}:{name}")
    return track(factory, training, name=name, rows=None, seconds=PATIENCE, changes=name == "gpt")


@pytest.fixture(scope="module")
def known() -> dict[str, Tracked]:
    return {name: followed(name, ON_CPU) for name in estimate_models.FACTORIES}


@pytest.mark.slow
@pytest.mark.parametrize("name", estimate_models.FACTORIES)
def test_the_peak_is_foretold_within_a_tenth(name: str, known: dict[str, Tracked]) -> None:
    tracked = known[name]
    peak = predicted(tracked, ON_CPU.replaced(micro_batch=tracked.rows))
    assert peak is not None
    assert peak.total == pytest.approx(estimate_models.measured(getattr(estimate_models, name)), rel=0.1)
    assert tracked.model.parameters == sum(one.numel() for one in getattr(estimate_models, name)()[0].parameters())


@pytest.mark.skipif(not GPU, reason="needs a GPU")
@pytest.mark.parametrize("name", estimate_models.FACTORIES)
def test_the_peak_on_a_gpu_is_foretold_within_a_tenth(name: str) -> None:
    tracked = followed(name, Training())
    peak = predicted(tracked, Training(micro_batch=tracked.rows))
    assert peak is not None
    assert peak.total == pytest.approx(estimate_models.measured(getattr(estimate_models, name), "cuda"), rel=0.1)


def test_other_rows_and_checkpointing_are_foretold_from_the_same_runs(known: dict[str, Tracked]) -> None:
    plain, again = known["gpt"], known["gpt_checkpointed"]
    wrapped = predicted(plain, ON_CPU.replaced(micro_batch=8, checkpointing=True))
    own = predicted(again, ON_CPU.replaced(micro_batch=8))
    assert wrapped is not None
    assert own is not None
    assert wrapped.total == pytest.approx(own.total, rel=0.05)
    peak = predicted(plain, ON_CPU.replaced(micro_batch=5))
    assert peak is not None
    assert peak.total == pytest.approx(estimate_models.measured(lambda: estimate_models.gpt(5)), rel=0.1)


def test_the_change_that_is_advised_fits_in_truth(known: dict[str, Tracked]) -> None:
    training = ON_CPU.replaced(micro_batch=8)
    whole = estimate_models.measured(estimate_models.gpt)
    change = next(one for one in cheapest(known["gpt"], training, int(0.7 * whole)) if one.training.checkpointing)
    assert change.training.micro_batch == 8
    assert estimate_models.measured(estimate_models.gpt_checkpointed) <= 0.7 * whole


@pytest.mark.parametrize(
    ("factory", "error", "said"),
    [
        ("raises", Unavailable, r"the factory: ValueError: the weights are elsewhere \(bad.py:4\)"),
        ("takes_all", Unavailable, r"took more than the 1 GB it may .*MemoryError"),
        ("leaves", Unavailable, r"ended by itself \(exit status 7\)"),
        ("nothing", UsageError, r"bad.py has no 'nothing'"),
        ("number", UsageError, r"returned int, and no torch.nn.Module"),
    ],
)
def test_a_factory_that_fails_is_named_in_one_line(
    factory: str, error: type[Exception], said: str, tmp_path: Path
) -> None:
    (tmp_path / "bad.py").write_text(BAD, "utf-8")
    with pytest.raises(error, match=said) as raised:
        track(
            Factory.named(f"{tmp_path / 'bad.py'}:{factory}"),
            ON_CPU,
            name="it",
            rows=None,
            memory=10**9,
            seconds=PATIENCE,
        )
    assert len(str(raised.value).splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.py"]


def test_a_factory_that_never_returns_is_ended(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(BAD, "utf-8")
    with pytest.raises(Unavailable, match=r"was not built and followed within 1 s"):
        track(Factory.named(f"{tmp_path / 'bad.py'}:hangs"), ON_CPU, name="it", rows=None, seconds=1)


def test_a_model_of_transformers_is_built_from_its_configuration() -> None:
    pytest.importorskip("transformers")
    config = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_embd": 64,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": 300,
        "n_positions": 64,
    }
    training = Training(precision="bf16", sequence=64, micro_batch=4)
    tracked = track(config, training, name="config.json", rows=4, seconds=PATIENCE)
    assert tracked.model.parameters == 12 * 64 * 64 * 2 + 13 * 64 * 2 + 64 * (300 + 64) + 128
    assert {run.checkpointed for run in tracked.runs} == {False, True}


@pytest.mark.parametrize("text", ["", "3x", "x3", "3x224:int", "3:float8", "1x1x1x1x1x1x1x1x1", "-1"])
def test_an_input_that_is_no_shape_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--input"):
        inputs_of([text])


@pytest.mark.parametrize("text", ["", "module", ":f", "mod ule:f", "nowhere.py:f", "module:1f", "a..b:f"])
def test_a_factory_that_cannot_be_one_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        Factory.named(text)
