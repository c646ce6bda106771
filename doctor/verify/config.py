"""Brings about what a DeepSpeed configuration does to a training, applies the repair, and trains again.

The symptom is found by the checks on the record of a real training, and so is its absence.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace as replaced

from doctor.errors import UsageError
from doctor.measurements import Observer, Silent
from doctor.model import About, CaseSummary, Chart, Problem, Report
from doctor.registry import choose, load_checks
from doctor.settings import Settings
from doctor.trainer.recipe import Recipe
from doctor.verify.cache import Store
from doctor.verify.treatments import Treatments
from doctor.verify.trials import Bench, Trial
from doctor.verify.verdicts import Changes
from doctor.version import VERSION

DEFAULT_STEPS = 300


def verify_config(
    config: Path,
    dataset: Path | None,
    settings: Settings,
    *,
    checks: Sequence[str] = (),
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = DEFAULT_STEPS,
    device_memory: int | None = None,
    deadline: float | None = None,
    cache: Store | None = None,
    observer: Observer | None = None,
    workers: int | None = None,
    recipe: Mapping[str, Any] | None = None,
    instead: Changes | None = None,
) -> Report:
    """Train with a configuration, and again with what its findings prescribe.

    Parameters
    ----------
    config : Path
        A DeepSpeed configuration (JSON).
    dataset : Path or None
        What to train on; None takes handwritten digits, which scikit-learn ships.
    settings : Settings
        Roles of the columns, and thresholds of the checks.
    checks : sequence of str
        Whose repairs are tried, by id, family or name; empty for all that state a root cause.
    seeds : sequence of int
        Of the trainings: one without and one with each repair for every seed.
    steps : int
        Updates of each training.
    device_memory : int or None
        Bytes that a training may use beyond those at its start.
    deadline : float or None
        Of `time.monotonic()`; what is not trained by then is not run.
    cache : Store or None
        Where results are kept, so that an interrupted verification goes on.
    observer : Observer, optional
        Told of each training.
    workers : int, optional
        Trainings at a time. [default: as many as there are cores]
    recipe : mapping, optional
        Fields of `doctor.trainer.recipe.Recipe`, such as `model` or `width`.
    instead : mapping, optional
        Changes to try in place of those prescribed.

    Returns
    -------
    Report
        The findings of the trainings with the configuration as it is, and the verdicts.

    Raises
    ------
    UsageError
        When the configuration, the data or a name of a check is wrong.
    """
    wanted = _wanted(checks, settings)
    plain = _recipe(config, steps, recipe or {})
    begun = time.monotonic()
    with _data(dataset) as (data, target):
        bench = Bench(
            data=data,
            settings=replace(settings, select=(), ignore=(), budget=None),
            shown=str(config),
            target=target or settings.target,
            device_bytes=device_memory,
            deadline=deadline,
            store=cache,
            workers=workers,
            observer=observer or Silent(),
        )
        before = bench.run([plain.replaced(seed=seed) for seed in seeds])
        verifications, after = Treatments(bench, before, instead).tried(wanted)
    if observer is not None:
        observer.finished()
    return replaced(
        _joined(before, config, settings, time.monotonic() - begun),
        verifications=verifications,
        charts=_compared(before[0], after),
    )


def _wanted(checks: Sequence[str], settings: Settings) -> frozenset[str]:
    if not checks:
        return frozenset()
    return frozenset(check.id for check in choose(load_checks(), replace(settings, select=tuple(checks), ignore=())))


def _recipe(config: Path, steps: int, fields: Mapping[str, Any]) -> Recipe:
    from doctor.trainer.config import batch_sizes, read_config

    given = read_config(config)
    try:
        recipe = msgspec.convert({"steps": steps, **fields, "config": given}, Recipe)
    except msgspec.ValidationError as error:
        raise UsageError(f"{config}: {error}") from error
    try:
        batch_sizes(recipe)
    except UsageError as error:
        raise UsageError(f"{config}: {error}") from error
    return recipe


@contextmanager
def _data(dataset: Path | None) -> Iterator[tuple[Path, str | None]]:
    """Return where the data lies, and its target where that is known here."""
    if dataset is not None:
        if not dataset.exists():
            raise UsageError(f"{dataset}: there is no such file or folder")
        yield dataset, None
        return
    from sklearn.datasets import load_digits

    with tempfile.TemporaryDirectory(prefix="doctor-digits-") as folder:
        digits = load_digits()
        names = [name.replace("pixel_", "p") for name in digits.feature_names]
        rows = [[*map(int, pixels), int(label)] for pixels, label in zip(digits.data, digits.target, strict=True)]
        path = Path(folder) / "digits.csv"
        path.write_text("\n".join(",".join(map(str, row)) for row in [[*names, "digit"], *rows]) + "\n", "utf-8")
        yield path, "digit"


def _joined(before: Sequence[Trial], config: Path, settings: Settings, seconds: float) -> Report:
    """Make one report of the first training, with what only the others have shown."""
    reports = [trial.report for trial in before if trial.report is not None]
    failures = [trial.result.failure.message for trial in before if trial.result.failure is not None]
    first = reports[0] if reports else _nothing(config, settings)
    known = {finding.fingerprint for finding in first.findings}
    findings, manuals = list(first.findings), dict(first.manuals)
    for report in reports[1:]:
        findings += [finding for finding in report.findings if finding.fingerprint not in known]
        known |= {finding.fingerprint for finding in findings}
        manuals = report.manuals | manuals
    problems = list(first.case.problems)
    if failures and not findings and not any(trial.out_of_time for trial in before):
        # It ended badly, and no check knows why.
        problems.append(Problem(path=str(config), reason=failures[0]))
    return replaced(
        first,
        findings=sorted(findings, key=lambda finding: finding.severity.rank),
        manuals=manuals,
        case=replaced(first.case, path=str(config), problems=problems),
        coverage=replaced(first.coverage, seconds=round(seconds, 3)),
    )


def _nothing(config: Path, settings: Settings) -> Report:
    about = About(version=VERSION, sample_seed=settings.sample_seed, sample_rows=settings.sample_rows)
    return Report(doctor=about, case=CaseSummary(path=str(config)))


def _compared(before: Trial, after: Mapping[str, Trial]) -> list[Chart]:
    """Draw the losses without any change and with each into one chart, of the first seed."""
    lines = [
        replaced(line, name=name)
        for name, trial in {"as it is": before, **after}.items()
        for chart in (trial.report.charts if trial.report else ())
        for line in chart.lines
        if chart.title == "Loss" and line.name == "training"
    ]
    compared = [Chart(title="Loss without and with the change", x_label="step", lines=lines)] if len(lines) > 1 else []
    return compared + [chart for chart in (before.report.charts if before.report else ()) if chart.title != "Loss"]
