"""Interpret a kept delivery: write its facts down and mark the lanes that they concern, in one transaction."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

import structlog
from sqlalchemy import Connection

from app.core.errors import Conflict, FluxbridgeError, Invalid, Refused, Unavailable
from app.core.facts import BuildFinished, ImagePushed, RevisionApplied, TagDeleted
from app.db import deliveries, delivery_claims, kept_bodies, measures
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.delivery_claims import ClaimedDelivery, Ended
from app.db.owed_answers import OwedAnswer
from app.senders import SENDERS
from app.senders.sender import WebhookRequest
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.intake.gather import PART, Gathered, gather
from app.services.intake.owed_answers import OwedAnswers
from app.services.intake.write_facts import FactWriter, Written, write_together
from app.services.systems import Clock, Source, Systems
from app.services.work.put_off import put_off_delivery

Done = TypeVar("Done")
_MAY_BE_TOGETHER = ImagePushed | BuildFinished | TagDeleted
_log = structlog.get_logger("fluxbridge.deliveries")


class LostDelivery(Conflict):
    """Another worker has taken a delivery over."""

    def __init__(self, ids: Sequence[str]) -> None:
        what = f"the delivery {ids[0]}" if len(ids) == 1 else f"one of the deliveries {', '.join(ids)}"
        super().__init__(f"{what} was taken over by another worker; its facts are theirs to write")


@dataclass(frozen=True, slots=True)
class Reading:
    """What one delivery says, in parts that are each small enough for one transaction, before it is written down.

    `is_alone` where it may not share its transaction with others: rows of its facts have no order that all would keep,
    or somebody was asked about it.
    """

    claim: ClaimedDelivery
    source: Source
    parts: Sequence[Gathered]
    ignored: Sequence[str]
    state: DeliveryState
    now: datetime
    is_alone: bool

    @property
    def size(self) -> int:
        """How much there is to write down."""
        return sum(part.size for part in self.parts)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Turns deliveries into facts."""

    database: Database
    systems: Systems
    clock: Clock
    ready: ReadyPolicies

    def interpret(self, claim: ClaimedDelivery) -> None:
        """Carry one claimed delivery to its end, or put it off; what it says twice is one fact.

        The registries are asked right after what it says was written down: none of them holds it up.
        """
        self.ask([owed for reading in self.read(claim) for owed in self.write(reading)])

    def ask(self, owed: Sequence[OwedAnswer]) -> None:
        """Ask the registries what they owe."""
        OwedAnswers(self.database, self.systems, self.clock, self.ready).ask(owed)

    def read(self, claim: ClaimedDelivery) -> Sequence[Reading]:
        """What a delivery says; nothing, where it was put off or came to its end by this."""
        return self._carried(claim, partial(self._read, claim))

    def write(self, reading: Reading) -> Sequence[OwedAnswer]:
        """Write down what a delivery says, or put it off; returns what registries are to be asked because of it."""
        return self._carried(reading.claim, partial(self._write, [reading]))

    def write_together(self, readings: Sequence[Reading]) -> Sequence[OwedAnswer] | None:
        """The same for several deliveries of one part each, in one transaction.

        None where it came to nothing: then nothing was written, and each is to be written by itself.
        """
        try:
            return self._write(readings)
        except Exception as error:  # noqa: BLE001 (whichever of them it is, it shows when each is written by itself)
            told = str(error) if isinstance(error, FluxbridgeError) else type(error).__name__
            _log.info("deliveries are written down one by one", count=len(readings), why=told)
            return None

    def _carried(self, claim: ClaimedDelivery, step: Callable[[], Sequence[Done]]) -> Sequence[Done]:
        try:
            return step()
        except LostDelivery:
            # Who took it over writes the same facts, or newer ones: ours are rolled back.
            pass
        except Invalid as error:
            self._finish(claim, DeliveryState.UNUSABLE, str(error))
        except Unavailable as error:
            self._put_off(claim, str(error), counts=False, after=error.retry_after or timedelta())
        except Refused as error:
            self._put_off(claim, str(error), counts=False)
        except Exception as error:
            self._put_off(claim, f"{type(error).__name__} while interpreting", counts=True)
            raise
        return ()

    def _read(self, claim: ClaimedDelivery) -> Sequence[Reading]:
        source = self.systems.sources.get(claim.source)
        if source is None or source.kind != claim.kind:
            self._finish(claim, DeliveryState.UNUSABLE, _why_unreadable(claim, source))
            return ()
        if "fluxbridge-truncated" in claim.headers:
            self._finish(
                claim, DeliveryState.UNUSABLE, f"larger than the limit: {claim.headers['fluxbridge-truncated']}"
            )
            return ()
        request = WebhookRequest(headers=claim.headers, body=claim.body, query={})
        parsed = SENDERS[claim.kind].parse(request, source.origin)
        now = self.clock()
        parts = gather(parsed.facts, source, self.systems, received_at=claim.received_at, now=now)
        reading = Reading(
            claim=claim,
            source=source,
            parts=parts,
            ignored=(*parsed.ignored, *parsed.problems),
            state=DeliveryState.UNUSABLE if parsed.problems and not parsed.facts else DeliveryState.DONE,
            now=now,
            is_alone=len(parts) > 1
            or source.is_deployer
            or not all(isinstance(fact, _MAY_BE_TOGETHER) for fact in parsed.facts),
        )
        return (reading,)

    def _write(self, readings: Sequence[Reading]) -> Sequence[OwedAnswer]:
        written = [self._write_first_parts(one) for one in readings]
        with self.database.transaction() as connection:
            parts = [(self._writer(connection, one), one.parts[-1]) for one in readings]
            for all_of_it, last in zip(written, write_together(parts, self.ready), strict=True):
                all_of_it.append(last)
            ended: list[Ended] = []
            for reading, (writer, _), all_of_it in zip(readings, parts, written, strict=True):
                keys = {key for each in all_of_it for key in each.lanes}
                said = _outcome(reading.parts, (*reading.ignored, *writer.ignored), keys, writer.deployed)
                ended.append(Ended(reading.claim, reading.state, said, reading.now))
            if not delivery_claims.finish_all(connection, ended):
                raise LostDelivery([one.claim.id for one in ended])
            self._keep_bodies(connection, [one.claim for one in readings], readings[0].now)
            limits = Counter(
                f"{one.source.name}:{limit}" for one in readings for part in one.parts for limit in part.limits
            )
            for limit, count in sorted(limits.items()):
                measures.add(connection, "ignored", limit, count)
        return [owed for all_of_it in written for each in all_of_it for owed in each.owed]

    def _write_first_parts(self, reading: Reading) -> list[Written]:
        """Write down all but the last part, each in a transaction of its own."""
        written: list[Written] = []
        for part in reading.parts[:-1]:
            # Facts are idempotent: what a process that dies here has written is written once more.
            with self.database.transaction() as connection:
                if not delivery_claims.still_owned(connection, reading.claim):
                    raise LostDelivery([reading.claim.id])
                written.append(self._writer(connection, reading).write(part, self.ready))
        return written

    def _writer(self, connection: Connection, reading: Reading) -> FactWriter:
        claim = reading.claim
        return FactWriter(connection, self.systems, reading.source, claim.id, reading.now, claim.received_at)

    def _finish(self, claim: ClaimedDelivery, state: DeliveryState, outcome: str) -> None:
        with self.database.transaction() as connection:
            now = self.clock()
            if delivery_claims.finish(connection, claim, state=state, outcome=outcome[:2000], now=now):
                self._keep_bodies(connection, [claim], now)

    def _keep_bodies(self, connection: Connection, claims: Sequence[ClaimedDelivery], now: datetime) -> None:
        """Keep the bodies of what has ended, where there is room. Others wait for it: one of the last steps."""
        kept_bodies.keep_all_within(connection, claims, day_bytes=self.systems.sweeps.bodies_day_bytes, now=now)

    def _put_off(self, claim: ClaimedDelivery, error: str, *, counts: bool, after: timedelta = timedelta()) -> None:
        with self.database.transaction() as connection:
            put_off_delivery(connection, claim, error, now=self.clock(), counts=counts, after=after)


