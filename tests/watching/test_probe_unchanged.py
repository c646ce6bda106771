from pathlib import Path

import pytest

from tests.watching.conftest import Watched, only_process

KINDS = ("plain", "scaler", "accumulation", "workers", "closures", "two_optimizers", "by_hand", "retained")


@pytest.mark.parametrize("kind", [*KINDS, "compiled", "scripted"])
def test_losses_are_the_same_to_the_last_bit(watched: Watched, tmp_path: Path, kind: str) -> None:
    without = watched("kinds.py", kind, folder=None)
    with_probe = watched("kinds.py", kind, folder=tmp_path)
    assert without.returncode == 0, without.stderr
    assert with_probe.stdout == without.stdout
    assert with_probe.stderr == without.stderr
    assert len(only_process(tmp_path).series["loss"]) >= 5


def test_function_transforms_are_left_alone(watched: Watched, tmp_path: Path) -> None:
    without = watched("kinds.py", "transformed", folder=None)
    assert without.returncode == 0, without.stderr
    assert watched("kinds.py", "transformed", folder=tmp_path).stdout == without.stdout
