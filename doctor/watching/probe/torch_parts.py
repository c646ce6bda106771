"""Puts together the parts that need torch."""

from __future__ import annotations

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


def install(session: Session) -> None:
    """Put all hooks into torch, once per process."""
    ending.keep_stacks(session)
    steps = Steps(session)
    models = Models(session, steps)
    gradients = Gradients(session, steps, models)
    hooks = TorchHooks(session, steps, gradients, models)
    models.install()
    gradients.install()
    hooks.install()
    Loading(session, steps).install()
    Criteria(session, steps, models).install()
    Schedulers(session, steps).install()
    replicas = Replicas(session)
    Collectives(session, replicas).install()
    replicas.install()
    Updates(session, steps, models).install()
    Activations(session, models).install()
    Census(session).install()
    Receipt(session).install()
    Holding(session, steps, models).install()
    replay.install(session)
    frameworks.install(session)
