"""Drop what was kept of the past for long enough: bodies, what was told to others, objects that count for nothing."""

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Connection

from app.db import kept_bodies, outbox, revisions
from app.services.sweeps.sweep_run import SweepRun

_AT_ONCE = 100


def drop_bodies(run: SweepRun) -> None:
    """Empty and drop them in small steps, between which webhooks are kept."""
    now = run.now()
    ended_before = now - run.systems.sweeps.bodies_kept
    _forget_objects(run, ended_before)
    if run.is_dry:
        with run.database.transaction() as connection:
            count, told = kept_bodies.count(connection, ended_before), outbox.count_ended(connection, ended_before)
        run.find(f"{count} bodies", count)
        run.find(f"{told} tellings", told)
        return
    _drop(run, "bodies", lambda it: kept_bodies.drop(it, ended_before, now=now, limit=_AT_ONCE))
    _drop(run, "tellings", lambda it: outbox.drop_ended(it, ended_before, limit=_AT_ONCE))


def _drop(run: SweepRun, what: str, drop_some: Callable[[Connection], int]) -> None:
    total, dropped = 0, _AT_ONCE
    while dropped == _AT_ONCE:
        with run.attempt(what):
            dropped = 0
            with run.database.transaction() as connection:
                dropped = drop_some(connection)
            total += dropped
    run.find(f"{total} {what}", total)


def _forget_objects(run: SweepRun, told_before: datetime) -> None:
    with run.attempt("flux"), run.database.transaction() as connection:
        chosen = revisions.count_forgettable if run.is_dry else revisions.forget
        count = chosen(connection, told_before)
        run.find(f"{count} objects of Flux that count for nothing", count)
