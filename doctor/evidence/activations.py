"""What came out of every module at the few steps at which that was looked at."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from doctor.errors import NotApplicable
from doctor.evidence.incidents import Incidents


@dataclass(frozen=True, kw_only=True)
class Output:
    """The output of one module at one step.

    Attributes
    ----------
    dead : float or None
        Share of the units of a rectifier that were 0 for the whole batch.
    dead_inputs : float or None
        The same for what a linear layer was given.
    saturated : float or None
        Share of the values of a bounded function that lay at its ends.
    overflow, underflow : float
        Share of values beyond the range of float16, or too small for it and not 0.
    """

    module: str
    type: str
    dtype: str
    std: float | None
    largest: float | None
    dead: float | None
    dead_inputs: float | None
    saturated: float | None
    overflow: float
    underflow: float
    non_finite: float


@dataclass(frozen=True, kw_only=True)
class Look:
    """All modules' outputs at one step, in the order in which they were computed."""

    rank: int
    step: int
    outputs: tuple[Output, ...]


@dataclass(frozen=True, kw_only=True)
class Activations:
    """Every look, sorted by rank and step."""

    looks: tuple[Look, ...]

    @classmethod
    def measure(cls, incidents: Incidents) -> "Activations":
        """Collect them.

        Raises
        ------
        NotApplicable
            When none was recorded.
        """
        looks = [
            Look(
                rank=event.rank,
                step=int(event.facts.get("of_step") or event.step or 0),
                outputs=tuple(_output(module) for module in event.facts.get("modules", ())),
            )
            for event in incidents.of("activations")
        ]
        if not looks:
            raise NotApplicable("no activations were recorded")
        return cls(looks=tuple(sorted(looks, key=lambda look: (look.rank, look.step))))

    def of_first_rank(self) -> dict[str, list[tuple[int, Output]]]:
        """Return for each module of the lowest rank its outputs with their steps, in the order of computation."""
        rank = self.looks[0].rank
        courses: dict[str, list[tuple[int, Output]]] = {}
        for look in self._of(rank):
            for output in look.outputs:
                courses.setdefault(output.module, []).append((look.step, output))
        return courses

    def _of(self, rank: int) -> Iterator[Look]:
        return (look for look in self.looks if look.rank == rank)


def _output(facts: dict[str, Any]) -> Output:
    def share(name: str) -> float:
        value = facts.get(name)
        return float(value) if isinstance(value, (int, float)) else 0.0

    def known(name: str) -> float | None:
        value = facts.get(name)
        return float(value) if isinstance(value, (int, float)) else None

    return Output(
        module=str(facts.get("name", "")),
        type=str(facts.get("type", "")),
        dtype=str(facts.get("dtype", "")),
        std=known("std"),
        largest=known("absmax"),
        dead=known("dead"),
        dead_inputs=known("dead_inputs"),
        saturated=known("saturated"),
        overflow=share("overflow"),
        underflow=share("underflow"),
        non_finite=share("non_finite"),
    )
