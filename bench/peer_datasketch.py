"""Runs in an environment that has datasketch: pairs of near-duplicate texts by its MinHashLSH, raw and verified."""

import json
import sys
import time
from pathlib import Path

from datasketch import MinHash, MinHashLSH

data, answer, least = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
texts = json.loads(data.read_text())


def runs(text: str) -> set[str]:
    """Return the runs of five words."""
    words = text.lower().split()
    return {" ".join(words[place : place + 5]) for place in range(max(1, len(words) - 4))}


begin = time.perf_counter()
index = MinHashLSH(threshold=least, num_perm=128)
raw = []
for number, text in enumerate(texts):
    sketch = MinHash(num_perm=128)
    sketch.update_batch([run.encode() for run in runs(text)])
    raw += [(other, number) for other in index.query(sketch)]
    index.insert(number, sketch)
seconds = time.perf_counter() - begin
verified = []
for first, second in raw:
    one, other = runs(texts[first]), runs(texts[second])
    if len(one & other) >= least * len(one | other):
        verified.append((first, second))
after = time.perf_counter() - begin
told = {"raw": {"pairs": raw, "seconds": seconds}, "verified": {"pairs": verified, "seconds": after}}
answer.write_text(json.dumps(told))
