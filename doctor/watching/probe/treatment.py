"""Changes the training, and only where `DOCTOR_TREATMENT` asks for it: for runs that try a repair.

The one part of the probe that does not leave the training as it is. `DOCTOR_TREATMENT` holds JSON, values by the names
of `doctor.repair.treatments.KNOWN`; `DOCTOR_MAX_STEPS` a number of steps after which the process ends with status 0,
and with `DOCTOR_RECORD=full` the probe does not save time by looking at fewer of them. Where neither of the first two
is set nothing here is imported.

What was done is written down: an event `treated` with the `change` when it first takes effect, an event
`treatment_refused` with `why` where it cannot. A change without the first of them has not been tried.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from .session import Listener

if TYPE_CHECKING:
    from .session import Session
    from .torch_parts import Parts

CHANGES = "DOCTOR_TREATMENT"
MAX_STEPS = "DOCTOR_MAX_STEPS"
RECORD = "DOCTOR_RECORD"


class Log:
    """Writes down what the changes come to, each once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._said: set[str] = set()

    def done(self, change: str, **facts: Any) -> None:
        """Say that a change has taken effect."""
        if change not in self._said:
            self._said.add(change)
            self._session.event("treated", change=change, **facts)

    def refused(self, change: str, why: str) -> None:
        """Say that a change cannot be made here."""
        self._session.event("treatment_refused", change=change, why=why)


class Bound(Listener):
    """Ends the process after a number of steps."""

    def __init__(self, session: Session, max_steps: int) -> None:
        self._session, self._max_steps = session, max_steps

    def step_ended(self, step: int, values: dict[str, float]) -> None:
        """Leave as a program leaves that has done its work, so that `finally` and `with` blocks are run."""
        if step >= self._max_steps:
            self._session.event("stopped", reason="after %d steps, as asked" % step)
            raise SystemExit(0)


def install(parts: Parts) -> None:
    """Make the changes that the environment asks for."""
    from .treated_config import CONFIGURED
    from .treated_models import TreatedModels
    from .treated_updates import TreatedUpdates

    session = parts.session
    changes: dict[str, Any] = json.loads(os.environ.get(CHANGES) or "{}")
    log = Log(session)
    known = {*CONFIGURED, *TreatedModels.CHANGES, *TreatedUpdates.CHANGES}
    for change in sorted(changes.keys() - known):
        log.refused(change, "it cannot be made from outside the program")
    if changes.keys() & TreatedModels.CHANGES:
        TreatedModels(parts, changes, log).install()
    if changes.keys() & TreatedUpdates.CHANGES:
        TreatedUpdates(parts, changes, log).install()
    session.governor.saves = os.environ.get(RECORD) != "full"
    if os.environ.get(MAX_STEPS):
        session.listeners.append(Bound(session, int(os.environ[MAX_STEPS])))


def install_engine() -> None:
    """Make the changes of a DeepSpeed configuration; called once DeepSpeed is imported."""
    from . import session as sessions
    from .treated_config import treat_engine

    changes: dict[str, Any] = json.loads(os.environ.get(CHANGES) or "{}")
    if changes and sessions.current is not None:
        treat_engine(changes, Log(sessions.current))
