"""Names what ended a training, in one line."""

import errno
import re

from doctor.errors import DoctorError, UsageError
from doctor.trainer.recipe import Failure
from doctor.wording import printable

NOT_INSTALLED = "training needs torch and DeepSpeed: pip install 'training-doctor[trainer]'"
OUT_OF_MEMORY = re.compile(
    "out of memory|can't allocate memory|cannot allocate memory|bad_alloc|MemoryError|could not create a primitive",
    re.IGNORECASE,
)
"""The last is what oneDNN says."""
LOSS_SCALE = re.compile(r"loss scale already at minimum", re.I)
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES)
TORN = re.compile(r"PytorchStreamWriter|file write failed|unexpected pos")
"""How torch says that a file could not be written."""
MAX_CHARACTERS = 400


class Refused(UsageError):
    """The configuration cannot be trained with."""


def failure_of(error: BaseException) -> Failure:
    """Say of an exception what kind of failure it is."""
    text = one_line(error)
    if isinstance(error, Refused):
        return Failure(kind="config", message=str(error))
    if isinstance(error, DoctorError):
        return Failure(kind="data", message=str(error))
    if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in ("torch", "deepspeed"):
        return Failure(kind="not installed", message=NOT_INSTALLED)
    if isinstance(error, MemoryError) or OUT_OF_MEMORY.search(f"{type(error).__name__} {error}"):
        return Failure(kind="out of memory", message=text)
    if isinstance(error, OSError) and error.errno in DISK:
        return Failure(kind="disk", message=f"{error.filename or 'the output folder'}: {error.strerror}")
    if TORN.search(str(error)):
        return Failure(kind="disk", message=f"a file could not be written to its end; is the disk full? ({text})")
    if LOSS_SCALE.search(str(error)):
        return Failure(kind="loss scale", message=text)
    return Failure(kind="error", message=text)


def one_line(error: BaseException) -> str:
    """Return an exception as one line, cut."""
    return printable(" ".join(str(error).split()) or type(error).__name__, limit=MAX_CHARACTERS)
