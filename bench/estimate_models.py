"""Models whose memory is foretold and measured, as factories: each returns a model, what goes in, and a loss.

`measured` trains one of them for real and returns the most that torch's allocator had given out at once.
"""

import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Made = tuple[nn.Module, tuple[torch.Tensor, ...], Callable[[Any], torch.Tensor]]
FACTORIES = ("mlp", "cnn", "gpt", "gpt_checkpointed")
UPDATES = 2
"""From the second one on the optimizer's state is there in the backward pass."""


class Block(nn.Module):
    """A layer of a GPT: attention and two matrices, each behind a norm."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.projections, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.inner = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Add attention and the rest to the stream."""
        rows, length, width = x.shape
        parts = self.projections(self.before(x)).view(rows, length, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(rows, length, width))
        return x + self.inner(self.between(x))


class Gpt(nn.Module):
    """A small GPT, its blocks computed again in the backward pass where that is asked for."""

    def __init__(self, words: int, width: int, depth: int, length: int, *, again: bool) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(words, width), nn.Parameter(torch.zeros(length, width))
        self.blocks = nn.ModuleList(Block(width, 4) for _ in range(depth))
        self.last, self.head = nn.LayerNorm(width), nn.Linear(width, words, bias=False)
        self.again = again

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return a score for each word at each place."""
        x = self.words(ids) + self.places
        for block in self.blocks:
            x = checkpoint(block, x, use_reentrant=False) if self.again else block(x)
        return self.head(self.last(x))


def mlp(batch: int = 2048) -> Made:
    """Five layers, with a batch that takes more than the weights."""
    layers = [layer for _ in range(4) for layer in (nn.Linear(512, 512), nn.ReLU())]
    model = nn.Sequential(*layers, nn.Linear(512, 10))
    classes = torch.zeros(batch, dtype=torch.int64)
    return model, (torch.zeros(batch, 512),), lambda scores: nn.functional.cross_entropy(scores, classes)


def cnn(batch: int = 16) -> Made:
    """Convolutions with norms, in which activations are nearly all there is."""
    sizes = (3, 32, 64, 128, 128)
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(sizes):
        layers += [
            nn.Conv2d(before, after, 3, padding=1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    model = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 100))
    classes = torch.zeros(batch, dtype=torch.int64)
    return model, (torch.zeros(batch, 3, 96, 96),), lambda scores: nn.functional.cross_entropy(scores, classes)


def _gpt(batch: int, *, again: bool) -> Made:
    model = Gpt(2000, 192, 6, 128, again=again)
    ids = torch.zeros(batch, 128, dtype=torch.int64)
    return model, (ids,), lambda scores: nn.functional.cross_entropy(scores.flatten(0, 1), ids.flatten())


def gpt(batch: int = 8) -> Made:
    """Six layers."""
    return _gpt(batch, again=False)


def gpt_checkpointed(batch: int = 8) -> Made:
    """The same, with activation checkpointing."""
    return _gpt(batch, again=True)


def measured(made: Callable[[], Made], device: str = "cpu") -> int:
    """Train with Adam, and return the most bytes that were given out at once.

    On a CPU by the profiler's record of every allocation, on a GPU by the allocator's own count.
    """
    if device != "cpu":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        with torch.device(device):
            _train(made)
        return int(torch.cuda.max_memory_allocated(device)) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        _train(made)
    events = profile.profiler.kineto_results.events()
    allocations = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    inuse = peak = 0
    for _, size in allocations:
        inuse += size
        peak = max(peak, inuse)
    return peak


def _train(made: Callable[[], Made]) -> None:
    model, inputs, loss_of = made()
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(UPDATES):
        optimizer.zero_grad()
        loss_of(model(*inputs)).backward()
        optimizer.step()
