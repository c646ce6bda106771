"""False alarms of the checks on runs, on simulated healthy ones, and their recall on planted faults.

`python bench/calibrate_runs.py [--runs N] [--seed S]` prints a table of healthy families with the alarms (warnings and
errors of any check of the families learning and numerics), a table of planted faults with the share found, and the time
that all these checks take on 24,000 records.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doctor.case import case_of_run
from doctor.engine import examine
from doctor.model import Report, Severity
from doctor.settings import Settings, settings_for
from doctor.subjects.run import Event, Process, Run, Series

Floats = NDArray[np.float64]
Quantities = dict[str, Floats]
Random = np.random.Generator


def noise(random: Random, steps: int, *, size: float = 0.1, memory: float = 0.3, tails: float = 4.0) -> Floats:
    """Return autoregressive noise about 0 with Student's tails."""
    shocks = random.standard_t(tails, steps) * size
    values = np.empty(steps)
    level = 0.0
    for place, shock in enumerate(shocks):
        level = memory * level + shock
        values[place] = level
    return values


def falling(random: Random, steps: int) -> Floats:
    """Return losses that fall exponentially from one level to another."""
    start, end = random.uniform(0.7, 10), random.uniform(0.001, 0.6)
    pace = steps * random.uniform(0.03, 0.4)
    course = end + (start - end) * np.exp(-np.arange(steps) / pace)
    return course * np.exp(np.clip(noise(random, steps, size=random.uniform(0.02, 0.15)), -1, 2))


def norms(random: Random, steps: int, spread: float = 0.4) -> Floats:
    """Return gradient norms, log-normal with tails."""
    return np.exp(random.normal(0, 1) + noise(random, steps, size=spread, memory=0.2))


def usual(random: Random, steps: int) -> Quantities:
    """Simulate: a loss that falls, with noise."""
    return {"loss": falling(random, steps), "grad_norm": norms(random, steps), "learning_rate": np.full(steps, 1e-3)}


def cyclic(random: Random, steps: int) -> Quantities:
    """Simulate: a rate that goes up and down, and the loss with it."""
    phase = np.arange(steps) * 2 * np.pi / random.integers(30, 200)
    rate = 1e-3 * (0.01 + (1 + np.cos(phase)) / 2)
    loss = falling(random, steps) * (1 + random.uniform(0.1, 0.8) * (1 + np.cos(phase)) / 2)
    return {"loss": loss, "grad_norm": norms(random, steps) * (1 + (1 + np.cos(phase))), "learning_rate": rate}


