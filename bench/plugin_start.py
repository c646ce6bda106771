"""What the pytest plugin costs a run that does not use it, and what a scan costs under pytest-xdist.

Starts pytest in fresh processes, in turn with and without the plugin, on one empty test; prints medians and the ratio.
With `--distributed DATA` also: the time of `pytest --doctor DATA` alone and with two workers, once as it is (the data
is examined before the workers start) and once with every worker examining it for itself.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EACH_FOR_ITSELF = """
import pytest
@pytest.hookimpl(trylast=True)
def pytest_configure(config):
    visit = config.pluginmanager.get_plugin("doctor-visit")
    if visit is not None:
        config.pluginmanager.unregister(visit)
        for hook in ("pytest_sessionstart", "pytest_configure_node"):
            delattr(type(visit), hook)
        config.pluginmanager.register(visit, "doctor-visit")
"""


def seconds(folder: Path, *arguments: str) -> tuple[float, float]:
    """Return how long one run of pytest took, and the processor time of it and its children."""
    before, begin = os.times(), time.perf_counter()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(done.stdout + done.stderr)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - begin, used


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--distributed", type=Path, metavar="DATA")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing(): pass\n", "utf-8")
        runs: dict[str, list[tuple[float, float]]] = {"without": [], "with": []}
        for number in range(given.rounds + 1):
            for kind, arguments in (("without", ("-p", "no:doctor")), ("with", ())):
                measured = seconds(folder, *arguments)
                if number:  # the first round warms the caches
                    runs[kind].append(measured)
        for place, unit in ((0, "s"), (1, "s of processor time")):
            without, with_ = (statistics.median(run[place] for run in runs[kind]) for kind in ("without", "with"))
            cost = f"{with_ / without:.3f}×, {1000 * (with_ - without):+.0f} ms"
            print(f"start of pytest: {without:.3f} {unit} without, {with_:.3f} with: {cost}")
        if given.distributed is not None:
            compare(folder, given.distributed.resolve(), max(1, given.rounds // 5))


def compare(folder: Path, data: Path, rounds: int) -> None:
    """Run the three ways in turn and print the medians."""
    (folder / "each_for_itself.py").write_text(EACH_FOR_ITSELF, "utf-8")
    asked = ("--doctor", str(data))
    ways = {
        "one process": asked,
        "two workers, examined once": (*asked, "-n", "2"),
        "two workers, each for itself": (*asked, "-n", "2", "-p", "each_for_itself"),
    }
    os.environ["PYTHONPATH"] = str(folder)
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, arguments in ways.items():
            runs[way].append(seconds(folder, *arguments))
    for way, measured in runs.items():
        wall, used = (statistics.median(run[place] for run in measured) for place in (0, 1))
        print(f"{way}: {wall:.2f} s, {used:.2f} s of processor time")


if __name__ == "__main__":
    main()
