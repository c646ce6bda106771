"""Makes the data sets of drift.py: splits that are alike, cut in several ways, and differences planted in them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

ENTITY_ROWS = 5

Columns = dict[str, Any]
Random = np.random.Generator


def columns(random: Random, rows: int) -> Columns:
    """Twelve shapes: bell, skewed, no mean, bounded, two humps, counts, mostly zero, coarse, categories, holes."""
    holes = random.normal(size=rows)
    holes[random.random(rows) < 0.1] = np.nan
    return {
        "bell": random.normal(size=rows),
        "skewed": random.lognormal(3, 1, rows).round(2),
        "cauchy": random.standard_cauchy(rows),
        "bounded": random.random(rows).round(4),
        "humps": random.normal(size=rows) + 6 * (random.random(rows) < 0.3),
        "count": random.poisson(2, rows),
        "zeros": np.where(random.random(rows) < 0.9, 0.0, random.exponential(10, rows).round(1)),
        "coarse": random.normal(50, 12, rows).round(-1),
        "flag": random.random(rows) < 0.3,
        "few": random.choice(["red", "green", "blue", "grey"], rows, p=[0.6, 0.25, 0.1, 0.05]),
        "many": [f"shop {i}" for i in np.minimum(random.zipf(1.4, rows), 10**6)],
        "holes": holes,
        "label": random.choice(["no", "yes"], rows, p=[0.8, 0.2]),
    }


def at_random(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Draw both splits alike."""
    return columns(random, n), columns(random, m)


def by_time(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Cut rows that do not depend on time along it."""
    whole = columns(random, n + m)
    seconds = np.sort(random.integers(0, 400 * 86_400, n + m)) + 1_600_000_000
    return _cut({"time": seconds.astype("datetime64[s]"), "run": np.arange(n + m), **whole}, n)


def by_slow_time(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Cut series along time of which neighbours are alike, half a year's season in two of them."""
    front, back = by_time(random, n, m)
    whole = {name: np.concatenate([front[name], back[name]]) for name in front}
    for name in ("bell", "humps"):
        whole[name] = _series(random, n + m, 0.8)
    for name in ("bounded", "skewed"):
        day = whole["time"].astype("datetime64[s]").astype(np.int64) / 86_400
        whole[name] = np.sin(2 * np.pi * day / 91) + random.normal(size=n + m)
    return _cut(whole, n)


def by_entity(random: Random, n: int, m: int) -> tuple[Columns, Columns]:
    """Give each split its own patients, of five rows each that are alike."""
    parts = []
    for rows, first in ((n, 1_000), (m, 60_000)):
        made = columns(random, rows)
        patient = np.arange(rows) // ENTITY_ROWS
        own = columns(random, int(patient[-1]) + 1)
        for name in ("bell", "cauchy", "count", "few", "many", "label"):
            made[name] = np.asarray(own[name])[patient]
        made["humps"] = made["humps"] + 2 * np.asarray(own["bell"])[patient]
        parts.append({"patient_id": 7 * (first + patient) + 3, **made})
    return parts[0], parts[1]


def _series(random: Random, rows: int, memory: float) -> Any:
    values = random.normal(size=rows)
    for i in range(1, rows):
        values[i] = memory * values[i - 1] + math.sqrt(1 - memory**2) * values[i]
    return values


def _cut(whole: Columns, n: int) -> tuple[Columns, Columns]:
    return {name: values[:n] for name, values in whole.items()}, {name: values[n:] for name, values in whole.items()}


def _shifted(deviations: float) -> Callable[[Columns, Random], None]:
    def plant(after: Columns, random: Random) -> None:
        after["bell"] = after["bell"] + deviations

    return plant


def _wider(after: Columns, random: Random) -> None:
    after["bell"] = 2 * after["bell"]


def _lost(after: Columns, random: Random) -> None:
    after["bell"][random.random(len(after["bell"])) < 0.15] = np.nan


def _recoloured(after: Columns, random: Random) -> None:
    after["few"] = random.choice(["red", "green", "blue", "grey"], len(after["few"]), p=[0.4, 0.25, 0.3, 0.05])


def _labelled(share: float) -> Callable[[Columns, Random], None]:
    def plant(after: Columns, random: Random) -> None:
        after["label"] = random.choice(["no", "yes"], len(after["label"]), p=[1 - share, share])

    return plant


def _new(share: float) -> Callable[[Columns, Random], None]:
    def plant(after: Columns, random: Random) -> None:
        after["few"] = np.where(random.random(len(after["few"])) < share, "pink", after["few"])

    return plant


def turned(after: Columns, random: Random) -> None:
    """Turn the sign of a correlation."""
    after["skewed"] = -after["bell"] + 0.5 * random.normal(size=len(after["bell"]))


def _third_class(after: Columns, random: Random) -> None:
    after["label"] = np.where(random.random(len(after["label"])) < 0.05, "maybe", after["label"])


PLANTED: tuple[tuple[str, str, Callable[[Columns, Random], None]], ...] = (
    ("mean moved by 0.3 deviations", "drift/feature-drift bell", _shifted(0.3)),
    ("mean moved by 0.5 deviations", "drift/feature-drift bell", _shifted(0.5)),
    ("mean moved by 1 deviation", "drift/feature-drift bell", _shifted(1.0)),
    ("spread doubled", "drift/feature-drift bell", _wider),
    ("15 % of values lost", "drift/feature-drift bell", _lost),
    ("a category from 10 to 30 %", "drift/feature-drift few", _recoloured),
    ("positives from 20 to 30 %", "drift/label-drift label", _labelled(0.3)),
    ("positives from 20 to 40 %", "drift/label-drift label", _labelled(0.4)),
    ("2 % of a new category", "drift/new-categories few", _new(0.02)),
    ("5 % of a new category", "drift/new-categories few", _new(0.05)),
    ("5 % of a new class", "labels/unseen-labels label", _third_class),
    ("two columns' correlation turned", "drift/domain-shift bell", turned),
)
