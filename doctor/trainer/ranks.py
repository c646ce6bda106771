"""The processes of a training: one without a launcher, or as many as torchrun or `deepspeed` started."""

import logging
import os
import warnings
from dataclasses import dataclass
from typing import Any

ALONE = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
"""What a launcher would set; port 0 takes any free one."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """What is known of this process and its peers.

    Attributes
    ----------
    device : str
        cpu, or cuda:N.
    """

    rank: int
    world: int
    device: str

    @property
    def first(self) -> bool:
        """Whether this rank does what only one may do, such as writing files."""
        return self.rank == 0

    def mean(self, value: float) -> float:
        """Return the mean of a number over all ranks."""
        if self.world == 1:
            return value
        import torch
        from torch import distributed

        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        distributed.all_reduce(total)
        return float(total) / self.world

    def wait(self) -> None:
        """Wait until all ranks are here."""
        if self.world > 1:
            from torch import distributed

            distributed.barrier()


def launched_rank() -> int:
    """Return this process's rank as a launcher gave it; 0 without one."""
    return int(os.environ.get("RANK", "0"))


def start() -> Ranks:
    """Join the other ranks: over nccl with GPUs, over gloo without.

    Raises
    ------
    ImportError
        Where torch or DeepSpeed is not installed.
    """
    for name, value in ALONE.items():
        os.environ.setdefault(name, value)
    import torch

    deepspeed = quiet_deepspeed()
    # DeepSpeed uses older names of torch's; said at each update, that costs more than the update.
    warnings.filterwarnings("ignore", message="`torch.distributed", category=FutureWarning)
    gpu = torch.cuda.is_available()
    local = int(os.environ["LOCAL_RANK"])
    if gpu:
        torch.cuda.set_device(local)
    if not deepspeed.comm.is_initialized():
        deepspeed.init_distributed("nccl" if gpu else "gloo", verbose=False)
    return Ranks(
        rank=int(os.environ["RANK"]), world=int(os.environ["WORLD_SIZE"]), device=f"cuda:{local}" if gpu else "cpu"
    )


def quiet_deepspeed() -> Any:
    """Import DeepSpeed so that it compiles nothing on a CPU and only speaks up when something is wrong."""
    os.environ.setdefault("DS_ACCELERATOR", _accelerator())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from its own use of torch
        import deepspeed
        import deepspeed.ops
        from deepspeed.utils import logger

    # Without this, the first training compiles a library for shared memory for a minute or two; gloo does as well.
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    logger.setLevel(logging.ERROR)
    return deepspeed


def _accelerator() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
