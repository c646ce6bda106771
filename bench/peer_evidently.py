"""Runs evidently's default drift report on pairs of tables; started by drift.py with the peer's Python.

    PEER/bin/python bench/peer_evidently.py FOLDER

FOLDER holds `train_<name>.parquet` and `test_<name>.parquet`. Prints, as JSON, by name the columns that the report
calls drifted. The peer is installed in an environment of its own: `pip install evidently 'pandas<3' pyarrow`.
"""

import json
import sys
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import pandas  # noqa: E402  # after the filter
from evidently import Report  # noqa: E402
from evidently.presets import DataDriftPreset  # noqa: E402

answers = {}
for train in sorted(Path(sys.argv[1]).glob("train_*.parquet")):
    name = train.stem.removeprefix("train_")
    before, after = pandas.read_parquet(train), pandas.read_parquet(train.with_name(f"test_{name}.parquet"))
    found = Report([DataDriftPreset()]).run(after, before).dict()
    answers[name] = []
    for metric in found["metrics"]:
        config = metric["config"]
        if config["type"].endswith("ValueDrift"):
            below = "p_value" in config["method"]
            drifted = metric["value"] < config["threshold"] if below else metric["value"] >= config["threshold"]
            answers[name] += [config["column"]] if drifted else []
print(json.dumps(answers))
