"""Drop what is kept for a time only: bodies of deliveries, and objects of Flux that count for nothing."""

from datetime import datetime

from app.db import kept_bodies, revisions
from app.services.sweeps.sweep_run import Look

_AT_ONCE = 100


def drop_bodies(look: Look) -> None:
    """Empty those of deliveries that ended long ago in small steps, between which webhooks are kept."""
    now = look.now()
    ended_before = now - look.systems.sweeps.bodies_kept
    _forget_objects(look, ended_before)
    if look.is_dry:
        with look.database.transaction() as connection:
            count = kept_bodies.count(connection, ended_before)
        look.find(f"{count} bodies", count)
        return
    total, dropped = 0, _AT_ONCE
    while dropped == _AT_ONCE:
        with look.attempt("deliveries"):
            dropped = 0
            with look.database.transaction() as connection:
                dropped = kept_bodies.drop(connection, ended_before, now=now, limit=_AT_ONCE)
            total += dropped
    look.find(f"{total} bodies", total)


def _forget_objects(look: Look, told_before: datetime) -> None:
    with look.attempt("flux"), look.database.transaction() as connection:
        chosen = revisions.count_forgettable if look.is_dry else revisions.forget
        count = chosen(connection, told_before)
        look.find(f"{count} objects of Flux that count for nothing", count)
