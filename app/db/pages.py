"""Pages of rows, each with the cursor of the next."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from app.core.errors import Invalid

Item = TypeVar("Item")
LONGEST_PAGE = 100


class InvalidCursor(Invalid):
    """A cursor was not made by this API."""

    def __init__(self) -> None:
        super().__init__("the cursor `after` is not one that this API gave: leave it out to begin at the start")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some rows, newest first unless said otherwise; `next` is the cursor of the following page."""

    items: Sequence[Item]
    next: str | None


def encode_cursor(*keys: str | int) -> str:
    """Write the sort key of a page's last row."""
    return base64.urlsafe_b64encode(json.dumps(keys).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> tuple[str | int, ...]:
    """Read a cursor back, its parts being of these kinds. Raises InvalidCursor."""
    try:
        keys = json.loads(base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise InvalidCursor from error
    if not isinstance(keys, list) or [type(key) for key in keys] != list(kinds):
        raise InvalidCursor
    if any(isinstance(key, int) and abs(key) >= 2**63 for key in keys):
        raise InvalidCursor
    if any(isinstance(key, str) and ("\0" in key or any("\ud800" <= char <= "\udfff" for char in key)) for key in keys):
        raise InvalidCursor
    return tuple(keys)


def cut(rows: Sequence[Item], limit: int, cursor_of: Callable[[Item], str]) -> Page[Item]:
    """Make a page of at most `limit` from rows of which one more was asked for."""
    kept = rows[:limit]
    return Page(kept, cursor_of(kept[-1]) if len(rows) > limit and kept else None)
