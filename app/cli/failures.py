"""How the command line ends: one exit code for each kind of error."""

from app.core.errors import Conflict, FluxbridgeError, Invalid, NotAuthentic, NotFound, Refused, Unavailable

_CODES: dict[type[FluxbridgeError], int] = {
    Invalid: 2,
    NotFound: 3,
    Conflict: 4,
    NotAuthentic: 5,
    Refused: 6,
    Unavailable: 7,
}


def exit_code(error: FluxbridgeError) -> int:
    """The exit code of an error's kind; 1 for anything else."""
    return next((code for kind, code in _CODES.items() if isinstance(error, kind)), 1)
