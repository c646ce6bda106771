"""Runs deepchecks' data-integrity and train-test suites on a folder; started by scan_table.py with the peer's Python.

The project itself never imports deepchecks, which is under the AGPL. Prints the seconds of each step as JSON.
"""

import json
import sys
import time
import warnings

warnings.simplefilter("ignore")
begin = time.perf_counter()
import pandas  # noqa: E402  # the clock starts before the imports
from deepchecks.tabular import Dataset  # noqa: E402
from deepchecks.tabular.suites import data_integrity, train_test_validation  # noqa: E402

seconds = {"import": time.perf_counter() - begin}
folder, target = sys.argv[1:]
begin = time.perf_counter()
frames = {split: pandas.read_csv(f"{folder}/{split}.csv") for split in ("train", "test")}
words = [name for name in frames["train"].select_dtypes("object").columns if name != target]
train, test = (Dataset(frame, label=target, cat_features=words) for frame in frames.values())
seconds["read"] = time.perf_counter() - begin
for name, suite in (("data_integrity", data_integrity()), ("train_test_validation", train_test_validation())):
    begin = time.perf_counter()
    result = suite.run(train, test)
    seconds[name] = time.perf_counter() - begin
    ran = [check for check in result.results if type(check).__name__ == "CheckResult"]
    seconds[f"{name} checks"] = len(ran)
print(json.dumps(seconds))
