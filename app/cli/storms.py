"""How commands tell of a storm."""

from typing import Any

from app.core.storms import accepting


def storm_line(name: str, storm: Any) -> str:
    """What was too much at once, and what a person can do about it."""
    return f"sweep {name}: {storm['key']}: {storm['sample']}; too much at once, run `{accepting(name, storm['key'])}`"
