"""Backoff: how long to wait before something that did not work is tried again."""

import random
from datetime import timedelta

_LONGEST = timedelta(minutes=5)


def backoff(attempts: int) -> timedelta:
    """Two, four, eight … seconds up to five minutes, with jitter so that lanes do not come back together."""
    capped = min(timedelta(seconds=2 ** min(attempts + 1, 9)), _LONGEST)
    return capped * random.uniform(0.5, 1)  # noqa: S311 (spreading retries needs no secrecy)
