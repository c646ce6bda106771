"""The models and optimizers of a run as the probe described them: who is trained, who is left out, who is frozen."""

from dataclasses import dataclass
from typing import Any

from doctor.errors import NotApplicable
from doctor.evidence.incidents import Incident, Incidents

SCALE_FREE = (
    "Adam",
    "Lion",
    "RMSprop",
    "Adagrad",
    "Adadelta",
    "Adafactor",
    "LAMB",
    "Lamb",
    "NovoGrad",
    "Rprop",
    "Muon",
)
"""Optimizers whose update does not grow with the gradient, by a part of their class's name."""
MODE_SENSITIVE = ("Dropout", "BatchNorm", "InstanceNorm", "DropPath", "StochasticDepth")
"""Modules that compute something else in training than in evaluation, by a part of their class's name."""


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A parameter; `shape` is empty for a scalar."""

    name: str
    shape: tuple[int, ...]
    requires_grad: bool
    in_optimizer: bool
    dtype: str

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        size = 1
        for length in self.shape:
            size *= length
        return size


@dataclass(frozen=True, kw_only=True)
class Model:
    """An outermost module, as it was described last.

    Attributes
    ----------
    step : int
        At which it was.
    tensors : tuple of Tensor
        In the model's own order; a very large model's first 600.
    not_in_optimizer : tuple of str
        Parameters that want gradients and that no optimizer has.
    frozen_in_optimizer : tuple of str
        Parameters that an optimizer has and that wanted no gradients at any look: not those that are frozen while
        another network takes its turn, or once they have learnt.
    misspelt : tuple of str
        Parameters with an attribute `require_grad`, which torch does not know.
    module_types : tuple of str
    """

    rank: int
    step: int
    root: str
    tensors: tuple[Tensor, ...]
    parameters: int
    trainable: int
    not_in_optimizer: tuple[str, ...]
    frozen_in_optimizer: tuple[str, ...]
    misspelt: tuple[str, ...]
    module_types: tuple[str, ...]

    @property
    def mode_sensitive(self) -> tuple[str, ...]:
        """The kinds of its modules that know a training mode."""
        return tuple(dict.fromkeys(kind for kind in self.module_types if any(part in kind for part in MODE_SENSITIVE)))


@dataclass(frozen=True, kw_only=True)
class Unreached:
    """An optimizer at whose first `steps` steps none of its parameters had a gradient."""

    rank: int
    step: int
    optimizer: str
    steps: int
    names: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """What the lowest rank has.

    Attributes
    ----------
    models : tuple of Model
    optimizers : mapping of int to dict
        By track: "class" and "groups" with their options.
    without_gradient : frozenset of str or None
        Parameters that want gradients and had none in the first steps; None where that was not looked at.
    unreached : tuple of Unreached
        Of torch's own optimizers, which pass over parameters without gradients.
    """

    models: tuple[Model, ...]
    optimizers: dict[int, dict[str, Any]]
    without_gradient: frozenset[str] | None
    unreached: tuple[Unreached, ...] = ()

    @classmethod
    def measure(cls, incidents: Incidents) -> "Parameters":
        """Collect the latest description of each.

        Raises
        ------
        NotApplicable
            When no model was described.
        """
        described = incidents.of("model")
        if not described:
            raise NotApplicable("no model was described")
        rank = min(event.rank for event in described)
        looks: dict[str, list[Incident]] = {}
        for event in described:
            if event.rank == rank:
                looks.setdefault(str(event.facts.get("root")), []).append(event)
        missing = [event for event in incidents.of("gradients_missing") if event.rank == rank]
        return cls(
            models=tuple(map(_model, looks.values())),
            optimizers={
                int(event.facts.get("track", 0)): event.facts
                for event in incidents.of("optimizer")
                if event.rank == rank
            },
            without_gradient=frozenset(missing[-1].facts.get("names", ())) if missing else None,
            unreached=tuple(
                Unreached(
                    rank=event.rank,
                    step=event.step or 0,
                    optimizer=str(event.facts.get("optimizer")),
                    steps=int(event.facts.get("steps", 0)),
                    names=tuple(map(str, event.facts.get("names", ()))),
                )
                for event in incidents.of("optimizer_without_gradients")
                if event.rank == rank
            ),
        )

    def scale_free(self, track: int) -> bool:
        """Whether an optimizer's update does not depend on the gradient's size; False where it is not known."""
        kind = str(self.optimizers.get(track, {}).get("class", ""))
        return any(part in kind for part in SCALE_FREE)


def _model(looks: list[Incident]) -> Model:
    event = looks[-1]
    facts = event.facts
    frozen = set.intersection(*(set(look.facts.get("frozen_in_optimizer", ())) for look in looks))
    return Model(
        rank=event.rank,
        step=event.step or 0,
        root=str(facts.get("root")),
        tensors=tuple(
            Tensor(
                name=str(one["name"]),
                shape=tuple(one.get("shape", ())),
                requires_grad=bool(one.get("requires_grad")),
                in_optimizer=bool(one.get("in_optimizer")),
                dtype=str(one.get("dtype", "")),
            )
            for one in facts.get("tensors", ())
        ),
        parameters=int(facts.get("parameters", 0)),
        trainable=int(facts.get("trainable", 0)),
        not_in_optimizer=tuple(facts.get("not_in_optimizer", ())),
        frozen_in_optimizer=tuple(name for name in facts.get("frozen_in_optimizer", ()) if name in frozen),
        misspelt=tuple(facts.get("misspelt", ())),
        module_types=tuple(str(one.get("type")) for one in facts.get("modules", ())),
    )
