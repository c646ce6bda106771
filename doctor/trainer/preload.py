"""Loads once what every training needs, for processes that are forked from this one."""

from doctor.trainer.ranks import quiet_deepspeed

quiet_deepspeed()
# DeepSpeed loads these, the dear ones, when the first engine is built.
import deepspeed.runtime.zero.utils  # noqa: E402, F401  # after the settings above
import duckdb  # noqa: E402, F401
import torch._dynamo  # noqa: E402, F401
