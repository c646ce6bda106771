"""The file with one line per update, which survives the death of a training. Loads no torch."""

import json
from pathlib import Path

from msgspec import structs

from doctor.trainer.recipe import Result

TRACE_FILE = "trace.jsonl"
LISTS = {"loss": "losses", "learning_rate": "learning_rates", "grad_norm": "grad_norms", "loss_scale": "loss_scales"}
"""The lists of `Result` by the names of `Facts`."""


def read_trace(folder: Path) -> Result:
    """Return what the file of a training that was killed tells; a last line that is not whole does not count."""
    lists: dict[str, list[float]] = {name: [] for name in LISTS.values()}
    skipped = []
    try:
        lines = (folder / TRACE_FILE).read_text("utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        try:
            values = json.loads(line)
        except ValueError:
            break
        for name, kept in LISTS.items():
            lists[kept].append(float(values[name]))
        if values["skipped"]:
            skipped.append(int(values["step"]))
    return structs.replace(Result(), **lists, skipped_steps=skipped)
