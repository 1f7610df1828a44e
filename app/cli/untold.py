"""What registries did not tell, the first of it, in lines for people."""

from collections.abc import Iterator
from typing import Any


def untold(status: Any) -> Iterator[str]:
    """The answers that are owed and the lists that are none or not whole, each with the reason."""
    for one in status["owed_errors"]:
        yield f"OWED  {one['about']}: {one['error']}; asked again at {one['due_at'][:19].replace('T', ' ')}"
    for one in status["listing_problems"]:
        yield f"LIST  {one['image']}: {'' if one['is_listed'] else 'not listed: '}{one['problem']}"
