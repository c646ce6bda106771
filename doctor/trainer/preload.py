"""Loads once what every training needs, for the processes that are forked from this one."""

import atexit
import importlib
import os
import sys

from doctor.trainer.ranks import quiet_deepspeed

NEEDED = (
    "doctor.trainer.run",
    "doctor.trainer.loop",
    "doctor.trainer.tables",
    "doctor.trainer.texts",
    "doctor.trainer.images",
    "doctor.watching.here",
    "duckdb",
    "sqlglot.generators.duckdb",
    "torch._dynamo",
    "deepspeed.runtime.zero.muon.muon_optimizer",
    "deepspeed.runtime.superoffload.superoffload_stage3",
)
"""The last ones DeepSpeed loads itself, with all of torch's compiler, when the first engine is built."""

quiet_deepspeed()
for _name in NEEDED:
    importlib.import_module(_name)

if sys.argv[:1] == ["-c"]:
    # The server itself has nothing to clean up, and the bindings of DuckDB would list at length what is still in use.
    atexit.register(os._exit, 0)
