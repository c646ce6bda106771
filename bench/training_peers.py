"""Runs torchmortem and trainproof on the programs and says what their findings are worth.

Both are applied as their authors describe, without editing a program: `peer_training.py` attaches torchmortem's
`Autopsy` to the model and calls its `step`, and writes the log that `trainproof epoch` reads.
"""

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent

TORCHMORTEM = {
    "Vanishing gradients": "numerics/vanishing-gradients",
    "Gradient stalling": "numerics/vanishing-gradients",
    "Gradient starvation": "numerics/vanishing-gradients",
    "Exploding gradients": "numerics/exploding-gradients",
    "Instability feedback": "numerics/exploding-gradients",
    "Weight norm explosion": "numerics/exploding-gradients",
    "Dead units": "numerics/dead-units",
    "Activation saturation": "numerics/saturated-activations",
    "Update ratio": "learning/learning-rate-misconfigured",
    "Stagnant weight norms": "learning/learning-rate-misconfigured",
    "Training divergence": "learning/divergence",
    "Loss plateau": "learning/not-converging",
    "Catapult phase": "learning/loss-spike",
}
"""What a title of torchmortem's would be called here; the others have no counterpart."""

TRAINPROOF = {
    "TP-NAN": "numerics/non-finite-loss",
    "TP-NAN-GRAD": "numerics/non-finite-loss",
    "TP-DIVERGE": "learning/divergence",
    "TP-DEAD-RUN": "learning/not-converging",
    "TP-FLAT": "learning/not-converging",
    "TP-GRAD-SPIKE": "numerics/exploding-gradients",
    "TP-ZERO-GRAD": "numerics/vanishing-gradients",
    "TP-ZERO-LOSS": "numerics/masked-non-finite",
    "TP-ZERO-LOSS-ONSET": "numerics/masked-non-finite",
    "TP-ZERO-LR": "learning/learning-rate-misconfigured",
    "TP-ZERO-LR-PARTIAL": "learning/learning-rate-misconfigured",
    "TP-OVERFIT": "learning/overfitting",
    "TP-LOADER-BOUND": "hardware/dataloader-stall",
    "TP-GPU-UTIL": "hardware/low-utilisation",
}
"""The same for trainproof's rules."""

PEERS = ("torchmortem", "trainproof", "trainproof, means")
MEANS = 50
"""Lines of a log as trainers write it: each the mean of several steps. trainproof compares single lines, so that the
noise of steps may look like a course to it."""
ORDER = {"critical": 0, "FAIL": 0, "warning": 1, "WARN": 1}


def compare(
    wanted: Sequence[tuple], python: Path, work: Path, run: Callable[..., int | None], patience: float = 1.0
) -> list[str]:
    """Run both peers on all programs and lay out what they said, with totals."""
    says = " | | ".join(f"{peer} says" for peer in PEERS)
    sick = [f"| program | {says} | | ended with |", "|---" * (2 + 2 * len(PEERS)) + "|"]
    well = [f"| healthy program | seed | {' | '.join(PEERS)} | ended with |", "|---" * (3 + len(PEERS)) + "|"]
    counts = {peer: Counter() for peer in PEERS}
    for program, seed in wanted:
        folder = work / f"peers-{program.name}-{program.twin}-{seed}"
        command = program.at_seed(seed, [str(python), str(HERE / "peer_training.py"), str(folder)])
        run_once(command, folder, partial(run, limit_seconds=patience * program.limit_seconds))
        said = {
            "torchmortem": of_torchmortem(folder),
            "trainproof": of_trainproof(folder, python, "steps"),
            "trainproof, means": of_trainproof(folder, python, "means"),
        }
        if program.twin == "sick":
            words = {peer: worth(program, told) for peer, told in said.items()}
            for peer, word in words.items():
                counts[peer][word] += 1
            cells = [f"{_first(said[peer])} | {words[peer]}" for peer in PEERS]
            sick.append(f"| {program.name} | {' | '.join(cells)} | {_ended(folder)} |")
        else:
            for peer, told in said.items():
                counts[peer]["healthy"] += 1
                counts[peer]["false alarm"] += bool(told)
            cells = [_first(said[peer]) for peer in PEERS]
            well.append(f"| {program.name} | {seed} | {' | '.join(cells)} | {_ended(folder)} |")
    return ["## Peers", "", *sick, "", *well, "", *(_total(peer, counts[peer]) for peer in PEERS), ""]


