"""Puts together the parts that need torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import ending, frameworks, replay
from .activations import Activations
from .census import Census
from .collectives import Collectives
from .criteria import Criteria
from .gradients import Gradients
from .holding import Holding
from .loading import Loading
from .models import Models
from .receipt import Receipt
from .replicas import Replicas
from .schedulers import Schedulers
from .steps import Steps
from .torch_hooks import TorchHooks
from .updates import Updates

if TYPE_CHECKING:
    from .session import Session


@dataclass
class Parts:
    """The parts that others speak to."""

    session: Session
    steps: Steps
    models: Models
    gradients: Gradients
    updates: Updates


def install(session: Session) -> Parts:
    """Put all hooks into torch, once per session."""
    ending.keep_stacks(session)
    steps = Steps(session)
    models = Models(session, steps)
    gradients = Gradients(session, steps, models)
    hooks = TorchHooks(session, steps, gradients, models)
    models.install()
    gradients.install()
    hooks.install()
    loading = Loading(session, steps, models)
    loading.install()
    Criteria(session, steps, models, loading).install()
    Schedulers(session, steps).install()
    updates = Updates(session, steps, models)
    updates.install()
    replicas = Replicas(session)
    Collectives(session, replicas).install()
    replicas.install()
    Activations(session, models).install()
    Census(session).install()
    Receipt(session).install()
    replay.install(session)  # explains before a pause begins
    Holding(session, steps, models).install()
    frameworks.install(session)
    return Parts(session, steps, models, gradients, updates)
