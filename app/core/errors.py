"""Every error that Fluxbridge raises on purpose, in six kinds that say who must act.

    FluxbridgeError
    ├── Invalid        the sender or author: what was given cannot be used
    ├── NotAuthentic   the sender: it could not prove who it is
    ├── NotFound       the caller: the thing asked for is not there
    ├── Conflict       the caller: the present state does not allow it
    ├── Refused        the operator: another system said no, or the set-up must change
    └── Unavailable    nobody: try later

A leaf carries its data and writes its own message: the thing, what is wrong, the next step; never a secret.
"""

from datetime import timedelta


class FluxbridgeError(Exception):
    """Anything that Fluxbridge raises on purpose."""


class Invalid(FluxbridgeError):
    """What was given cannot be used, now or later."""


class NotAuthentic(FluxbridgeError):
    """The sender could not prove who it is."""


class NotFound(FluxbridgeError):
    """The thing that was asked for is not there."""


class Conflict(FluxbridgeError):
    """The present state does not allow what was asked."""


class Refused(FluxbridgeError):
    """Another system said no, or the set-up does not allow it: an operator must act."""


class Unavailable(FluxbridgeError):
    """Something is not reachable just now; the same call may succeed later."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