def run_once(command: Sequence[str], folder: Path, run: Callable[..., int | None]) -> None:
    """Run a program, unless an earlier comparison that kept its files has run it to its end."""
    ended = folder / "ended"
    if ended.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    begin = time.perf_counter()
    status = run(command, log=folder / "log")
    seconds = time.perf_counter() - begin
    word = "stopped at the limit" if status is None else f"status {status}"
    ended.write_text(f"{word} after {seconds:.0f} s\n", "utf-8")
    print(f"{folder.name}: {word}, {seconds:.0f} s", file=sys.stderr, flush=True)


def _ended(folder: Path) -> str:
    return (folder / "ended").read_text("utf-8").strip()


def of_torchmortem(folder: Path) -> list[tuple[str, str | None]] | None:
    """Return (title, our id) of its findings above information, gravest first; None where there is no report."""
    files = sorted(folder.glob("torchmortem-*.json"))
    if not files:
        return None
    grave = [
        (ORDER[finding["severity"]], finding["title"])
        for file in files
        for finding in json.loads(file.read_text("utf-8"))["findings"]
        if finding["severity"] in ORDER
    ]
    titles = [title for _, title in sorted(grave, key=lambda each: each[0])]
    return [
        (title, next((id for words, id in TORCHMORTEM.items() if title.startswith(words)), None)) for title in titles
    ]


def write_means(folder: Path) -> None:
    """Write each log of single steps again as one of up to `MEANS` lines."""
    for log in folder.glob("steps-*.jsonl"):
        lines = [json.loads(line) for line in log.read_text("utf-8").splitlines()]
        size = -(-len(lines) // MEANS)
        blocks = [lines[begin : begin + size] for begin in range(0, len(lines), size)] if lines else []
        means = [
            {name: sum(line[name] for line in block) / len(block) for name in block[0]}
            | {"step": block[-1]["step"], "lr": block[-1]["lr"]}
            for block in blocks
        ]
        text = "".join(json.dumps(line) + "\n" for line in means)
        (folder / log.name.replace("steps", "means")).write_text(text, "utf-8")


def of_trainproof(folder: Path, python: Path, kind: str) -> list[tuple[str, str | None]] | None:
    """Return (rule, our id) of its failures and warnings, gravest first; None where there is no log.

    `kind` is "steps" or "means"; where the Trainer wrote a state of its own, that is read.
    """
    reports = []
    write_means(folder)
    logs = sorted(folder.glob("trainer_state-*.json")) or sorted(folder.glob(f"{kind}-*.jsonl"))
    for log in logs:
        layout = "hf" if log.suffix == ".json" else "jsonl"
        command = [str(python), "-m", "trainproof", "epoch", str(log), "--format", layout, "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        reports += json.loads(done.stdout)["reports"]
    if not reports:
        return None
    findings = [finding for report in reports for finding in report["findings"] if finding["level"] in ORDER]
    return [(each["id"], TRAINPROOF.get(each["id"])) for each in sorted(findings, key=_order)]


def _order(finding: dict) -> int:
    return ORDER[finding["level"]]


def worth(program: object, told: list[tuple[str, str | None]] | None) -> str:
    """Say what the first finding is worth, by the same rule as ours."""
    if told is None:
        return "no report"
    if not told:
        return "silent"
    top = told[0][1]
    if top is not None and (top == program.cause or top in program.equally):
        return "right"
    return "symptom" if top in program.also else "wrong"


def _first(told: list[tuple[str, str | None]] | None) -> str:
    if told is None:
        return "no report"
    return told[0][0] + (f" and {len(told) - 1} more" if len(told) > 1 else "") if told else "–"


def _total(peer: str, count: Counter) -> str:
    words = ("right", "symptom", "wrong", "silent", "no report")
    total = sum(count[word] for word in words)
    rest = ", ".join(f"{word} {count[word]}" for word in words[1:])
    return (
        f"- {peer}: top-1 right **{count['right']} of {total}** ({rest}); "
        f"false alarms **{count['false alarm']} of {count['healthy']}** healthy runs"
    )
