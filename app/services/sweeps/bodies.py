"""Drop what was kept of the past for long enough: bodies, what was told to others, objects that count for nothing."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from app.db import kept_bodies, outbox, revisions
from app.services.sweeps.sweep_run import Look

_AT_ONCE = 100


def drop_bodies(look: Look) -> None:
    """Empty and drop them in small steps, between which webhooks are kept."""
    now = look.now()
    ended_before = now - look.systems.sweeps.bodies_kept
    _forget_objects(look, ended_before)
    if look.is_dry:
        with look.database.transaction() as connection:
            count, told = kept_bodies.count(connection, ended_before), outbox.count_ended(connection, ended_before)
        look.find(f"{count} bodies", count)
        look.find(f"{told} tellings", told)
        return
    _drop(look, "bodies", lambda it: kept_bodies.drop(it, ended_before, now=now, limit=_AT_ONCE))
    _drop(look, "tellings", lambda it: outbox.drop_ended(it, ended_before, limit=_AT_ONCE))


def _drop(look: Look, what: str, drop_some: Callable[[Connection], int]) -> None:
    total, dropped = 0, _AT_ONCE
    while dropped == _AT_ONCE:
        with look.attempt(what):
            dropped = 0
            with look.database.transaction() as connection:
                dropped = drop_some(connection)
            total += dropped
    look.find(f"{total} {what}", total)


def _forget_objects(look: Look, told_before: datetime) -> None:
    with look.attempt("flux"), look.database.transaction() as connection:
        chosen = revisions.count_forgettable if look.is_dry else revisions.forget
        count = chosen(connection, told_before)
        look.find(f"{count} objects of Flux that count for nothing", count)
