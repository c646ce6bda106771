"""Sets what is foretold of ZeRO beside what a DeepSpeed engine holds.

    python bench/estimate_deepspeed.py

Trains the GPT of `estimate_models` for two updates on the CPU, over gloo, with 1 and 2 ranks, and adds up the storages
of all tensors that are alive on rank 0: between two updates, and at the end of a backward pass.
"""

import gc
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

BUCKET, PREFETCH = 200_000, 50_000
SETTINGS = [("bf16", stage, ranks) for stage in (0, 1, 2, 3) for ranks in (1, 2)] + [("fp32", 1, 2), ("fp32", 3, 2)]


def main() -> None:
    """Print one line per setting."""
    from doctor.estimate.states import states_of
    from doctor.estimate.training import Training

    print(
        "precision stage ranks | between updates: foretold MB  held MB  ratio | after backward: foretold  held  ratio"
    )
    for precision, stage, ranks in SETTINGS:
        said = run(precision, stage, ranks)
        training = Training(
            precision=precision, zero_stage=stage, ranks=ranks, bucket=BUCKET, prefetch=PREFETCH, device="cpu"
        )
        states = states_of(said["parameters"], said["parameters"], 192 * 2000, 192 * 2000, training)
        persistent = BUCKET * training.weight_bytes + states.held if stage == 3 else 0
        between = states.parameters + states.optimizer + persistent
        backward = between + states.left - (states.held if stage == 3 else 0)
        print(
            f"{precision:9} {stage:>5} {ranks:>5} | {between / 1e6:>28.2f} {said['between'] / 1e6:>8.2f}"
            f" {between / said['between']:>6.3f} | {backward / 1e6:>24.2f} {said['backward'] / 1e6:>5.2f}"
            f" {backward / said['backward']:>6.3f}"
        )


def run(precision: str, stage: int, ranks: int) -> dict[str, Any]:
    """Train in processes of their own; return what rank 0 says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(ranks):
        place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        environment = {**os.environ, **{name: str(value) for name, value in place.items()}, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "ignore", __file__, "train", precision, str(stage)]
        children.append(
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    outputs = [child.communicate() for child in children]
    lines = [line for line in outputs[0][0].splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(outputs[0][1][-2000:])
    said: dict[str, Any] = json.loads(lines[-1])
    return said


def train(precision: str, stage: int) -> None:
    """Train for two updates, and say what is held."""
    import deepspeed
    import deepspeed.ops
    import torch

    from bench.estimate_models import gpt

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    model, inputs, loss_of = gpt()
    parameters = sum(one.numel() for one in model.parameters())
    zero = {"stage": stage, "reduce_bucket_size": BUCKET, "stage3_prefetch_bucket_size": PREFETCH}
    config = {
        "train_micro_batch_size_per_gpu": 8,
        "bf16": {"enabled": precision == "bf16"},
        "zero_optimization": {**zero, "stage3_param_persistence_threshold": 0},
        "zero_allow_untested_optimizer": True,
    }
    optimizer = torch.optim.AdamW(model.parameters())
    engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
    backward = 0
    for _ in range(2):
        loss = loss_of(engine(*inputs))
        engine.backward(loss)
        del loss
        backward = held()
        engine.step()
    if engine.global_rank == 0:
        print(json.dumps({"parameters": parameters, "between": held(), "backward": backward}), flush=True)


def held() -> int:
    """Add up the storages of all tensors."""
    import torch

    gc.collect()
    sizes: dict[int, int] = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.Tensor) and thing.layout is torch.strided and thing.device.type == "cpu":
            for one in (thing, thing.grad if thing.is_leaf else None):
                if one is not None:
                    storage = one.untyped_storage()
                    sizes[storage.data_ptr()] = storage.nbytes()
    return sum(sizes.values())


if __name__ == "__main__":
    train(sys.argv[2], int(sys.argv[3])) if sys.argv[1:2] == ["train"] else main()
