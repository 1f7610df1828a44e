"""How clusters stand, in the words of a table's cell."""

from collections.abc import Iterable
from typing import Any

from app.cli.terminal import printable

_MOST_WORDS = 160


def in_clusters(applied: Iterable[Any], tag: str | None) -> str:
    """Where a tag is applied, and where it is not, with Flux's words or what is known."""
    return "; ".join(sorted({_cluster_state(one, tag) for one in applied})) or "-"


def _cluster_state(one: Any, tag: str | None) -> str:
    cluster, state, runs = one["cluster"], one["state"], one["runs"]
    words = f": {one_line(one['message'])}" if one["message"] else ""
    if state in {"applied", "waiting"} and runs is not None and runs != tag:
        return f"{one_line(runs)} in {cluster}{f' (waiting{words})' if state == 'waiting' and words else ''}"
    if state == "applied":
        return f"{cluster} by {one_line(one['by'])}" if one.get("by") else str(cluster)
    still = f" (runs {one_line(runs)})" if runs is not None and state in {"failed", "overdue"} else ""
    return f"{cluster} {state}{words}{still}"


def one_line(text: str, most: int = _MOST_WORDS) -> str:
    r"""Words from outside on one line: what a terminal would obey is escaped, what is long is cut.

    >>> one_line(f"no{chr(10)}  healthy pods, {chr(0x202E)}")
    'no healthy pods, \\u202e'
    """
    line = " ".join(text.split())
    shown = printable(line)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"
