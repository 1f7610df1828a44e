"""Leases: what this process works on, kept alive while the work runs and given back when it cannot be ended."""

import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import FrameType
from typing import assert_never

import structlog
from sqlalchemy import Connection

from app.core.errors import FluxbridgeError
from app.db import delivery_claims, lanes, measures, outbox
from app.db.claims import Queue
from app.db.database import Database
from app.db.delivery_claims import ClaimedDelivery
from app.db.lanes import LaneClaim
from app.db.outbox import ClaimedTelling
from app.services.systems import Clock, Timing
from app.services.work.put_off import put_off_delivery, put_off_lane, put_off_telling

_log = structlog.get_logger("fluxbridge.leases")
Claim = LaneClaim | ClaimedDelivery | ClaimedTelling


@dataclass(slots=True)
class _Held:
    claim: Claim
    since: float
    thread: threading.Thread
    is_given_up: bool = False


class Leases:
    """The claims that threads of this process hold.

    A lease is prolonged until the deadline of its work only: work that hangs must not keep others from it.
    """

    def __init__(self, database: Database, clock: Clock, timing: Timing) -> None:
        self._database, self._clock, self._timing = database, clock, timing
        self._held: dict[int, _Held] = {}
        self._door = threading.Lock()

    @contextmanager
    def holding(self, claim: Claim) -> Iterator[None]:
        """Keep a claim alive while this is open."""
        with self._door:
            self._held[id(claim)] = _Held(claim, time.monotonic(), threading.current_thread())
        try:
            yield
        finally:
            with self._door:
                self._held.pop(id(claim), None)

    def lanes(self) -> tuple[str, ...]:
        """The lanes that a thread of this process still runs, also one that took longer than its lease."""
        return tuple(one.claim.key for one in self._now_held() if isinstance(one.claim, LaneClaim))

    def renew(self) -> None:
        """Prolong every lease whose work is within its deadline; one that cannot be is told, the others go on."""
        for one in self._now_held():
            if time.monotonic() - one.since > self._timing.lane_deadline.total_seconds():
                continue
            with _told("a lease could not be renewed", one.claim), self._database.transaction() as connection:
                now, lease = self.now(connection), self._timing.lease
                _queue(one.claim).renew(connection, one.claim, now=now, lease=lease)

    def give_up_hanging(self) -> Sequence[threading.Thread]:
        """Give up, each once, what has not ended some time after its deadline; returns the threads that hang.

        It is put off as after a failure that says where it hangs, and what its thread may still write is refused. This
        process takes it again only when that thread has ended its step: else each try would cost a thread.
        """
        timing, hanging = self._timing, []
        for one in self._now_held():
            lasted_s = time.monotonic() - one.since
            if one.is_given_up or lasted_s <= (timing.lane_deadline + timing.grace).total_seconds():
                continue
            why = f"given up after {lasted_s:.0f} s, for it hangs in {where_it_is(one.thread)}: restart Fluxbridge"
            _log.error("work was given up", work=_name(one.claim), why=why)
            with _told("what hangs could not be given up", one.claim), self._database.transaction() as connection:
                _put_off(connection, one.claim, why, now=self._clock())
                one.is_given_up = True
            hanging += [one.thread] if one.is_given_up else []
        return hanging

    def release(self) -> None:
        """Give everything back: others may take it at once, and what still runs here writes nothing any more."""
        for one in self._now_held():
            with _told("a lease could not be given back", one.claim), self._database.transaction() as connection:
                _queue(one.claim).release(connection, one.claim)

    def now(self, connection: Connection) -> datetime:
        """The time by which leases are measured: the database server's, where several processes share one."""
        return self._database.server_now(connection) or self._clock()

    def deliveries(self) -> tuple[str, ...]:
        """The deliveries that a thread of this process still works on, also after their lease."""
        return tuple(one.claim.id for one in self._now_held() if isinstance(one.claim, ClaimedDelivery))

    def targets(self) -> tuple[str, ...]:
        """Whom a thread of this process still tells something."""
        return tuple(one.claim.target for one in self._now_held() if isinstance(one.claim, ClaimedTelling))

    def _now_held(self) -> tuple[_Held, ...]:
        with self._door:
            return tuple(self._held.values())


def _queue(claim: Claim) -> Queue:
    match claim:
        case LaneClaim():
            return lanes.QUEUE
        case ClaimedDelivery():
            return delivery_claims.QUEUE
        case ClaimedTelling():
            return outbox.QUEUE
        case _:
            assert_never(claim)


def _put_off(connection: Connection, claim: Claim, why: str, *, now: datetime) -> None:
    match claim:
        case LaneClaim():
            put_off_lane(connection, claim, why, now=now)
            measures.add(connection, "given_up", "lane")
        case ClaimedDelivery():
            put_off_delivery(connection, claim, why, now=now, counts=True)
            measures.add(connection, "given_up", "delivery")
        case ClaimedTelling():
            put_off_telling(connection, claim, why, now=now)
            measures.add(connection, "given_up", "telling")
        case _:
            assert_never(claim)


def where_it_is(thread: threading.Thread) -> str:
    """The innermost function of ours that a thread is in, and what it has called, if that is another's."""
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001 (the only way to look at another thread)
    innermost = None if frame is None else _function(frame)
    while frame is not None and not frame.f_globals.get("__name__", "").startswith("app."):
        frame = frame.f_back
    if frame is None:
        return innermost or "nothing any more"
    own = _function(frame)
    return own if own == innermost else f"{own}, which called {innermost}"


def _function(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname} (line {frame.f_lineno})"


@contextmanager
def _told(what: str, claim: Claim) -> Iterator[None]:
    """Say in the log what went wrong with one claim, whatever it is: the others have their turn."""
    try:
        yield
    except FluxbridgeError as error:
        _log.warning(what, work=_name(claim), why=str(error))
    except Exception:  # noqa: BLE001 (the thread lives on: without it every lease of this process would end)
        _log.exception(what, work=_name(claim))


def _name(claim: Claim) -> str:
    match claim:
        case LaneClaim():
            return claim.key
        case ClaimedDelivery():
            return f"delivery {claim.id}"
        case ClaimedTelling():
            return f"{claim.channel} to {claim.target}"
        case _:
            assert_never(claim)
