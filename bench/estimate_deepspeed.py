"""Sets what is foretold of ZeRO beside what a DeepSpeed engine holds.

    python bench/estimate_deepspeed.py

Trains the GPT of `estimate_models` for two updates on the CPU, over gloo, with 1 and 2 ranks, and adds up the storages
of all tensors that are alive on rank 0: between two updates, and at the end of a backward pass. The peak is that of
forward and backward pass of the second update, by the profiler's record of every allocation.
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

BUCKET = 4_000_000
SETTINGS = [("bf16", stage, ranks) for stage in (0, 1, 2, 3) for ranks in (1, 2)] + [("fp32", 1, 2), ("fp32", 3, 2)]


def main() -> None:
    """Print one line per setting."""
    from doctor.estimate.peak import BACKWARD, predicted
    from doctor.estimate.states import states_of
    from doctor.estimate.tracking import Factory, track
    from doctor.estimate.training import Training

    factory = Factory.named(f"{Path(__file__).with_name('estimate_models.py')}:gpt")
    passes = {
        precision: track(factory, Training(precision=precision, device="cpu"), name="gpt", rows=None)
        for precision in ("bf16", "fp32")
    }
    print("foretold MB, measured MB, ratio | between updates        | after backward         | peak of the passes")
    print("precision stage ranks")
    for precision, stage, ranks in SETTINGS:
        said = run(precision, stage, ranks)
        training = Training(
            precision=precision,
            zero_stage=stage,
            ranks=ranks,
            bucket=BUCKET,
            device="cpu",
            micro_batch=8,
        )
        states = states_of(said["parameters"], said["parameters"], 192 * 2000, 192 * 2000, training)
        persistent = BUCKET * training.weight_bytes + states.held if stage == 3 else 0
        between = states.parameters + states.optimizer + persistent
        backward = between + states.left - (states.held if stage == 3 else 0)
        peak = predicted(passes[precision], training, when=BACKWARD)
        assert peak is not None
        pairs = ((between, said["between"]), (backward, said["backward"]), (peak.total, said["peak"]))
        told = " | ".join(f"{one / 1e6:>7.2f} {real / 1e6:>7.2f} {one / real:>6.3f}" for one, real in pairs)
        print(f"{precision:9} {stage:>5} {ranks:>5}           | {told}", flush=True)


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
    parameters = sum(one.numel() for one in gpt()[0].parameters())
    zero = {"stage": stage, "reduce_bucket_size": BUCKET}
    config = {
        "train_micro_batch_size_per_gpu": 8,
        "bf16": {"enabled": precision == "bf16"},
        "zero_optimization": {**zero, "stage3_param_persistence_threshold": 0},
        "zero_allow_untested_optimizer": True,
    }
    backward = 0
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        model, inputs, loss_of = gpt()
        optimizer = torch.optim.AdamW(model.parameters())
        engine, *_ = deepspeed.initialize(model=model, optimizer=optimizer, config=config)
        for number in range(2):
            with torch.profiler.record_function(f"update {number}"):
                engine.backward(loss_of(engine(*inputs)))
            backward = held()
            engine.step()
    if engine.global_rank == 0:
        said = {"parameters": parameters, "between": held(), "backward": backward, "peak": peak_of(profile, "update 1")}
        print(json.dumps(said), flush=True)


def peak_of(profile: Any, name: str) -> int:
    """Return the most bytes that were given out at once within a named part."""
    events = profile.profiler.kineto_results.events()
    (part,) = (event for event in events if event.name() == name)
    begin, end = part.start_ns(), part.start_ns() + part.duration_ns()
    inuse = peak = 0
    for start, size in sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]"):
        inuse += size
        if begin <= start <= end:
            peak = max(peak, inuse)
    return peak


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
