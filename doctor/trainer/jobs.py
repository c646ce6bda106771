"""Runs many trainings, each in a process forked from one that has loaded torch and DeepSpeed; loads neither itself.

So a job costs its training and not the seconds of loading, and its memory and its death are its own.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from multiprocessing import connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path

import msgspec
from msgspec import structs

from doctor.errors import UsageError
from doctor.trainer.failures import OUT_OF_MEMORY, failure_of
from doctor.trainer.recipe import Failure, Job, Result
from doctor.trainer.result import RESULT_FILE, decoded
from doctor.trainer.trace_file import read_trace
from doctor.wording import printable

LOG_FILE = "log.txt"
DIE_WITH_PARENT = 1
"""PR_SET_PDEATHSIG of Linux."""
LAST_BYTES = 20_000
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""Small models are slower with more threads, and results then depend on their number."""


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int | None = None,
    on_done: Callable[[int, Result], None] | None = None,
    deadline: float | None = None,
) -> list[Result]:
    """Run trainings side by side.

    Parameters
    ----------
    jobs : sequence of Job
        Each with an output folder of its own.
    workers : int, optional
        Trainings at a time. [default: as many as there are cores]
    on_done : callable, optional
        Called in this thread with the job's place in `jobs` and its result, in the order in which they end.
    deadline : float, optional
        Reading of `time.monotonic` at which what still runs is killed and the rest is not begun.

    Returns
    -------
    list of Result
        In the order of the jobs. A job that dies gives a result with a failure and the losses until then.

    Raises
    ------
    UsageError
        When two jobs have the same output folder.
    """
    if len({Path(job.output).absolute() for job in jobs}) < len(jobs):
        raise UsageError("two trainings would write into the same folder")
    pool = _Pool(workers or len(os.sched_getaffinity(0)), deadline)
    results: dict[int, Result] = {}
    try:
        for number, result in pool.run(jobs):
            results[number] = result
            if on_done:
                on_done(number, result)
    finally:
        pool.kill()
    return [results[number] for number in range(len(jobs))]


class _Pool:
    """Processes at work, and the folders in which they leave their results."""

    def __init__(self, workers: int, deadline: float | None) -> None:
        self._workers, self._deadline = workers, deadline
        self._running: dict[ForkServerProcess, tuple[int, Job, float]] = {}

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, Result]]:
        """Run all jobs; yield the place and the result of each as it ends."""
        waiting = list(enumerate(jobs))
        while waiting or self._running:
            if self._deadline is not None and time.monotonic() >= self._deadline:
                yield from self._stop(waiting)
                return
            while waiting and len(self._running) < self._workers:
                number, job = waiting.pop(0)
                if failure := _prepare(job):
                    yield number, Result(failure=failure)
                    continue
                process = _server().Process(target=work, args=(msgspec.json.encode(job),), daemon=True)
                process.start()
                self._running[process] = (number, job, time.monotonic())
            yield from self._ended()

    def _ended(self) -> Iterator[tuple[int, Result]]:
        pause = None if self._deadline is None else max(0.0, self._deadline - time.monotonic())
        ready = connection.wait([process.sentinel for process in self._running], pause) if self._running else []
        for process in [process for process in self._running if process.sentinel in ready]:
            process.join()
            number, job, begun = self._running.pop(process)
            yield number, _result(job, process.exitcode, time.monotonic() - begun)
            process.close()

    def _stop(self, waiting: Sequence[tuple[int, Job]]) -> Iterator[tuple[int, Result]]:
        over = Failure(kind="out of time", message="the time for all trainings was over before this one was")
        for number, job, begun in self.kill():
            known = read_trace(Path(job.output))
            yield number, structs.replace(known, failure=over, seconds=time.monotonic() - begun)
        for number, _ in waiting:
            yield number, Result(failure=over)

    def kill(self) -> list[tuple[int, Job, float]]:
        """End all processes; return what they were at."""
        for process in self._running:
            process.kill()
        for process in self._running:
            process.join()
        stopped = list(self._running.values())
        self._running.clear()
        return stopped


def _prepare(job: Job) -> Failure | None:
    """Make the folder; a result of an earlier job in it must not pass for one of this."""
    try:
        Path(job.output).mkdir(parents=True, exist_ok=True)
        Path(job.output, RESULT_FILE).unlink(missing_ok=True)
    except OSError as error:
        return failure_of(error)
    return None


@cache
def _server() -> ForkServerContext:
    """Start the process from which the others are forked."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["doctor.trainer.preload"])
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))
    try:
        ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
    return context


def work(job: bytes) -> None:
    """Run a job in this process, which exists for it alone; what is printed goes to the job's log."""
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    decoded_job = msgspec.json.decode(job, type=Job)
    with Path(decoded_job.output, LOG_FILE).open("wb") as log:
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
    from doctor.trainer.run import run

    run(decoded_job)


def _result(job: Job, status: int | None, seconds: float) -> Result:
    """Read what a process left."""
    try:
        return decoded(Path(job.output, RESULT_FILE).read_bytes())
    except (OSError, msgspec.DecodeError, msgspec.ValidationError):
        pass
    known = structs.replace(read_trace(Path(job.output)), seconds=seconds)
    try:
        log = Path(job.output, LOG_FILE).read_bytes()[-LAST_BYTES:].decode("utf-8", "replace")
    except OSError:
        log = ""
    if OUT_OF_MEMORY.search(log):
        return structs.replace(known, failure=Failure(kind="out of memory", message=_last_line(log)))
    if status is not None and status < 0:
        name = signal.Signals(-status).name
        return structs.replace(known, failure=Failure(kind="killed", message=f"the process was ended by {name}"))
    message = _last_line(log) or f"the process left with status {status} and no result"
    return structs.replace(known, failure=Failure(kind="error", message=message))


def _last_line(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return printable(lines[-1], limit=400) if lines else ""
