"""The keys that are shipped are those of the installed DeepSpeed, read anew from its source."""

import json
import runpy
from pathlib import Path

import pytest

from doctor.evidence.deepspeed_keys import key_table

ROOT = Path(__file__).resolve().parent.parent.parent


def test_the_shipped_table_is_that_of_the_installed_release() -> None:
    generator = runpy.run_path(str(ROOT / "scaffold" / "deepspeed_keys.py"))
    stored = json.loads(generator["TARGET"].read_text("utf-8"))
    assert generator["check"](stored, generator["installed"]()) == []


def test_a_key_that_is_gone_or_new_would_be_noticed() -> None:
    generator = runpy.run_path(str(ROOT / "scaffold" / "deepspeed_keys.py"))
    stored = json.loads(generator["TARGET"].read_text("utf-8"))
    package = generator["installed"]()
    if package.version not in stored["releases"]:
        pytest.skip("another release is installed")
    del stored["keys"]["gradient_clipping"]
    stored["keys"]["of_my_own"] = {"in": [stored["releases"].index(package.version)]}
    assert generator["check"](stored, package) == ["gradient_clipping", "of_my_own"]


@pytest.mark.parametrize(
    ("block", "key", "meant"),
    [
        ("", "gradient_cliping", "gradient_clipping"),
        ("", "train_micro_batch_size_per_device", "train_micro_batch_size_per_gpu"),
        ("", "Train-Batch-Size", "train_batch_size"),
        ("zero_optimization", "overlapcomm", "zero_optimization.overlap_comm"),
        ("zero_optimization.offload_optimizer", "pinned_memory", "zero_optimization.offload_optimizer.pin_memory"),
        ("", "overlap_comm", "zero_optimization.overlap_comm"),
        ("", "entirely_other", None),
        ("", "enabled", None),
    ],
)
def test_the_key_that_was_meant_is_the_nearest(block: str, key: str, meant: str | None) -> None:
    assert key_table().nearest(block, key) == meant
