"""How doubtful images are put together for a person's eye."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from doctor.evidence.label_noise import Doubtful
from doctor.evidence.review_clusters import MAX_TOGETHER, put_together


def listed(*goings: str) -> list[Doubtful]:
    """Make doubtful images from words such as "ab": labelled a, looks like b."""
    return [
        Doubtful(number=n, row=n, given=pair[0], suggested=pair[1], like=0, doubt=1.0, suspect=True, file=f"{n}.png")
        for n, pair in enumerate(goings)
    ]


def told(*goings: str) -> list[tuple[str, tuple[int, ...]]]:
    parts = put_together(listed(*goings), np.zeros((len(goings), 2)))
    return [(part.title, part.places) for part in parts]


def test_images_of_one_class_that_look_like_one_other_are_asked_about_together() -> None:
    assert told("ba", "ab", "ab", "ba", "ab", "ba") == [
        ("b, looks like a", (0, 3, 5)),
        ("a, looks like b", (1, 2, 4)),
    ]
    assert told("aa", "aa", "aa") == [("a, in doubt", (0, 1, 2))]


def test_few_of_a_kind_are_put_together_by_what_they_look_like_and_the_rest_at_last() -> None:
    assert told("ab", "cb", "db", "ac", "bd") == [
        ("several classes, look like b", (0, 1, 2)),
        ("several classes", (3, 4)),
    ]


def test_many_of_a_kind_are_divided_by_their_looks() -> None:
    looks = np.repeat([0.0, 50.0, 100.0], 10)[:, None] + np.linspace(0, 1, 30)[:, None]
    order = np.random.default_rng(0).permutation(30)
    parts = put_together(listed(*["ab"] * 30), looks[order])
    assert [part.title for part in parts] == ["a, looks like b"] * 3
    assert sorted(sorted(order[list(part.places)] // 10) for part in parts) == [[n] * 10 for n in range(3)]
    assert parts == put_together(listed(*["ab"] * 30), looks[order])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abcd", min_size=2, max_size=2), max_size=60), st.integers(0, 9))
def test_every_image_is_in_one_cluster_and_the_most_doubtful_come_first(goings: list[str], seed: int) -> None:
    looks = np.random.default_rng(seed).normal(size=(len(goings), 3))
    parts = put_together(listed(*goings), looks)
    assert sorted(place for part in parts for place in part.places) == list(range(len(goings)))
    assert all(list(part.places) == sorted(part.places) for part in parts)
    assert [part.places[0] for part in parts] == sorted(part.places[0] for part in parts)
    assert len(parts) <= 4 * 4 + len(goings) / MAX_TOGETHER
