"""Has a model built on fake tensors in a process of its own, and reads what a forward and backward pass takes there.

torch's MemTracker sees every tensor that is made, under FakeTensorMode, which keeps shapes and no numbers: exact sizes,
and next to no memory. The factory is the user's code, so it runs only where `doctor estimate` names it, with a limit of
time and of memory.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from msgspec import Struct

from doctor.errors import Unavailable, UsageError
from doctor.estimate.training import Training
from doctor.estimate.workload import Model, Moment, Run
from doctor.wording import printable

DEFAULT_SECONDS = 300.0
DEFAULT_MEMORY = 8 * 10**9
MAX_DIMENSIONS = 8
DTYPES = ("float", "float32", "float64", "float16", "bfloat16", "int64", "int32", "uint8", "bool")
_INPUT = re.compile(r"(\d+(?:[x,]\d+)*)(?::([a-z0-9]+))?")
_OUT_OF_MEMORY = re.compile(r"MemoryError|can't allocate memory|bad_alloc")


class Factory(Struct, frozen=True, kw_only=True):
    """A function of the user's that builds a model."""

    asked: str
    place: str
    function: str

    @classmethod
    def named(cls, asked: str) -> "Factory":
        """Read `package.module:function` or `file.py:function`.

        Raises
        ------
        UsageError
            When it is neither, or there is no such file.
        """
        place, colon, function = asked.rpartition(":")
        is_file = place.endswith(".py")
        if not colon or not re.fullmatch(r"[^\W\d][\w.]*", function):
            raise UsageError(f"{asked!r} is none of package.module:function, file.py:function, a config.json")
        if not is_file and not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*", place):
            raise UsageError(f"{asked!r}: {place!r} is no name of a module")
        if is_file and not Path(place).is_file():
            raise UsageError(f"{asked!r}: there is no file {place}")
        return cls(asked=asked, place=place, function=function)


class Tracked(Struct, frozen=True, kw_only=True):
    """What was followed: the model, and one or several passes through it."""

    model: Model
    rows: int
    runs: tuple[Run, ...]

    def moments(self, training: Training) -> tuple[Moment, ...]:
        """Return the peaks of a pass with these rows, between and beyond the runs along a straight line.

        Returns
        -------
        tuple of Moment
            Empty where no run was like this training.
        """
        autocast = training.precision == "autocast"
        like = [run for run in self.runs if run.checkpointed is training.checkpointing and run.autocast is autocast]
        exact = next((run.moments for run in like if run.rows == training.micro_batch), None)
        if exact is not None:
            return exact
        if len(like) < 2:
            return ()
        few, many = sorted(like, key=lambda run: run.rows)[:2]
        part = (training.micro_batch - few.rows) / (many.rows - few.rows)

        return tuple(_between(one, other, part) for one, other in zip(few.moments, many.moments, strict=True))


def _between(few: Moment, many: Moment, part: float) -> Moment:
    """Return a moment on the straight line through two."""

    def size(low: int, high: int) -> int:
        return max(0, round(low + part * (high - low)))

    return Moment(
        activations=size(few.activations, many.activations),
        temporary=size(few.temporary, many.temporary),
        gradients_share=max(few.gradients_share, many.gradients_share),
        begun=few.begun or many.begun,
    )


def inputs_of(texts: Sequence[str]) -> list[tuple[list[int], str]]:
    """Read `SHAPE[:dtype]` of a single row, such as `3x224x224` or `512:int64`.

    Raises
    ------
    UsageError
        When it is of another form.
    """
    read = []
    for text in texts:
        found = _INPUT.fullmatch(text.strip())
        if not found or len(shape := [int(part) for part in re.split("[x,]", found[1])]) > MAX_DIMENSIONS:
            raise UsageError(f"--input {text!r} is not of the form SHAPE[:dtype], such as 3x224x224 or 512:int64")
        if (dtype := found[2] or "float") not in DTYPES:
            raise UsageError(f"--input {text!r}: the type {dtype!r} is none of {', '.join(DTYPES)}")
        read.append((shape, dtype))
    return read


def track(
    what: Factory | Mapping[str, Any],
    training: Training,
    *,
    name: str,
    rows: int | None,
    inputs: Sequence[tuple[list[int], str]] = (),
    seconds: float = DEFAULT_SECONDS,
    memory: int = DEFAULT_MEMORY,
    changes: bool = True,
) -> Tracked:
    """Build a model and follow it, as it is trained and with the changes that may be advised.

    Parameters
    ----------
    what : Factory or mapping
        The user's function, or the content of a config.json.
    rows : int or None
        Of a micro-batch; None where the factory brings its own.
    changes : bool
        Whether passes are followed that changes lead to.

    Raises
    ------
    UsageError
        When what was named is not there or no model.
    Unavailable
        When it fails, takes too long or too much memory.
    """
    order = {
        **(
            {"kind": "factory", "place": what.place, "function": what.function}
            if isinstance(what, Factory)
            else {"kind": "config", "config": dict(what)}
        ),
        "device": training.device,
        "sequence": training.sequence,
        "input": list(inputs),
        "dtype": {"bf16": "bfloat16", "bf16-only": "bfloat16", "fp16": "float16"}.get(training.precision, "float32"),
        "memory_bytes": memory,
        "runs": _runs(training, rows) if changes else _runs(training, rows)[:1],
    }
    said = _ask(order, name, seconds, memory)
    return _tracked(said, training, name)


