"""How many threads numerical libraries use on samples."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let trees and linear algebra run on one thread: on so few rows threads wait for each other.

    Libraries that are first loaded inside keep their own number.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        yield
