"""Who is named for memory that grows."""

import math

import pytest

from doctor.evidence.censuses import Census, Holder, explanation

MB = 1e6


def census(held: float, *, in_use: float = math.nan, resident: float = 10 * MB) -> Census:
    holder = Holder(
        name="seen",
        kind="global",
        path="train.py",
        line=3,
        of="Tensor",
        length=900,
        grown=300,
        bytes_per_second=held,
        limit=None,
        evicts="",
        container="list",
        expression="seen",
    )
    return Census(
        monotonic=0.0, seconds=30.0, resident_rate=resident, blocks_rate=0.0, in_use_rate=in_use, holders=(holder,)
    )


@pytest.mark.parametrize(
    ("held", "in_use", "kind"),
    [
        (5 * MB, math.nan, "held"),
        (2 * MB, 2.1 * MB, "held"),  # what it keeps lies scattered in a heap that grows around it
        (2 * MB, 9 * MB, "native"),
        (1 * MB, 1.1 * MB, "fragmentation"),
        (2 * MB, math.nan, "unnamed"),
    ],
)
def test_a_holder_is_named_for_what_it_explains(held: float, in_use: float, kind: str) -> None:
    assert explanation(census(held, in_use=in_use), 10 * MB)[0] == kind
