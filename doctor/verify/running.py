"""Runs trainings that were not run before, and remembers what came of them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from doctor.trainer.recipe import Job, Result
from doctor.verify.cache import Cache, content_of, key_of


def run_anew(
    jobs: Sequence[Job],
    cache: Cache,
    *,
    workers: int | None = None,
    deadline: float | None = None,
    done: Callable[[int], None] | None = None,
) -> list[Result]:
    """Run the jobs whose results are not known.

    Parameters
    ----------
    jobs : sequence of Job
        Each with an output folder of its own.
    cache : Cache
        Where results are kept. A run that failed or was cut short is run again.
    workers, deadline
        As in `doctor.trainer.jobs.run_jobs`.
    done : callable, optional
        Told the place of each job as its result is there, the known ones first.

    Returns
    -------
    list of Result
        In the order of the jobs.
    """
    from doctor.trainer.jobs import run_jobs
    from doctor.trainer.result import decoded, encoded

    tell = done or (lambda number: None)
    contents: dict[str, str] = {}
    keys = [_key(job, contents) for job in jobs]
    results: dict[int, Result] = {}
    for number, key in enumerate(keys):
        stored = cache.get(key)
        if stored is not None:
            results[number] = decoded(stored)
            tell(number)
    left = [number for number in range(len(jobs)) if number not in results]

    def keep(place: int, result: Result) -> None:
        if result.failure is None:
            cache.put(keys[left[place]], encoded(result))
        tell(left[place])

    if not left:
        return [results[number] for number in range(len(jobs))]
    fresh = run_jobs([jobs[number] for number in left], workers=workers, on_done=keep, deadline=deadline)
    results |= dict(zip(left, fresh, strict=True))
    return [results[number] for number in range(len(jobs))]


def _key(job: Job, contents: dict[str, str]) -> str:
    """Name the job by all but the places where it reads and writes."""
    if job.data not in contents:
        contents[job.data] = content_of(Path(job.data))
    decides: Mapping[str, object] = {
        name: getattr(job, name) for name in job.__struct_fields__ if name not in ("data", "output")
    }
    return key_of({"kind": "training", "data": contents[job.data], **decides})
