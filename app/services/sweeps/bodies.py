"""Drop the bodies of deliveries that ended long ago; what they said was written down."""

from app.db import kept_bodies
from app.services.sweeps.sweep_run import Look

_AT_ONCE = 100


def drop_bodies(look: Look) -> None:
    """Empty them in small steps, between which webhooks are kept."""
    now = look.now()
    ended_before = now - look.systems.sweeps.bodies_kept
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
