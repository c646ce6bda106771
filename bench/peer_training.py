"""Runs a training program with torchmortem attached and a log for trainproof; started with the peers' Python.

    python peer_training.py FOLDER PROGRAM [ARGUMENT…]

What a user of each would write into the program is done from outside: `Autopsy(model, optimizer)` around the loop and
`step(loss=…)` after each optimizer step; a JSONL line per step with the names that trainproof reads; the Trainer's own
trainer_state.json where there is a Trainer. Nothing is done where the program has no torch optimizer.
"""

import gc
import json
import math
import os
import runpy
import sys
import time
from pathlib import Path

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import dataloader
from torchmortem import Autopsy

RANK = os.environ.get("RANK", "0")


class Observer:
    """Feeds both peers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = (folder / f"steps-{RANK}.jsonl").open("w")
        self.autopsy = None
        self.optimizer = None
        self.loss = math.nan
        self.norm = math.nan
        self.step = 0
        self.waited = 0.0
        self.last = time.perf_counter()

    def backward(self, tensors: object) -> None:
        """Keep the loss."""
        first = tensors if isinstance(tensors, torch.Tensor) else tensors[0]
        if first.numel() == 1:
            self.loss = float(first.detach())

    def before(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """Measure the gradients that the step will use."""
        parameters = [each for group in optimizer.param_groups for each in group["params"]]
        gradients = [each.grad for each in parameters if each.grad is not None and not each.grad.is_sparse]
        norms = torch._foreach_norm([each.float() for each in gradients]) if gradients else []
        self.norm = float(torch.stack(norms).norm()) if norms else 0.0

    def after(self, optimizer: torch.optim.Optimizer, *_: object) -> None:
        """Tell both peers of a step; the first optimizer that steps is the one followed."""
        if self.autopsy is None:
            self.attach(optimizer)
        if optimizer is not self.optimizer:
            return
        self.autopsy.step(loss=self.loss)
        now = time.perf_counter()
        line = {
            "step": self.step,
            "loss": self.loss,
            "grad_norm": self.norm,
            "lr": float(optimizer.param_groups[0]["lr"]),
            "step_time": now - self.last,
            "loader_time": self.waited,
        }
        self.log.write(json.dumps(line) + "\n")
        self.log.flush()
        self.step, self.last, self.waited = self.step + 1, now, 0.0

    def attach(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the smallest module that holds what the optimizer trains; else the largest there is."""
        trained = {id(each) for group in optimizer.param_groups for each in group["params"]}
        modules = [each for each in gc.get_objects() if isinstance(each, torch.nn.Module)]
        held = [({id(each) for each in module.parameters()}, module) for module in modules]
        whole = [pair for pair in held if trained <= pair[0]]
        _, model = (
            min(whole, key=lambda pair: len(pair[0])) if whole else max(held, key=lambda pair: len(pair[0] & trained))
        )
        self.optimizer = optimizer
        self.autopsy = Autopsy(model, optimizer=optimizer)
        self.autopsy.attach()

    def finish(self, complete: bool) -> None:
        """Have torchmortem write its report."""
        self.log.close()
        if self.autopsy is not None:
            self.autopsy.detach(is_complete=complete)
            self.autopsy.report(self.folder / f"torchmortem-{RANK}.json")


def install(observer: Observer) -> None:
    """Wrap what a user would have called by hand."""
    backward = torch.autograd.backward

    def watched(tensors: object, *arguments: object, **options: object) -> object:
        observer.backward(tensors)
        return backward(tensors, *arguments, **options)

    torch.autograd.backward = watched
    register_optimizer_step_pre_hook(observer.before)
    register_optimizer_step_post_hook(observer.after)
    following = dataloader._BaseDataLoaderIter.__next__

    def timed(self: object) -> object:
        begin = time.perf_counter()
        try:
            return following(self)
        finally:
            observer.waited += time.perf_counter() - begin

    dataloader._BaseDataLoaderIter.__next__ = timed


def keep_trainer_state(folder: Path) -> None:
    """Have transformers' Trainer save the state that it would write beside a checkpoint."""
    from transformers import Trainer

    train = Trainer.train

    def saving(self: Trainer, *arguments: object, **options: object) -> object:
        try:
            return train(self, *arguments, **options)
        finally:
            self.state.save_to_json(str(folder / f"trainer_state-{RANK}.json"))

    Trainer.train = saving


def main() -> None:
    """Run the program as the main one."""
    folder, program = Path(sys.argv[1]), Path(sys.argv[2])
    sys.argv = sys.argv[2:]
    sys.path[0] = str(program.parent)
    observer = Observer(folder)
    install(observer)
    if "transformers" in program.read_text("utf-8"):
        keep_trainer_state(folder)
    complete = False
    try:
        runpy.run_path(str(program), run_name="__main__")
        complete = True
    finally:
        observer.finish(complete)


if __name__ == "__main__":
    main()
