"""Send what is in the outbox: each telling by its channel, until it is sent, refused or too old."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import assert_never

import structlog

from app.core.errors import FluxbridgeError, Unavailable
from app.db import measures, outbox
from app.db.database import Database, DatabaseUnavailable
from app.db.outbox import Channel, ClaimedTelling, Outcome
from app.services.systems import Clock, Systems
from app.services.telling.call_receivers import call_receiver
from app.services.telling.comments import make_comment
from app.services.telling.unwanted import Unwanted
from app.services.work.put_off import put_off_telling

_WORTH_TELLING: Mapping[Channel, timedelta] = {Channel.RECEIVER: timedelta(hours=1), Channel.COMMENT: timedelta(days=3)}
_log = structlog.get_logger("fluxbridge.outbox")


@dataclass(frozen=True, slots=True)
class Sender:
    """Sends claimed tellings, at least once each: who dies between sending and writing that down leaves it to others.

    What is unavailable is tried again with the usual backoff for as long as it is worth telling; what is refused, or
    is not there, has failed for good.
    """

    database: Database
    systems: Systems
    clock: Clock

    def send(self, claim: ClaimedTelling) -> None:
        """Send one and write down how that went. Raises Unavailable where the database does not take it."""
        try:
            self._send(claim)
        except DatabaseUnavailable:
            raise
        except Unwanted as why:
            self._end(claim, Outcome.DROPPED, str(why))
        except Unavailable as error:
            self._put_off(claim, error)
        except FluxbridgeError as error:
            self._end(claim, Outcome.FAILED, str(error))
        except Exception as error:  # noqa: BLE001 (whatever it is, it is tried again, and the log has it)
            _log.exception("a telling could not be sent", channel=claim.channel, target=claim.target)
            self._put_off(claim, Unavailable(f"{type(error).__name__}; see the log"))
        else:
            self._end(claim, Outcome.SENT, None)

    def _send(self, claim: ClaimedTelling) -> None:
        match channel := Channel(claim.channel):
            case Channel.RECEIVER:
                call_receiver(self.systems, claim)
            case Channel.COMMENT:
                make_comment(self.database, self.systems, self.clock, claim)
            case _:
                assert_never(channel)

    def _put_off(self, claim: ClaimedTelling, error: Unavailable) -> None:
        """Where somebody says when to come back, that counts as no attempt."""
        now = self.clock()
        if now - claim.queued_at > _WORTH_TELLING[Channel(claim.channel)]:
            self._end(claim, Outcome.FAILED, f"given up after {claim.attempts + 1} attempts: {error}")
            return
        with self.database.transaction() as connection:
            until = put_off_telling(connection, claim, str(error), now=now, after=error.retry_after)
        in_s = round((until - now).total_seconds())
        _log.info("a telling is tried again", **_named(claim), why=str(error), in_s=in_s)

    def _end(self, claim: ClaimedTelling, outcome: Outcome, why: str | None) -> None:
        with self.database.transaction() as connection:
            if not outbox.end(connection, claim, outcome, why=why, now=self.clock()):
                return
            measures.add(connection, "tellings", f"{claim.channel}:{outcome}")
        match outcome:
            case Outcome.SENT:
                _log.info(_SENT[Channel(claim.channel)], **_named(claim))
            case Outcome.FAILED:
                _log.warning(_FAILED[Channel(claim.channel)], **_named(claim), why=why)
            case Outcome.DROPPED:
                _log.info("something is not told any more", **_named(claim), why=why)
            case _:
                assert_never(outcome)


_SENT: Mapping[Channel, str] = {
    Channel.RECEIVER: "Flux was told to fetch",
    Channel.COMMENT: "a pull request was commented on",
}
_FAILED: Mapping[Channel, str] = {
    Channel.RECEIVER: "Flux was not told to fetch; it does so at its interval",
    Channel.COMMENT: "a pull request could not be commented on",
}


def _named(claim: ClaimedTelling) -> Mapping[str, str]:
    revision = {"revision": claim.payload["revision"]} if "revision" in claim.payload else {}
    return {"target": claim.target, **revision}
