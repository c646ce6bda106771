"""Runs one job in this process, from reading its data to its `result.json`; whatever happens ends in a result."""

from pathlib import Path

from doctor.errors import UsageError
from doctor.trainer.data import read
from doctor.trainer.failures import failure_of
from doctor.trainer.progress import Observer, Silent
from doctor.trainer.recipe import Failure, Job, Result
from doctor.trainer.result import RESULT_FILE, encoded, write_whole


def run(job: Job, observer: Observer | None = None) -> Result:
    """Train as a job says.

    Returns
    -------
    Result
        With a failure where the training did not come to its end. The first rank writes it as `result.json` into the
        output folder.
    """
    try:
        from doctor.trainer.ranks import start
        from doctor.trainer.tracing import Trace

        ranks = start()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return Result(failure=failure_of(error))
    trace = Trace(job, writes=ranks.first)
    failure: Failure | None = None
    try:
        Path(job.output).mkdir(parents=True, exist_ok=True)
        data = read(job)
        trace.know(data)
        from doctor.trainer.loop import train

        train(job, data, ranks, trace, observer or Silent())
    except KeyboardInterrupt:
        trace.close()
        raise
    except BaseException as error:  # a result in any case
        failure = failure_of(error)
    result = trace.result(failure)
    try:
        trace.close()
        if ranks.first:
            write_whole(Path(job.output, RESULT_FILE), encoded(result))
    except OSError as error:
        return trace.result(failure or failure_of(error))
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
