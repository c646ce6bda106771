"""Reads every value of the Parquet files in a folder once with DuckDB and prints the seconds that took.

The statement is bit_xor(hash(column)) for each column: it must decode every value, no statistic in the file can answer
it, and it was cheaper than max(column), which compares strings.
"""

import sys
import time

import duckdb

folder, threads = sys.argv[1:]
engine = duckdb.connect(config={"threads": int(threads)})
source = f"read_parquet('{folder}/*.parquet')"
begin = time.perf_counter()
names = [row[0] for row in engine.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
hashes = ", ".join(f'bit_xor(hash("{name}"))' for name in names)
engine.execute(f"SELECT {hashes} FROM {source}").fetchall()
print(time.perf_counter() - begin)
