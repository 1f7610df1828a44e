"""The deadline of the work that a thread does: every program that it starts has to end by then."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)


@contextmanager
def ending_within(span: timedelta) -> Iterator[None]:
    """Give this thread's work a deadline for as long as this is open; an earlier one that it has stays."""
    before = _ends_at.get()
    mine = time.monotonic() + span.total_seconds()
    token = _ends_at.set(mine if before is None else min(mine, before))
    try:
        yield
    finally:
        _ends_at.reset(token)


def seconds_left(most: float) -> float:
    """How long a program that is started now may take: `most`, or what is left until the deadline."""
    ends_at = _ends_at.get()
    return most if ends_at is None else max(0.0, min(most, ends_at - time.monotonic()))
