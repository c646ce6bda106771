"""Measures false alarms and recall of reproducibility/preprocess-before-split.

python bench/calibrate_preprocess.py [code] [tables]      the fixtures' programs, made-up tables; all by default
python bench/calibrate_preprocess.py FOLDER…              any code; prints each finding to be looked at
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from calibrate_unseeded import found, planted, programs

import doctor

CHECK = "reproducibility/preprocess-before-split"
FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "reproducibility" / "preprocess_before_split"
ROWS = (100, 1_000, 10_000)
SEEDS = 10
COLUMNS = 8

Array = np.ndarray


def standard(rows: Array, all_rows: Array) -> Array:
    """Scale to mean 0 and variance 1."""
    return (all_rows - rows.mean(axis=0)) / rows.std(axis=0)


def ranged(rows: Array, all_rows: Array) -> Array:
    """Scale to 0 to 1."""
    return (all_rows - rows.min(axis=0)) / (rows.max(axis=0) - rows.min(axis=0))


FORMS: dict[str, Callable[[Array, Array], Array]] = {"standardised": standard, "range": ranged}
WRITTEN: dict[str, Callable[[Array], Array]] = {
    "double": lambda values: values,
    "float32": lambda values: values.astype(np.float32).astype(float),
    "6 decimals": lambda values: np.round(values, 6),
    "3 decimals": lambda values: np.round(values, 3),
    "2 decimals": lambda values: np.round(values, 2),
}


def flagged(values: Array, train: int) -> bool:
    """Scan a frame whose first rows are the training part."""
    columns = {f"c{at}": values[:, at] for at in range(values.shape[1])}
    part = np.where(np.arange(len(values)) < train, "train", "test")
    report = doctor.scan(pa.table(columns | {"part": part}), split_column="part", select=(CHECK,))
    return bool(report.findings)


def tables() -> None:
    """Scale by all rows, which is to be found, and by the training rows, which is not."""
    print(f"{COLUMNS} columns, a fifth of the rows for the test, {SEEDS} seeds: tables with a finding\n")
    print(
        f"{'scaled to':<14}{'written as':<12}{'rows':>8}{'by all rows':>13}{'by train alone':>16}{'as published':>14}"
    )
    for form, scale in FORMS.items():
        for written, write in WRITTEN.items():
            for rows in ROWS:
                hits = [0, 0, 0]
                for seed in range(SEEDS):
                    random = np.random.default_rng((seed, rows))
                    mixing = random.normal(size=(COLUMNS, COLUMNS))
                    raw = random.gamma(2.0, size=(rows, COLUMNS)) @ mixing
                    train = rows * 4 // 5
                    more = np.concatenate([raw, random.gamma(2.0, size=(rows, COLUMNS)) @ mixing])
                    for at, by in enumerate((raw, raw[:train], more)):
                        hits[at] += flagged(write(scale(by, raw)), train)
                print(f"{form:<14}{written:<12}{rows:>8,}{hits[0]:>13}{hits[1]:>16}{hits[2]:>14}", flush=True)


def code() -> None:
    """Count what the fixtures' programs give."""
    healthy = found(FIXTURES / "healthy", CHECK)
    wanted = list(planted(FIXTURES / "sick"))
    seen = [(Path(path).name, line, kind) for path, line, kind, _ in found(FIXTURES / "sick", CHECK)]
    hit = sum(fault in seen for fault in wanted)
    print(f"healthy programs: {programs(FIXTURES / 'healthy')}, false alarms: {len(healthy)}")
    print(f"planted faults: {len(wanted)}, found at their line and by their kind: {hit}")
    print(f"findings beside a planted fault: {len(seen) - hit}\n")


PARTS = {"code": code, "tables": tables}


def main(arguments: list[str]) -> None:
    """Print the numbers."""
    for folder in [Path(argument) for argument in arguments if argument not in PARTS]:
        told = found(folder, CHECK)
        print(f"{folder}: {programs(folder)} files, {len(told)} findings")
        for *_, message in told:
            print(f"  {message}")
    for name, part in PARTS.items():
        if name in arguments or not arguments:
            part()


if __name__ == "__main__":
    main(sys.argv[1:])
