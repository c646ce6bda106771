import json
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import FIXTURES
from tests.watching.conftest import Watched, only_process

pytest.importorskip("deepspeed")
COLLAPSE = FIXTURES / "programs" / "deepspeed_zero1_scale_collapse" / "sick.py"


def steps_of(output: str) -> list[dict[str, list[float]]]:
    line = next(line for line in output.splitlines() if line.startswith("STEPS "))
    steps: list[dict[str, list[float]]] = json.loads(line.removeprefix("STEPS "))
    return steps


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "precision"), [(0, "fp32"), (1, "bf16"), (2, "fp32"), (3, "bf16")])
def test_an_engine_is_watched_and_not_changed(watched: Watched, tmp_path: Path, stage: int, precision: str) -> None:
    without = watched("engine.py", stage, precision, folder=None)
    done = watched("engine.py", stage, precision, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    steps = steps_of(done.stdout)
    assert steps == steps_of(without.stdout)
    process = only_process(tmp_path)
    assert process.series["loss"].steps.tolist() == list(range(1, len(steps) + 1))
    np.testing.assert_allclose(process.series["loss"].values, [np.mean(one["losses"]) for one in steps], rtol=1e-6)
    assert set(process.series["backwards"].values) == {2.0}
    assert not process.series["skipped"].values.any()
    if steps[0]["norm"] is not None:
        np.testing.assert_allclose(process.series["grad_norm"].values, [one["norm"] for one in steps], rtol=1e-5)
    (described,) = (event.facts for event in process.events if event.kind == "model")
    assert [tensor["shape"] for tensor in described["tensors"]] == [[32, 8], [32], [3, 32], [3]]


@pytest.mark.slow
def test_the_update_in_which_the_scale_can_fall_no_further_is_on_record(watched: Watched, tmp_path: Path) -> None:
    done = watched(COLLAPSE.read_text("utf-8"), folder=tmp_path)
    assert "already at minimum" in done.stderr
    process = only_process(tmp_path)
    assert process.series["skipped"].values.tolist() == [1.0] * 17
    assert process.series["loss_scale"].values.tolist() == [2.0**power for power in range(16, -1, -1)]
