"""What the user's pipeline builds when it is run more than once, each time in a fresh process."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, Any, ClassVar

from msgspec import Struct

from doctor.errors import Unavailable, UsageError
from doctor.subjects.pipeline import Pipeline
from doctor.wording import printable

MAX_ITEMS = 100_000
HASH_SEEDS = ("1", "2", "1")
"""Values of PYTHONHASHSEED: two builds that differ in it, and a third one like the first."""
_SHOWN = 160


class Build(Struct, frozen=True, kw_only=True):
    """One build of the data set, item by item.

    Attributes
    ----------
    digests : tuple of str
        A fingerprint of each item, equal in all processes for equal items.
    texts : tuple of str
        Each item in a few words.
    truncated : bool
        There were more items than `MAX_ITEMS`.
    printed : bool
        The items are the lines that a script printed.
    uncompared : tuple of str
        Types whose values have no content that could be compared.
    """

    digests: tuple[str, ...]
    texts: tuple[str, ...]
    truncated: bool
    printed: bool
    uncompared: tuple[str, ...]
    seconds: float


class PipelineRuns(Struct, frozen=True, kw_only=True):
    """Two builds that differ in nothing but the hash seed and the time of day, and what a third one tells."""

    COST: ClassVar[int] = 1000

    asked: str
    first: Build
    second: Build
    follows_hash_seed: bool | None
    """Whether a third build with the first one's hash seed equals it; None where the first two are equal already or
    the third one failed."""

    @classmethod
    def measure(cls, pipeline: Pipeline) -> "PipelineRuns":
        """Run the user's code two or three times, as they would: their folder, their interpreter.

        Raises
        ------
        UsageError
            When what was named is not there.
        Unavailable
            When a build fails or takes too long.
        """
        first, second = build_twice(pipeline)
        follows: bool | None = None
        if first.digests != second.digests:
            with contextlib.suppress(Unavailable):
                follows = _build(pipeline, HASH_SEEDS[2], "third").digests == first.digests
        return cls(asked=pipeline.asked, first=first, second=second, follows_hash_seed=follows)


def build_twice(pipeline: Pipeline, folder: Path | None = None) -> tuple[Build, Build]:
    """Build in two fresh processes that differ in the hash seed.

    Parameters
    ----------
    folder : Path, optional
        The working directory. [default: this process's]

    Raises
    ------
    UsageError, Unavailable
        As in `PipelineRuns.measure`.
    """
    return _build(pipeline, HASH_SEEDS[0], "first", folder), _build(pipeline, HASH_SEEDS[1], "second", folder)


def _build(pipeline: Pipeline, hash_seed: str, turn: str, folder: Path | None = None) -> Build:
    begin = time.monotonic()
    program = Path(__file__).with_name("pipeline_child.py").read_text("utf-8")
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        channel = answer.fileno()
        arguments = [pipeline.place, pipeline.function, str(MAX_ITEMS), str(channel)]
        # -B: Python would leave compiled files beside the user's code.
        child = subprocess.Popen(  # noqa: S603 - the user asked for this code to be run
            [sys.executable, "-B", "-c", program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env={**os.environ, **_search(pipeline), "PYTHONHASHSEED": hash_seed},
            cwd=folder,
            pass_fds=(channel,),
            start_new_session=True,
        )
        try:
            status = child.wait(timeout=pipeline.seconds)
        except subprocess.TimeoutExpired:
            raise Unavailable(
                f"the {turn} build by {pipeline.asked} was not finished after {pipeline.seconds:g} s"
            ) from None
        finally:
            # Workers that the pipeline started share its session and would outlive it.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        return _read(pipeline, turn, status, answer, output, errors, time.monotonic() - begin)


def _search(pipeline: Pipeline) -> dict[str, str]:
    if not pipeline.search:
        return {}
    return {"PYTHONPATH": os.pathsep.join((*pipeline.search, *filter(None, [os.environ.get("PYTHONPATH")])))}


def _read(
    pipeline: Pipeline, turn: str, status: int, answer: IO[bytes], output: IO[bytes], errors: IO[bytes], seconds: float
) -> Build:
    answer.seek(0)
    said: list[dict[str, Any]] = [json.loads(line) for line in answer if line.endswith(b"\n")]
    closing = said.pop() if said and "digest" not in said[-1] else {}
    if "wrong_use" in closing:
        raise UsageError(f"--pipeline {pipeline.asked}: {closing['wrong_use']}")
    if not closing.get("closed"):
        reason = closing.get("failed") or _last_line(errors) or "no message"
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        how = "" if closing.get("failed") else f" ({ended})"
        raise Unavailable(f"the {turn} build by {pipeline.asked} failed{how}: {printable(reason, limit=400)}")
    if closing["printed"]:
        digests, texts, truncated = _lines(output)
        if not digests:
            raise Unavailable(
                f"{pipeline.asked} left no variable 'dataset' and printed nothing, so nothing can be compared"
            )
    else:
        digests, texts = tuple(item["digest"] for item in said), tuple(item["text"] for item in said)
        truncated = closing["truncated"]
        if not digests:
            raise Unavailable(f"{pipeline.asked} built a data set without items, so nothing can be compared")
    return Build(
        digests=digests,
        texts=texts,
        truncated=truncated,
        printed=closing["printed"],
        uncompared=tuple(closing["uncompared"]),
        seconds=round(seconds, 3),
    )


def _lines(output: IO[bytes]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    output.seek(0)
    digests: list[str] = []
    texts: list[str] = []
    for number, line in enumerate(output):
        if number == MAX_ITEMS:
            return tuple(digests), tuple(texts), True
        digests.append(hashlib.blake2b(line.rstrip(b"\r\n"), digest_size=16).hexdigest())
        texts.append(line.rstrip(b"\r\n").decode("utf-8", "replace")[:_SHOWN])
    return tuple(digests), tuple(texts), False


def _last_line(errors: IO[bytes]) -> str:
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - 4000))
    lines = errors.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
