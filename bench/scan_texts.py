"""The search for near-duplicate texts on made-up documents with planted copies, beside datasketch's MinHashLSH.

Prints seconds, recall and precision against the truth: every pair of planted relatives is compared exactly, run by run,
and other documents share next to nothing. The peer runs in an environment of its own, one process after the other:

    python -m venv peers; peers/bin/pip install datasketch==1.6.5
    python bench/scan_texts.py --peer-python peers/bin/python
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

PEER = Path(__file__).resolve().parent / "peer_datasketch.py"
VOCABULARY = 30_000
RELATIVES = 4
"""Of every tenth document there are so many others, each with more words exchanged."""


def documents(count: int, seed: int) -> tuple[list[str], list[list[int]]]:
    """Make documents of 50 to 250 words, drawn as words of a language are, and tell which are relatives."""
    draw = np.random.default_rng(seed)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(draw.choice(letters, draw.integers(2, 11))) for _ in range(VOCABULARY)])
    chance = 1 / np.arange(1, VOCABULARY + 1)
    chance /= chance.sum()
    originals = int(count / (1 + RELATIVES / 10))
    lengths = draw.integers(50, 251, originals)
    drawn = draw.choice(VOCABULARY, int(lengths.sum()), p=chance)
    texts, families = [], []
    for number, (begin, end) in enumerate(zip(np.cumsum(lengths) - lengths, np.cumsum(lengths), strict=True)):
        own = drawn[begin:end]
        family = [len(texts)]
        texts.append(" ".join(words[own]))
        for relative in range(RELATIVES if number % 10 == 0 else 0):
            changed = own.copy()
            exchanged = draw.random(len(own)) < (0.005, 0.02, 0.04, 0.08)[relative]
            changed[exchanged] = draw.integers(0, VOCABULARY, int(exchanged.sum()))
            family.append(len(texts))
            texts.append(" ".join(words[changed]))
        if len(family) > 1:
            families.append(family)
    order = draw.permutation(len(texts))
    place = np.argsort(order)
    return [texts[number] for number in order], [[int(place[number]) for number in family] for family in families]


def runs(text: str) -> set[tuple[str, ...]]:
    """Return the runs of five words, the plain way."""
    words = text.split()
    return {tuple(words[place : place + 5]) for place in range(len(words) - 4)}


def shared(one: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> float:
    """Return the Jaccard index of two sets of runs."""
    return len(one & other) / len(one | other)


def truth(texts: Sequence[str], families: Sequence[Sequence[int]], least: float) -> set[tuple[int, int]]:
    """Return the pairs of relatives that share so many runs."""
    near = set()
    for family in families:
        sets = {number: runs(texts[number]) for number in family}
        for first in family:
            near |= {(first, other) for other in family if first < other and shared(sets[first], sets[other]) >= least}
    return near


def figures(found: set[tuple[int, int]], near: set[tuple[int, int]], texts: Sequence[str], least: float) -> str:
    """Say how many of the true pairs were found, and how many of the found ones are true."""
    right = near & found
    right |= {pair for pair in found - near if shared(runs(texts[pair[0]]), runs(texts[pair[1]])) >= least}
    precision = len(right) / len(found) if found else 1.0
    return f"{len(found):,} pairs, recall {len(near & found) / len(near):.4f}, precision {precision:.4f}"


def main() -> int:
    """Measure both, print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=200_000)
    parser.add_argument("--least", type=float, default=0.8, help="share of runs in common that is looked for")
    parser.add_argument("--peer-python", type=Path, help="Python of an environment that has datasketch")
    given = parser.parse_args()
    texts, families = documents(given.documents, 1)
    near = truth(texts, families, given.least)
    letters = sum(map(len, texts))
    print(f"{len(texts):,} documents, {letters / 1e6:.0f} M letters, {len(near):,} true pairs")

    from doctor.evidence.text_matches import matches_of

    begin = time.perf_counter()
    found = matches_of(texts, given.least)
    ours = time.perf_counter() - begin
    pairs = set(zip(found.earlier.tolist(), found.later.tolist(), strict=True))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"doctor: {ours:.1f} s, {figures(pairs, near, texts, given.least)}; peak {peak:,.0f} MiB, texts included")
    if given.peer_python is None:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        data, answer = Path(folder) / "texts.json", Path(folder) / "answer.json"
        data.write_text(json.dumps(texts))
        subprocess.run([given.peer_python, PEER, data, answer, str(given.least)], check=True)
        told = json.loads(answer.read_text())
    for kind in ("raw", "verified"):
        theirs = {(int(one), int(other)) for one, other in told[kind]["pairs"]}
        seconds = told[kind]["seconds"]
        print(
            f"datasketch, {kind}: {seconds:.1f} s ({seconds / ours:.1f} × ours), "
            f"{figures(theirs, near, texts, given.least)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
