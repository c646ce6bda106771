"""Runs one job in this process, from reading its data to its `result.json`; whatever happens ends in a result."""

from contextlib import suppress
from pathlib import Path

from msgspec import structs

from doctor.errors import UsageError
from doctor.trainer.data import read, with_validation
from doctor.trainer.failures import failure_of
from doctor.trainer.memory import show_what_is_used
from doctor.trainer.progress import Observer, Silent
from doctor.trainer.ranks import launched_rank
from doctor.trainer.recipe import Failure, Job, Result
from doctor.trainer.result import PREDICTIONS, RESULT_FILE, encoded, write_whole


def run(job: Job, observer: Observer | None = None) -> Result:
    """Train as a job says.

    Returns
    -------
    Result
        With a failure where the training did not come to its end. The first rank writes it as `result.json` into the
        output folder.
    """
    output = Path(job.output)
    try:
        output.mkdir(parents=True, exist_ok=True)
        if job.device_bytes is not None:
            show_what_is_used()
        from doctor.trainer.ranks import start
        from doctor.trainer.tracing import Trace

        ranks = start()
    except Exception as error:
        return _kept(Result(failure=failure_of(error)), output, first=launched_rank() == 0)
    trace = Trace(job, writes=ranks.first)
    failure: Failure | None = None
    try:
        refuse_inside(output, Path(job.data))
        data = read(job)
        if job.recipe.early_stopping:
            data = with_validation(data)
        trace.know(data)
        from doctor.trainer.loop import train

        train(job, data, ranks, trace, observer or Silent())
        if job.predictions:
            trace.predictions = str(output / PREDICTIONS)
    except (Exception, SystemExit) as error:
        failure = failure_of(error)
    finally:
        with suppress(OSError):
            trace.close()
    return _kept(trace.result(failure), output, first=ranks.first)


def _kept(result: Result, output: Path, *, first: bool) -> Result:
    """Write a result; where that fails, this is the failure."""
    if not first:
        return result
    try:
        write_whole(output / RESULT_FILE, encoded(result))
    except OSError as error:
        return structs.replace(result, failure=result.failure or failure_of(error))
    return result


def refuse_used(folder: Path) -> None:
    """Refuse a folder in which a training has been.

    Raises
    ------
    UsageError
        Naming it.
    """
    if any((folder / name).exists() for name in (RESULT_FILE, "checkpoints", "trace.jsonl")):
        raise UsageError(
            f"{folder}: there has been a training here; go on with it by --resume, or name another --output"
        )


def refuse_inside(folder: Path, data: Path) -> None:
    """Refuse an output inside the data, where it would be taken for data; a hidden folder is not looked into.

    Raises
    ------
    UsageError
        Naming both.
    """
    folder, data = folder.resolve(), data.resolve()
    if folder == data or data in folder.parents:
        inner = folder.relative_to(data)
        if not any(part.startswith(".") for part in inner.parts):
            raise UsageError(f"{folder}: lies inside the data, {data}; name another --output")
