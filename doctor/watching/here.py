"""Watches the training in this very process: `with doctor.watch(model, optimizer): ...`."""

import importlib.util
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from doctor.errors import UsageError
from doctor.model import Report
from doctor.settings import Settings, settings_for
from doctor.watching.closing import conclude, tell_report
from doctor.watching.folder import RunFolder

PROBE = "doctor_probe"
"""The name under which a watched process has the probe, also where `doctor` cannot be imported."""


class Watch:
    """A training that is being watched.

    Attributes
    ----------
    run_dir : Path
        The run folder; `doctor autopsy` reads it again later.
    report : Report or None
        What was found; None until the end.
    """

    def __init__(self, run_dir: Path, session: Any) -> None:
        self.run_dir = run_dir
        self.report: Report | None = None
        self._session = session

    def log(self, **metrics: float) -> None:
        """Record what only your code knows, at the step that ended last.

        Parameters
        ----------
        **metrics : float
            `loss`, `accuracy`, `evaluation_loss`, `evaluation_accuracy` and the other fields of a step are judged;
            any other name is kept with the run.

        Raises
        ------
        TypeError
            When a value is not a number.
        """
        values = {name: float(value) for name, value in metrics.items()}
        fields = sys.modules[type(self._session).__module__].FIELDS
        known = {name: value for name, value in values.items() if name in fields}
        step = max(1, self._session.step - 1)
        with suppress(OSError):
            if known:
                self._session.record(known, step)
            if len(known) < len(values):
                self._session.event("metrics", of_step=step, **{k: v for k, v in values.items() if k not in known})


@contextmanager
def watch(
    model: Any = None,
    optimizer: Any = None,
    *,
    run_dir: str | os.PathLike[str] | None = None,
    quiet: bool = False,
    complete: bool = False,
    settings: Settings | None = None,
) -> Iterator[Watch]:
    """Watch the training inside a `with` block, and say at its end what is wrong with it.

    Parameters
    ----------
    model : torch.nn.Module, optional
        What is trained; found from the optimizers that step where it is not given.
    optimizer : torch.optim.Optimizer or sequence of them, optional
    run_dir : path, optional
        Where the run is kept, which holds no other run. [default: .doctor/runs/TIME]
    quiet : bool, optional
        Do not write the report to standard error; it is in `report.html` and `diagnosis.json` all the same.
    complete : bool, optional
        Record in full whatever that costs, so that the same training is recorded alike each time.
    settings : Settings, optional
        Which checks judge, and with which thresholds. [default: those of the working directory's settings file]

    Yields
    ------
    Watch
        With `run_dir`, `log(**metrics)` and, after the block, `report`.

    Raises
    ------
    UsageError
        When the folder cannot be made or holds a run, or this process is being watched already.

    Notes
    -----
    The training is not changed: its numbers are the same with and without. Losses are heard of where they are called as
    `torch.nn.functional.*` or through a module; names imported from there before are the user's own.

    Examples
    --------
    >>> with doctor.watch(model, optimizer) as run:  # doctest: +SKIP
    ...     for batch, target in loader:
    ...         ...
    ...     run.log(evaluation_loss=0.3)
    """
    probe = _probe()
    if probe.session.current is not None:
        raise UsageError("this process is being watched already")
    try:
        folder = RunFolder(Path(run_dir) if run_dir is not None else None, {"command": [sys.executable, *sys.argv]})
    except OSError as error:
        raise UsageError(f"{run_dir or Path('.doctor', 'runs')}: {error.strerror or error}") from error
    session = probe.start(str(folder.path))
    session.governor.saves = not complete
    watched = Watch(folder.path, session)
    optimizers = optimizer if isinstance(optimizer, list | tuple) else [] if optimizer is None else [optimizer]
    if session.parts is not None:
        session.parts.models.give(model, optimizers)
    status = 0
    try:
        yield watched
    except BaseException as error:
        status = 1
        probe.events.note(session, error, "main")
        raise
    finally:
        session.close()
        folder.end({"status": status, "signal": None, "ended": time.time(), "monotonic": time.monotonic()})
        watched.report = conclude(folder, settings or settings_for(Path(), {}))
        if watched.report is not None and not quiet:
            tell_report(watched.report, folder.path)


def being_watched() -> bool:
    """Whether this process is being watched, by `doctor watch` or by a `with` block."""
    return PROBE in sys.modules and sys.modules[PROBE].session.current is not None


def _probe() -> ModuleType:
    if PROBE in sys.modules:
        return sys.modules[PROBE]
    folder = Path(__file__).with_name("probe")
    spec = importlib.util.spec_from_file_location(
        PROBE, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise UsageError("the probe is missing from this installation")
    module = importlib.util.module_from_spec(spec)
    sys.modules[PROBE] = module
    spec.loader.exec_module(module)
    return module
