"""Comment on pull requests, each comment once: it carries a hidden key by which one that was made is found again."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from app.db import outbox
from app.db.database import Database
from app.db.outbox import Channel, ClaimedTelling, Telling
from app.services.systems import Clock, ConfigRepo, Systems
from app.services.telling.unwanted import still_told
from app.services.work.left_alone import asking_forge

# A forge's clock may be behind ours by so much.
_SLACK = timedelta(hours=1)


def comment_on(  # noqa: PLR0913 (where, what and since when, all named)
    connection: Connection, repo: ConfigRepo, number: int, *, occasion: str, text: str, now: datetime
) -> None:
    """Have something said in a pull request, once for each occasion that it gives. Where we only observe, nothing is.

    `occasion` is the same when a run that was broken off comes to it again.
    """
    if repo.is_observing:
        return
    target = f"{repo.name}#{number}"
    key = f"{target} {occasion}"
    payload: dict[str, str | int] = {"repo": repo.name, "number": number, "text": text}
    outbox.tell_once(connection, Telling(channel=Channel.COMMENT, target=target, key=key, payload=payload), now=now)


def closed_at(at: datetime) -> str:
    """The occasion that a pull request was closed then, by the forge's clock: one may be closed again."""
    return f"closed at {at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def make_comment(database: Database, systems: Systems, clock: Clock, claim: ClaimedTelling) -> None:
    """Make one comment, unless it is there already: its answer, or its sender, may have been lost.

    Raises Unwanted, and what the forge raises.
    """
    repo = still_told(systems, claim.payload["repo"])
    number, mark = claim.payload["number"], hidden_mark(claim.key, in_html=repo.forge.capabilities.hides_html_comments)
    with asking_forge(database, clock, repo):
        if claim.may_be_sent:
            said = repo.forge.own_comments(number, since=claim.queued_at - _SLACK)
            if any(mark in text for text in said):
                return
        repo.forge.comment(number, f"{claim.payload['text']}\n\n{mark}")


def hidden_mark(key: str, *, in_html: bool = True) -> str:
    """What marks a comment for us; forges show nothing of it. Where HTML would be shown, it is a link's definition.

    >>> hidden_mark("fleet#4 closed")
    '<!-- fluxbridge:15338803f4ff2711e5086601 -->'
    >>> hidden_mark("fleet#4 closed", in_html=False)
    '[//]: # (fluxbridge:15338803f4ff2711e5086601)'
    """
    mark = f"fluxbridge:{sha256(key.encode()).hexdigest()[:24]}"
    return f"<!-- {mark} -->" if in_html else f"[//]: # ({mark})"
