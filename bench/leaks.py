"""Measures how surely memory/host-leak tells a leak from other growth, on simulated samples.

    python bench/leaks.py

prints, per rate, the share of leaks found and when; per kind of healthy memory, the share that was taken for a leak at
any moment while it was watched. Samples are one per second, with noise as processes show it: jitter, a sawtooth of
garbage collection, bursts of evaluation. Nobody names a holder, so the slower of the check's two rules is measured.
"""

import inspect
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from doctor.evidence.growth import lasting_growth
from doctor_checks.memory.host_leak import examine

DEFAULTS = {name: parameter.default for name, parameter in inspect.signature(examine).parameters.items()}
SEEDS = 20
LOOK_EVERY = 30
WARM_UP_SHARE = 0.2
RATES = (0.05, 0.1, 0.3, 1.0, 3.0, 10.0)
LEAK_SECONDS = 1200
HEALTHY_SECONDS = 3600
MB = 1e6

Series = NDArray[np.float64]


def noise(random: np.random.Generator, seconds: int) -> Series:
    """Return what memory does beside its trend: jitter, sawtooth, bursts."""
    time = np.arange(seconds, dtype=float)
    jitter = np.abs(random.normal(0, 2 * MB, seconds))
    sawtooth = random.uniform(0, 20 * MB) * (time % random.uniform(5, 40)) / 20
    bursts = random.uniform(0, 300 * MB) * (time % random.uniform(60, 300) < random.uniform(2, 20))
    return 1000 * MB + jitter + sawtooth + bursts


def cache(fill_seconds: float) -> Callable[[np.random.Generator, Series], Series]:
    """Return what fills in a straight line and is then full."""
    return lambda random, time: random.uniform(200, 4000) * MB * np.minimum(1, time / fill_seconds)


def settling(constant: float) -> Callable[[np.random.Generator, Series], Series]:
    """Return what fills more and more slowly."""
    return lambda random, time: random.uniform(200, 4000) * MB * (1 - np.exp(-time / constant))


def steps(random: np.random.Generator, time: Series) -> Series:
    """Return three jumps."""
    changes = np.sort(random.uniform(0, len(time), 3))
    return 300 * MB * np.searchsorted(changes, time).astype(float)


def slow_sawtooth(random: np.random.Generator, time: Series) -> Series:
    """Return garbage that is collected every few minutes."""
    return random.uniform(100, 1000) * MB * (time % random.uniform(60, 400)) / 400


def wandering(random: np.random.Generator, time: Series) -> Series:
    """Return a walk that is drawn back to its mean, as allocators' free lists are."""
    walk = np.zeros(len(time))
    for second in range(1, len(time)):
        walk[second] = 0.995 * walk[second - 1] + random.normal(0, 3 * MB)
    return walk


HEALTHY: dict[str, Callable[[np.random.Generator, Series], Series]] = {
    "noise alone": lambda random, time: np.zeros(len(time)),
    "cache filled in 1 min": cache(60),
    "cache filled in 5 min": cache(300),
    "cache filled in 8 min": cache(480),
    "cache filled in 12 min": cache(720),
    "cache filled in 30 min": cache(1800),
    "cache settling, 2 min": settling(120),
    "cache settling, 10 min": settling(600),
    "three jumps": steps,
    "slow sawtooth": slow_sawtooth,
    "wandering": wandering,
}


def found_at(values: Series) -> int | None:
    """Return the second at which the check would first report, looking every `LOOK_EVERY` seconds."""
    for now in range(LOOK_EVERY, len(values) + 1, LOOK_EVERY):
        begin = int(WARM_UP_SHARE * now)
        growth = lasting_growth(
            np.arange(begin, now, dtype=float),
            values[begin:now],
            min_seconds=DEFAULTS["min_named_seconds"],
            min_rise=DEFAULTS["min_rise_bytes"],
        )
        if growth and growth.seconds >= DEFAULTS["min_seconds"]:
            return now
    return None


def main() -> None:
    """Print both tables."""
    print(f"{'leak':>24}  found   median second   ({SEEDS} runs of {LEAK_SECONDS} s each)")
    for rate in RATES:
        times = []
        for seed in range(SEEDS):
            random = np.random.default_rng(seed)
            leak = rate * MB * np.arange(LEAK_SECONDS)
            times.append(found_at(noise(random, LEAK_SECONDS) + leak))
        found = [time for time in times if time is not None]
        median = f"{np.median(found):.0f}" if found else "-"
        print(f"{rate:>19.2f} MB/s  {len(found):>2}/{SEEDS}   {median:>13}")
    print(f"\n{'healthy':>24}  alarms           ({SEEDS} runs of {HEALTHY_SECONDS} s each)")
    for name, make in HEALTHY.items():
        alarms = 0
        for seed in range(SEEDS):
            random = np.random.default_rng(1000 + seed)
            time = np.arange(HEALTHY_SECONDS, dtype=float)
            alarms += found_at(noise(random, HEALTHY_SECONDS) + make(random, time)) is not None
        print(f"{name:>24}  {alarms:>2}/{SEEDS}")


if __name__ == "__main__":
    main()
