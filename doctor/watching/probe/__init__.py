"""What runs inside the training: takes facts and records them, never judges, never raises, never changes the run.

The one exception is `treatment`, which is imported only where `DOCTOR_TREATMENT` or `DOCTOR_MAX_STEPS` asks for it.
Loaded by path under the name `doctor_probe`, so that it works where `doctor` is not installed. Standard library and
torch alone.
"""

from __future__ import annotations

import os

from . import arrival, ending, events, session

ASKED = ("DOCTOR_TREATMENT", "DOCTOR_MAX_STEPS")
"""Variables that ask for a change of the training; see `treatment`."""


def start(folder: str, rank: int | None = None) -> session.Session:
    """Begin to watch this process; calling it again does nothing.

    Parameters
    ----------
    folder : str
        The run folder, which exists.
    rank : int, optional
        Read from the environment (`RANK`) where it is not given.
    """
    if session.current is not None:
        return session.current
    session.current = session.Session(folder, rank)
    events.watch_exceptions(session.current)
    ending.watch_exit(session.current)
    arrival.when_imported("torch", _torch_arrived)
    arrival.when_imported("deepspeed", _deepspeed_arrived)  # which imports torch, where nobody has
    return session.current


def _torch_arrived() -> None:
    from . import torch_parts

    if session.current is not None:
        session.current.parts = torch_parts.install(session.current)
        if any(map(os.environ.get, ASKED)):
            from . import treatment

            treatment.install(session.current.parts)


def _deepspeed_arrived() -> None:
    from .deepspeed_hooks import DeepSpeedHooks

    parts = session.current.parts if session.current is not None else None
    if parts is not None:
        DeepSpeedHooks(parts.session, parts.steps, parts.models, parts.gradients, parts.updates).install()
        if os.environ.get("DOCTOR_TREATMENT"):
            from . import treatment

            treatment.install_engine()


def start_from_environment() -> None:
    """Begin to watch when `DOCTOR_RUN_DIR` says so; used by the `sitecustomize` beside this package."""
    folder = os.environ.get("DOCTOR_RUN_DIR")
    if folder and os.path.isdir(folder):
        start(folder)
