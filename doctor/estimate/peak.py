"""The memory of one rank at its peak, by what takes it."""

from typing import Protocol

from msgspec import Struct

from doctor.estimate.formulas import moments
from doctor.estimate.shapes import ModelShape
from doctor.estimate.states import states_of
from doctor.estimate.tracking import Tracked
from doctor.estimate.training import Training
from doctor.estimate.workload import Model, Moment

CATEGORIES = ("parameters", "gradients", "optimizer", "activations", "temporary")
BACKWARD, STEP = "in the backward pass", "in the optimizer's step"


class Peak(Struct, frozen=True, kw_only=True):
    """Bytes on the device of one rank at the moment when most are in use.

    Attributes
    ----------
    parameters : int
        Weights, and buffers that are not trained.
    optimizer : int
        Its state, and 32-bit master weights.
    temporary : int
        What single operations, communication and the optimizer's step take for a while.
    host : int
        Bytes in the host's memory, where state is offloaded.
    when : str
        In which part of an update.
    """

    parameters: int
    gradients: int
    optimizer: int
    activations: int
    temporary: int
    host: int
    when: str

    @property
    def total(self) -> int:
        """All of them on the device."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.temporary

    def culprits(self) -> list[tuple[str, int]]:
        """Return what takes memory, the largest first."""
        sizes = [(name, getattr(self, name)) for name in CATEGORIES]
        return sorted(((name, size) for name, size in sizes if size), key=lambda one: -one[1])


class Subject(Protocol):
    """A model whose passes are known."""

    @property
    def model(self) -> Model:
        """What does not depend on how it is trained."""

    def moments(self, training: Training) -> tuple[Moment, ...]:
        """Return the moments at which its passes may peak; none where that is not known."""


class Counted(Struct, frozen=True, kw_only=True):
    """A model that is known by its shape alone."""

    shape: ModelShape
    fused_attention: bool = True

    @property
    def model(self) -> Model:
        """What does not depend on how it is trained."""
        parameters = self.shape.parameters
        return Model(
            name=self.shape.name,
            source="closed formulas",
            parameters=parameters,
            trainable=parameters,
            largest_layer=self.shape.largest_layer,
            largest_tensor=self.shape.largest_layer,
        )

    def moments(self, training: Training) -> tuple[Moment, ...]:
        """Return the moments at which its passes may peak."""
        return moments(self.shape, training, fused_attention=self.fused_attention)


def predicted(subject: Subject | Tracked, training: Training, *, when: str | None = None) -> Peak | None:
    """Return the peak of a training, or None where the passes of such a training are not known.

    Parameters
    ----------
    when : str, optional
        `BACKWARD` or `STEP`, for the peak of that part alone.
    """
    model = subject.model
    states = states_of(model.parameters, model.trainable, model.largest_layer, model.largest_tensor, training)
    cache = 2 * model.parameters if training.precision == "autocast" else 0  # 16-bit copies of the weights
    always = states.lasting if isinstance(subject, Tracked) else states.lasting + cache
    gathered = states.communication - states.lasting if training.zero_stage == 3 else 0

    def at(when: str, gradients: int, activations: int, temporary: int) -> Peak:
        return Peak(
            parameters=states.parameters + model.buffers,
            gradients=gradients,
            optimizer=states.optimizer,
            activations=activations,
            temporary=temporary,
            host=states.host,
            when=when,
        )

    peaks = []
    for moment in subject.moments(training):
        gradients, buffers = states.held, always + gathered
        if moment.begun:
            gradients = max(states.begun, round(moment.gradients_share * states.gradients))
            buffers = always + states.communication - states.lasting
        peaks.append(at(BACKWARD, gradients, moment.activations, moment.temporary + buffers))
    if not peaks:
        return None
    peaks.append(at(BACKWARD, states.gradients, 0, states.closing + (always - states.lasting)))
    peaks.append(at(STEP, states.left, 0, states.step + states.lasting))
    return max((peak for peak in peaks if when in (None, peak.when)), key=lambda peak: peak.total)
