"""The one way in which these tests wait for what another process does."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

Found = TypeVar("Found")
PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.05


def until(
    what: str,
    look: Callable[[], Found | None],
    *,
    patience_s: float = PATIENCE_S,
    told: Callable[[], str] = lambda: "",
) -> Found:
    """Look until there is something; fails with what was awaited, and with what `told` says of how things stand."""
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while not (found := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s:g} s for {what}\n{told()}")
        pause.wait(_LOOK_EVERY_S)
    return found