def curriculum(random: Random, steps: int) -> Quantities:
    """Simulate: two jumps to harder tasks."""
    loss, norm = falling(random, steps), norms(random, steps)
    for begin in random.integers(steps // 5, steps - steps // 5, 2):
        after = np.arange(steps - begin)
        jump = random.uniform(1.5, 6) * np.exp(-after / random.uniform(10, 60))
        loss[begin:] *= 1 + jump
        norm[begin:] *= 1 + random.uniform(0.5, 3) * jump
    return {"loss": loss, "grad_norm": norm, "learning_rate": np.full(steps, 1e-3)}


def rewards(random: Random, steps: int) -> Quantities:
    """Simulate: a random walk about 0 with tails."""
    loss = np.cumsum(random.normal(0, 0.05, steps)) + random.standard_t(3, steps) * random.uniform(0.2, 3)
    return {"loss": loss, "grad_norm": norms(random, steps, 0.7), "learning_rate": np.full(steps, 3e-4)}


def adversaries(random: Random, steps: int) -> Quantities:
    """Simulate: a discriminator that guesses and a generator whose loss rises."""
    track = np.arange(steps) % 2.0
    discriminator = np.log(2) * np.exp(noise(random, steps, size=0.15))
    generator = 0.7 + np.linspace(0, random.uniform(0, 6), steps) * np.exp(noise(random, steps, size=0.3))
    return {
        "track": track,
        "loss": np.where(track == 0, discriminator, generator),
        "grad_norm": norms(random, steps, 0.8),
        "learning_rate": np.full(steps, 2e-4),
    }


def language(random: Random, steps: int) -> Quantities:
    """Simulate: a power law with warm-up, decay and clipping."""
    loss = random.uniform(1.5, 3) + 8 * (1 + np.arange(steps)) ** -random.uniform(0.2, 0.5)
    return {
        "loss": loss + random.normal(0, 0.08, steps),
        "grad_norm": np.maximum(0.2, norms(random, steps, 0.3)),
        "max_norm": np.ones(steps),
        "learning_rate": np.minimum(np.arange(steps) / 50, 1) * 3e-4 * np.linspace(1, 0, steps),
    }


def fine_tuned(random: Random, steps: int) -> Quantities:
    """Simulate: a loss that is flat from the start."""
    loss = random.uniform(0.2, 2.5) * np.exp(noise(random, steps, size=random.uniform(0.05, 0.4)))
    return {"loss": loss, "grad_norm": norms(random, steps), "learning_rate": np.linspace(2e-5, 0, steps)}


def interpolating(random: Random, steps: int) -> Quantities:
    """Simulate: a loss that goes to 0 while norms vary ever more."""
    fade = np.exp(-np.arange(steps) / (steps / random.uniform(4, 9)))
    loss = 2.3 * fade * np.exp(noise(random, steps, size=0.5))
    return {"loss": loss, "grad_norm": fade**0.7 * norms(random, steps, 0.9), "learning_rate": np.full(steps, 0.01)}


def evaluated(random: Random, steps: int) -> Quantities:
    """Simulate: evaluations at 20 points that get worse by up to 8 %."""
    known = usual(random, steps)
    every = max(10, steps // 20)
    at = np.arange(steps) % every == every - 1
    evaluation = (0.3 + 0.7 * np.exp(-np.arange(steps) / (steps / 5))) * np.exp(random.normal(0, 0.04, steps))
    evaluation *= 1 + np.linspace(0, random.uniform(0, 0.08), steps)
    accuracy = np.clip(0.95 - 0.45 * np.exp(-np.arange(steps) / (steps / 5)), 0, 1)
    known["evaluation_loss"] = np.where(at, evaluation, -np.inf)
    known["accuracy"] = random.binomial(64, accuracy) / 64
    known["evaluation_accuracy"] = np.where(at, random.binomial(500, accuracy - random.uniform(0, 0.08)) / 500, -np.inf)
    return known


def logged(random: Random, steps: int) -> Quantities:
    """Simulate: every tenth loss, and nothing but the rate."""
    known = {"loss": falling(random, steps), "learning_rate": np.linspace(1e-3, 0, steps)}
    rest = np.arange(steps) % 10 != 9
    return {name: np.where(rest, -np.inf, values) for name, values in known.items()}


def scaled(random: Random, steps: int) -> Quantities:
    """Simulate: a few skips at the start, and rare ones later."""
    known = usual(random, steps)
    skips = random.random(steps) < 0.01
    skips[: random.integers(0, 7)] = True
    known["skipped"] = skips.astype(float)
    known["loss_scale"] = 65536.0 * 2.0 ** -np.minimum(np.cumsum(skips), 9)
    known["grad_norm"] = np.where(skips, np.nan, known["grad_norm"])
    return known


HEALTHY: Mapping[str, Callable[[Random, int], Quantities]] = {
    "exponential fall, autoregressive noise with tails": usual,
    "cyclic learning rate": cyclic,
    "curriculum with two jumps": curriculum,
    "noisy losses about 0 (REINFORCE)": rewards,
    "two optimizers (GAN)": adversaries,
    "language model, warm-up and decay, clipped": language,
    "fine-tuning, flat": fine_tuned,
    "down to interpolation, heavy-tailed norms": interpolating,
    "evaluated, slightly worse at the end": evaluated,
    "log with every tenth loss": logged,
    "loss scaler that finds its range": scaled,
}


def exploding(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: norms that are multiplied at once, and a loss that follows."""
    known = usual(random, steps)
    begin = int(random.integers(steps // 4, steps // 2))
    known["grad_norm"][begin : begin + 3] *= strength
    known["grad_norm"][begin + 3 :] *= strength
    known["loss"][begin + 1 :] = 8 * known["loss"][:5].max() * np.exp(noise(random, steps - begin - 1, size=0.1))
    return known


def diverging(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: a loss that grows to a multiple of its start and stays."""
    known = usual(random, steps)
    begin = int(random.integers(steps // 10, steps // 2))
    growth = np.arange(steps - begin) / (steps - begin)
    level = known["loss"][:5].mean()
    known["loss"][begin:] = np.maximum(
        known["loss"][begin:],
        known["loss"][begin] * (strength * level / known["loss"][begin]) ** np.minimum(1.25 * growth, 1),
    )
    return known


def spiking(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: one batch with a multiple of the loss."""
    known = usual(random, steps)
    place = int(random.integers(steps // 4, steps - 30))
    known["loss"][place] = strength * np.median(known["loss"][place - 50 : place])
    known["grad_norm"][place] *= 5 * strength
    return known


def guessing(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: ten classes, and a loss next to ln 10."""
    loss = (1 - strength) * np.log(10) + random.normal(0, 0.02, steps)
    return {"loss": loss, "criterion_loss": loss, "learning_rate": np.full(steps, 1e-3)}


def rising(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: an evaluation loss that turns upwards."""
    known = evaluated(random, steps)
    later = np.maximum(0, np.arange(steps) - 0.4 * steps) / (0.6 * steps)
    known["evaluation_loss"] = known["evaluation_loss"] * (1 + 1.8 * strength * later)
    known["loss"] = 0.02 + 2 * np.exp(-np.arange(steps) / (steps / 6)) * np.exp(random.normal(0, 0.1, steps))
    return {name: known[name] for name in ("loss", "evaluation_loss")}


def gap(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: accuracies that differ."""
    known = evaluated(random, steps)
    shown = known["evaluation_accuracy"] > 0
    known["accuracy"] = random.binomial(64, 0.98, steps) / 64
    known["evaluation_accuracy"] = np.where(shown, random.binomial(500, 0.98 - strength, steps) / 500, -np.inf)
    return {name: known[name] for name in ("loss", "accuracy", "evaluation_accuracy")}


def ended(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: a schedule that is over early."""
    known = usual(random, steps)
    known["learning_rate"] = 1e-3 * np.maximum(0, 1 - np.arange(steps) / ((1 - strength) * steps))
    return known


def collapsing(random: Random, steps: int, strength: float) -> Quantities:
    """Simulate: updates that are skipped at random."""
    known = usual(random, steps)
    skips = random.random(steps) < strength
    known["skipped"] = skips.astype(float)
    known["loss_scale"] = np.maximum(65536.0 * 2.0 ** -np.cumsum(skips), 2.0**-30)
    return known


FAULTS: Mapping[str, tuple[str, Callable[[Random, int, float], Quantities], tuple[float, ...]]] = {
    "gradients times": ("numerics/exploding-gradients", exploding, (10, 100, 10_000)),
    "end over start of the loss": ("learning/divergence", diverging, (5, 15, 100)),
    "spike over the level": ("learning/loss-spike", spiking, (5, 15, 50)),
    "share of the guessing loss won": ("learning/not-converging", guessing, (0.0, 0.01, 0.05)),
    "rise of the evaluation loss": ("learning/overfitting", rising, (0.15, 0.4, 1.0)),
    "accuracy lost in evaluation": ("learning/overfitting", gap, (0.1, 0.2, 0.37)),
    "share of steps after the schedule": ("learning/learning-rate-misconfigured", ended, (0.1, 0.3, 0.9)),
    "share of updates skipped": ("numerics/loss-scale-collapse", collapsing, (0.02, 0.1, 0.6)),
}
CRITERION = Event(
    kind="criterion",
    step=1,
    facts={
        "name": "cross_entropy",
        "classes": 10,
        "prior_loss": float(np.log(10)),
        "targets": 10_000,
        "reduction": "mean",
    },
)


def run_of(quantities: Quantities, events: tuple[Event, ...] = ()) -> Run:
    """Return a run with these quantities; −inf means that nothing was recorded there."""
    length = len(next(iter(quantities.values())))
    steps = np.arange(1, length + 1)
    series = {
        name: Series(steps[values != -np.inf], values[values != -np.inf].astype(float))
        for name, values in ({"track": np.zeros(length)} | quantities).items()
    }
    return Run(path=Path(), shown="simulated", processes=(Process(series=series, events=events),), end={"status": 0})


def judged(run: Run, settings: Settings) -> Report:
    """Examine a run."""
    return examine(case_of_run(run), settings)


def alarms(report: Report) -> list[str]:
    """Return the checks that warned."""
    return sorted({finding.check for finding in report.findings if finding.severity is not Severity.INFO})


def lengths(random: Random, runs: int) -> Iterator[int]:
    """Yield lengths of runs: short, usual, long."""
    for _ in range(runs):
        yield int(10 ** random.uniform(1.3, 3.3))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="simulated runs per line")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    random = np.random.default_rng(arguments.seed)
    settings = settings_for(Path(), {"select": ("learning", "numerics")})
    print("| healthy runs | runs | alarms | by |\n|---|---|---|---|")
    total = 0
    for name, family in HEALTHY.items():
        found: Counter[str] = Counter()
        wrong = 0
        for steps in lengths(random, arguments.runs):
            seen = alarms(judged(run_of(family(random, max(steps, 20))), settings))
            found.update(seen)
            wrong += bool(seen)
        total += wrong
        print(
            f"| {name} | {arguments.runs} | {wrong} | {', '.join(f'{k} {v}' for k, v in found.items())} |", flush=True
        )
    print(f"\n{total} of {arguments.runs * len(HEALTHY)} healthy runs alarmed\n")
    print("| planted fault | check | strength | found | other alarms |\n|---|---|---|---|---|")
    for name, (check, fault, strengths) in FAULTS.items():
        for strength in strengths:
            hits, others = 0, Counter[str]()
            for _ in range(arguments.runs):
                events = (CRITERION,) if fault is guessing else ()
                seen = alarms(
                    judged(run_of(fault(random, int(random.integers(200, 1500)), strength), events), settings)
                )
                hits += check in seen
                others.update(one for one in seen if one != check)
            rest = ", ".join(f"{k} {v}" for k, v in others.items())
            print(f"| {name} | {check} | {strength:g} | {hits / arguments.runs:.0%} | {rest} |", flush=True)
    print_time(random, settings)


def print_time(random: Random, settings: Settings) -> None:
    """Print how long all checks take on as many records as a ring holds."""
    run = run_of(curriculum(random, 24_000) | {"evaluation_loss": falling(random, 24_000)})
    seconds = []
    for _ in range(5):
        report = judged(run, settings)
        seconds.append(sum(examination.seconds for examination in report.examinations))
    print(f"\nall checks of both families on 24,000 records: {min(seconds) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
