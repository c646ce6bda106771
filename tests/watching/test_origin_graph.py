"""What the graph of a bad loss tells without running anything again."""

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from doctor.watching.probe.origin_graph import bad_input  # noqa: E402


def loss_of(rows: "torch.Tensor", model: "torch.nn.Module") -> "torch.Tensor":
    return torch.nn.functional.mse_loss(model(rows), torch.zeros(len(rows), 1))


def made() -> "torch.nn.Module":
    return torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))


def test_a_bad_row_of_the_input_is_named() -> None:
    rows = torch.ones(5, 3)
    rows[3, 1] = math.nan
    found = bad_input(loss_of(rows, made()))
    assert found is not None
    assert (found["where"], found["sample"], found["output"]["nan"]) == ("input", 3, 1)


def test_a_bad_weight_is_no_bad_input() -> None:
    model = made()
    with torch.no_grad():
        model[2].weight[0, 0] = math.nan
    assert bad_input(loss_of(torch.ones(5, 3), model)) is None


def test_what_an_operation_made_is_no_bad_input() -> None:
    weight = torch.zeros(3, requires_grad=True)
    assert bad_input((weight.log() * torch.ones(3)).sum()) is None


def test_a_loss_without_a_graph_tells_nothing() -> None:
    assert bad_input(torch.tensor(math.nan)) is None