def _runs(training: Training, rows: int | None) -> list[tuple[int | None, bool, str]]:
    """Return the passes that are followed: first the one that was asked for, then those that changes lead to."""
    casts = [training.precision == "autocast"]
    if training.precision == "fp32" and training.device == "gpu":
        casts.append(True)
    checkpointed = [training.checkpointing] if training.checkpointing else [False, True]
    few = [1 if (rows or 1) == 2 else 2] if rows is None or rows > 1 else []
    return [
        (count, again, "bfloat16" if cast else "") for cast in casts for again in checkpointed for count in (rows, *few)
    ]


def _ask(order: dict[str, Any], name: str, seconds: float, memory: int) -> dict[str, Any]:
    program = Path(__file__).with_name("tracked_child.py").read_text("utf-8")
    with tempfile.TemporaryFile() as asked, tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        asked.write(json.dumps(order).encode())
        asked.seek(0)
        channel = answer.fileno()
        # -B: Python would leave compiled files beside the user's code.
        child = subprocess.Popen(  # noqa: S603 - the user asked for this code to be run
            [sys.executable, "-B", "-W", "ignore", "-c", program, str(channel)],
            stdin=asked,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"},
            pass_fds=(channel,),
            start_new_session=True,
        )
        try:
            status = child.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise Unavailable(f"{name} was not built and followed within {seconds:g} s (--timeout)") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        return _read(answer, errors, status, name, memory)


def _read(answer: IO[bytes], errors: IO[bytes], status: int, name: str, memory: int) -> dict[str, Any]:
    answer.seek(0)
    written = answer.read()
    said: dict[str, Any] = json.loads(written) if written else {}
    if "wrong_use" in said:
        raise UsageError(f"{name}: {printable(said['wrong_use'], limit=400)}")
    reason = said.get("failed") or ("" if said else _last_line(errors))
    if _OUT_OF_MEMORY.search(reason) or (not said and status == -signal.SIGKILL):
        raise Unavailable(
            f"{name} took more than the {memory / 1e9:g} GB it may (--memory-limit): {printable(reason, limit=300)}"
        )
    if not said:
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        raise Unavailable(
            f"{name}: the process that built it ended by itself ({ended}): "
            f"{printable(reason or 'no message', limit=300)}"
        )
    if "failed" in said:
        raise Unavailable(f"{name} cannot be followed: {printable(reason, limit=400)}")
    return said


def _last_line(errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - 4000))
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""


def _tracked(said: dict[str, Any], training: Training, name: str) -> Tracked:
    facts = said["facts"]
    trained = facts["trainable"] * facts["parameter_bytes"] / facts["parameters"]
    runs = tuple(
        Run(
            rows=run["rows"],
            checkpointed=run["checkpointed"],
            autocast=bool(run["autocast"]),
            moments=(_moment(run["before"], trained, begun=False), _moment(run["after"], trained, begun=True)),
        )
        for run in said["runs"]
    )
    notes: tuple[str, ...] = (f"its loss is taken to be {said['assumed']}",) if said.get("assumed") else ()
    expected = training.weight_bytes * facts["parameters"]
    if abs(facts["parameter_bytes"] - expected) > 0.01 * expected:
        notes += (f"its weights take {facts['parameter_bytes'] / facts['parameters']:.2g} bytes each as it is built",)
    if said["missed"]:
        notes += ("passes of other sizes failed, so fewer changes are known: let the factory take batch=ROWS",)
    model = Model(
        name=f"{name} ({facts['name']})",
        source="torch's MemTracker on fake tensors",
        parameters=facts["parameters"],
        trainable=facts["trainable"],
        largest_layer=facts["largest_layer"],
        largest_tensor=facts["largest_tensor"],
        buffers=facts["buffers"],
        notes=notes,
    )
    return Tracked(model=model, rows=runs[0].rows, runs=runs)


def _moment(sizes: Mapping[str, int], trained: float, *, begun: bool) -> Moment:
    return Moment(
        activations=sizes["activations"],
        temporary=sizes["temporary"],
        gradients_share=min(1.0, sizes["gradients"] / trained),
        begun=begun,
    )
