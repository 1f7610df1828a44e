"""Too much at once that nobody told of waits for a person."""

import shlex


def accepting(sweep: str, key: str) -> str:
    """The command with which a person takes in a storm.

    >>> accepting("tags", "gone from registry.acme.example")
    "fluxbridge sweep accept tags 'gone from registry.acme.example'"
    """
    return f"fluxbridge sweep accept {sweep} {shlex.quote(key)}"