def groups_of(readings: Iterable[Reading]) -> Sequence[Sequence[Reading]]:
    """Those that may be written down together, in their order, and no more at once than one transaction is to carry."""
    groups: list[list[Reading]] = []
    for one in readings:
        last = groups[-1] if groups else []
        is_joined = not any(each.is_alone for each in (one, *last)) and sum(each.size for each in (one, *last)) <= PART
        if last and is_joined:
            last.append(one)
        else:
            groups.append([one])
    return groups


def _why_unreadable(claim: ClaimedDelivery, source: Source | None) -> str:
    """A delivery is read by the kind that it was kept with, and what its source speaks for only the settings say."""
    now = "is no longer configured" if source is None else f"is of kind {source.kind} now"
    return (
        f"the source {claim.source} {now}; this was kept as one of kind {claim.kind}: "
        "configure the source so again, and replay it"
    )


def _outcome(
    parts: Iterable[Gathered], ignored: Iterable[str], keys: set[str], deployed: Iterable[RevisionApplied]
) -> str:
    """What became of a delivery; what its source may not speak for comes first, for it is what people look for."""
    whole = Gathered()
    for part in parts:
        whole.join(part)
    told = [type(fact).__name__ for fact in (*whole.facts, *deployed)]
    told += [TagDeleted.__name__ for question in whole.questions if question.is_deletion]
    said = [f"facts: {', '.join(told)}" if told else "no facts"]
    said += [f"lanes: {', '.join(sorted(keys))}"] if keys else []
    left_out = [*whole.ignored, *ignored]
    if left_out:
        said.insert(0 if whole.limits else len(said), f"{deliveries.IGNORED}: {'; '.join(left_out)}")
    return ". ".join(said)[:2000]
