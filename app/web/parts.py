"""What the web application is put together from, and how its endpoints come by it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, cast

from fastapi import Depends, Request

from app.db.database import Database
from app.db.inbox import Inbox
from app.senders.sender import MOST_BYTES
from app.services.heads.scans import Scans
from app.services.systems import Clock, Systems
from app.web.intake import IntakeLimits

Scope = Literal["read", "operate", "admin"]


@dataclass(frozen=True, slots=True)
class ApiToken:
    """One caller of the API; `name` is the "who" in the history. While rotating, a name may have several."""

    name: str
    scope: Scope
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebParts:
    """Everything that the web application needs from outside. `tokens` is read at each use.

    `local_token` is the one of them that this machine's command line reads in the data folder.
    """

    systems: Systems
    scans: Scans
    database: Database
    inbox: Inbox
    clock: Clock
    tokens: Callable[[], Sequence[ApiToken]]
    local_token: str = field(repr=False)
    version: str
    root_path: str = ""
    body_limit: int = MOST_BYTES
    intake: IntakeLimits = field(default_factory=IntakeLimits)
    database_within_s: float = 2.0
    metrics_fresh_s: float = 1.0
    monotonic: Callable[[], float] = time.monotonic


async def parts_of(request: Request) -> WebParts:
    """The parts that `create_web` was given. A coroutine: any other dependency waits for one of the API's threads."""
    return cast("WebParts", request.app.state.parts)


Parts = Annotated[WebParts, Depends(parts_of)]
