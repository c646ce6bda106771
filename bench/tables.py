"""Builds the tables of the benches: seeded, realistic, without a leak, and with known defects of a mild kind."""

from pathlib import Path

import duckdb

SEED = 1_000
TEST_SHARE = 0.2
COPIES_IN = 2_000
"""One row in this many is an exact copy of another, within or across splits."""
MAX_DRAWS = 1 << 16
WORD = 1 << 64


class Draws:
    """Writes SQL expressions that depend on the row `s` and the seed alone, so that threads do not matter."""

    def __init__(self, seed: int) -> None:
        self._next = seed

    def uniform(self) -> str:
        """Return a number in [0, 1)."""
        self._next += 1
        # hash(s, k) would not do: DuckDB joins the two by XOR, so draws with different k determine one another.
        return f"(hash(s * {MAX_DRAWS} + {self._next}) / {WORD}.0)"

    def normal(self) -> str:
        """Return a standard normal number, by Box and Muller's formula."""
        return f"(sqrt(-2 * ln(1 - {self.uniform()})) * cos(2 * pi() * {self.uniform()}))"

    def below(self, count: int, *, skew: float = 1.0) -> str:
        """Return a whole number below `count`; a larger skew makes small ones commoner."""
        return f"CAST(floor({count} * pow({self.uniform()}, {skew})) AS BIGINT)"

    def gaps(self, expression: str, share: float) -> str:
        """Return the expression with missing values."""
        return f"CASE WHEN {self.uniform()} >= {share} THEN {expression} END"


def _numbers(draws: Draws) -> dict[str, str]:
    """12 floats: measurements, amounts in cents, shares, and one that goes along with another."""
    columns = {f"measure_{i}": f"round({10**i} + {2.5 * (i + 1)} * {draws.normal()}, 3)" for i in range(5)}
    columns |= {f"amount_{i}": f"round(exp({3 + i} + 0.8 * {draws.normal()}), 2)" for i in range(4)}
    columns |= {f"share_{i}": f"round(pow({draws.uniform()}, {1 + i}), 4)" for i in range(2)}
    columns["measure_5"] = f"round(0.6 * {columns['measure_1']} + 2 * {draws.normal()}, 3)"
    return {name: draws.gaps(expression, 0.02) for name, expression in columns.items()}


def _whole_numbers(draws: Draws) -> dict[str, str]:
    """8 integers: counts, an age, a year, codes."""
    return {
        "age": f"18 + {draws.below(70, skew=1.4)}",
        "year": f"1990 + {draws.below(34)}",
        "visits": draws.below(40, skew=4.0),
        "children": draws.below(7, skew=3.0),
        "region": f"100 + {draws.below(96)}",
        "product": draws.below(5_000, skew=2.0),
        "minutes": draws.gaps(draws.below(1_440), 0.05),
        "flag": f"CAST({draws.uniform()} < 0.3 AS BIGINT)",
    }


def _words(draws: Draws) -> dict[str, str]:
    """6 strings of 3 to 50 levels and 2 of many: a code per row, and 800,000 customers."""
    levels = {"sex": 3, "channel": 5, "plan": 8, "branch": 12, "job": 20, "country": 50}
    columns = {name: draws.gaps(f"'{name} ' || {draws.below(count, skew=1.6)}", 0.01) for name, count in levels.items()}
    return {**columns, "code": "md5(s::VARCHAR)", "customer": f"'customer ' || {draws.below(800_000)}"}


def _time_and_label(draws: Draws) -> dict[str, str]:
    """A timestamp within two years, and a label that some columns make a little likelier."""
    when = f"TIMESTAMP '2022-01-01' + to_seconds({draws.below(63_072_000)})"
    measured, planned = "(coalesce(measure_2, 100) - 100) / 7.5", "coalesce((plan = 'plan 0')::INT, 0)"
    odds = f"-1.1 + 0.4 * {measured} + 0.3 * {planned} - 0.01 * (age - 50)"
    return {"seen_at": when, "label": f"CAST({draws.uniform()} < 1 / (1 + exp(-({odds}))) AS BIGINT)"}


def write_large(folder: Path, rows: int) -> Path:
    """Write 30 columns: 12 float, 8 integer, 6 + 2 text, a timestamp and the label, as train and test Parquet.

    Rows are put into a split by chance; a few are exact copies of earlier ones, so copies occur within and across
    splits.
    """
    draws = Draws(SEED)
    columns = {**_numbers(draws), **_whole_numbers(draws), **_words(draws)}
    last = _time_and_label(draws)
    copied = (
        f"CASE WHEN r > 0 AND hash(-1 - r * {MAX_DRAWS}) % {COPIES_IN} = 0 "
        f"THEN CAST(hash(-2 - r * {MAX_DRAWS}) % r AS BIGINT) ELSE r END"
    )
    body = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    table = (
        f"SELECT *, {last['seen_at']} AS seen_at, {last['label']} AS label "
        f"FROM (SELECT r, s, {body} FROM (SELECT r, {copied} AS s FROM range({rows}) AS numbers(r)))"
    )
    return _write(folder / f"large_{rows}", table, "parquet")


def write_adult(folder: Path, rows: int) -> Path:
    """Write 15 columns such as a census has: 6 integer, 8 text and the label, as train and test CSV."""
    draws = Draws(2 * SEED)
    columns = {
        "age": f"17 + {draws.below(73, skew=1.4)}",
        "weight": f"CAST(exp(12 + 0.5 * {draws.normal()}) AS BIGINT)",
        "years_of_school": f"1 + {draws.below(16, skew=0.6)}",
        "gain": f"CASE WHEN {draws.uniform()} < 0.08 THEN 100 * {draws.below(900, skew=2.0)} ELSE 0 END",
        "loss": f"CASE WHEN {draws.uniform()} < 0.05 THEN 1200 + 10 * {draws.below(180)} ELSE 0 END",
        "hours": f"1 + {draws.below(98, skew=0.9)}",
    }
    levels = {"work": 8, "school": 16, "married": 7, "job": 14, "kin": 6, "origin": 5, "sex": 2, "country": 41}
    for name, count in levels.items():
        columns[name] = draws.gaps(f"'{name} ' || {draws.below(count, skew=1.8)}", 0.02 if count > 10 else 0.0)
    odds = "-2.2 + 0.16 * (years_of_school - 9) + 0.02 * (age - 40) + 0.02 * (hours - 40)"
    body = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    label = f"CASE WHEN {draws.uniform()} < 1 / (1 + exp(-({odds}))) THEN '>50K' ELSE '<=50K' END AS label"
    table = f"SELECT *, {label} FROM (SELECT r, r AS s, {body} FROM range({rows}) AS numbers(r))"
    return _write(folder / f"adult_{rows}", table, "csv")


def _write(folder: Path, table: str, suffix: str) -> Path:
    """Write both splits unless they are there already, each file complete or not at all."""
    options = "FORMAT parquet" if suffix == "parquet" else "FORMAT csv, HEADER"
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as engine:
        engine.execute("SET preserve_insertion_order = true")
        for split, side in (("train", ">="), ("test", "<")):
            file = folder / f"{split}.{suffix}"
            if file.exists():
                continue
            part = file.with_suffix(".part")
            chosen = f"hash(-3 - r * {MAX_DRAWS}) / {WORD}.0 {side} {TEST_SHARE}"
            engine.execute(f"COPY (SELECT * EXCLUDE (r, s) FROM ({table}) WHERE {chosen}) TO '{part}' ({options})")
            part.rename(file)
    return folder
