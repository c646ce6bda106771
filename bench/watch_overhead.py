"""What watching costs: step times of a transformer of 10 million parameters, alone and with five ways to look at it.

Every variant trains in a process of its own; rounds of all variants are interleaved, and the median over rounds is
taken of each round's median step. Besides wall time, processor time is printed: on a machine that others use too it is
the steadier of the two. Ratios are to the training that nobody watches.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import doctor.watching

SITE = Path(doctor.watching.__file__).with_name("site")
VARIANTS = ("plain", "doctor", "parameter_hooks", "debug_underflow_overflow", "detect_anomaly")
WARM = 12
"""Steps that do not count: the probe looks at each of the first eight in full."""


def train(variant: str, steps: int, batch: int, device: str, clips: bool) -> None:
    """Train in this process, and print the steps' wall and processor times as JSON."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    width, tokens, words = 384, 64, 2000

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(words, width)
            layer = nn.TransformerEncoderLayer(width, 6, 4 * width, dropout=0.0, batch_first=True, norm_first=True)
            self.layers = nn.TransformerEncoder(layer, 5, enable_nested_tensor=False)
            self.head = nn.Linear(width, words)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            return self.head(self.layers(self.words(tokens)))

    model = Model().to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    data = torch.utils.data.TensorDataset(torch.randint(0, words, (4096, tokens + 1)))
    loader = iter(torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True))
    keep = prepare(variant, model)

    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    taken = []
    for _ in range(steps):
        wait()
        begin, began = time.perf_counter(), time.process_time()
        chunk = next(loader)[0].to(device)
        optimizer.zero_grad()
        logits = model(chunk[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), chunk[:, 1:].flatten())
        loss.backward()
        if clips:
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        wait()
        taken.append((time.perf_counter() - begin, time.process_time() - began))
    del keep
    size = sum(one.numel() for one in model.parameters())
    print(json.dumps({"steps": taken[WARM:], "parameters": size, "tensors": len(list(model.parameters()))}))


def prepare(variant: str, model: object) -> object:
    """Put a variant's own way of looking into the model."""
    import torch

    if variant == "parameter_hooks":  # as trackers do that log a histogram of every gradient
        kept: dict[str, torch.Tensor] = {}

        def hook(name: str, gradient: torch.Tensor) -> None:
            flat = gradient.detach().reshape(-1).float()
            kept[name] = torch.histc(flat, bins=64, min=float(flat.min()), max=float(flat.max()))

        for name, parameter in model.named_parameters():  # type: ignore[attr-defined]
            parameter.register_hook(lambda gradient, name=name: hook(name, gradient))
        return kept
    if variant == "debug_underflow_overflow":
        from transformers.debug_utils import DebugUnderflowOverflow

        return DebugUnderflowOverflow(model)
    if variant == "detect_anomaly":
        return torch.autograd.set_detect_anomaly(True)
    return None


def measured(variant: str, options: argparse.Namespace) -> dict[str, object]:
    """Run one variant in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        watch = {"PYTHONPATH": str(SITE), "DOCTOR_RUN_DIR": folder} if variant == "doctor" else {}
        threads = {"OMP_NUM_THREADS": str(options.threads)}
        arguments = ["--train", variant, "--steps", str(options.steps), "--batch", str(options.batch)]
        arguments += ["--no-clip"] if options.no_clip else []
        done = subprocess.run(
            [sys.executable, __file__, *arguments, "--device", options.device],
            env=os.environ | watch | threads,
            capture_output=True,
            text=True,
            check=True,
        )
        if variant == "doctor" and not list(Path(folder).glob("*.steps.ring")):
            raise RuntimeError("the probe recorded nothing")
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    """Measure all variants in turn, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--train", choices=VARIANTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-clip", action="store_true", help="do not clip: the probe must take the norms itself")
    parser.add_argument("--variants", nargs="+", default=VARIANTS, choices=VARIANTS)
    options = parser.parse_args()
    if options.train:
        train(options.train, options.steps, options.batch, options.device, not options.no_clip)
        return
    wall: dict[str, list[float]] = {name: [] for name in options.variants}
    busy: dict[str, list[float]] = {name: [] for name in options.variants}
    for round_ in range(options.rounds):
        order = options.variants if round_ % 2 == 0 else options.variants[::-1]
        for name in order:
            answer = measured(name, options)
            wall[name].append(statistics.median(step[0] for step in answer["steps"]))  # type: ignore[attr-defined]
            busy[name].append(statistics.median(step[1] for step in answer["steps"]))  # type: ignore[attr-defined]
    print(f"{answer['parameters']:,} parameters in {answer['tensors']} tensors, {options.device}, ", end="")
    print(
        f"{options.threads} thread(s), {options.rounds} rounds of {options.steps - WARM} steps, {platform.machine()}\n"
    )
    print("| variant | step, ms | ratio | processor, ms | ratio |\n|---|---|---|---|---|")
    for name in options.variants:
        step, work = statistics.median(wall[name]), statistics.median(busy[name])
        first, second = statistics.median(wall["plain"]), statistics.median(busy["plain"])
        print(f"| {name} | {step * 1e3:.1f} | {step / first:.4f} | {work * 1e3:.1f} | {work / second:.4f} |")


if __name__ == "__main__":
    main()
