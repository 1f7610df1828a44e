"""Interpret a kept delivery: write its facts down and mark the lanes that they concern, in one transaction."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from app.core.errors import Conflict, Invalid, Refused, Unavailable
from app.core.facts import TagDeleted
from app.db import deliveries, delivery_claims, kept_bodies, measures
from app.db.database import Database
from app.db.deliveries import DeliveryState
from app.db.delivery_claims import ClaimedDelivery
from app.db.owed_looks import OwedLook
from app.senders import SENDERS
from app.senders.sender import WebhookRequest
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.intake.gather import Gathered, gather
from app.services.intake.owed_looks import OwedLooks
from app.services.intake.write_facts import FactWriter, Written
from app.services.systems import Clock, Source, Systems
from app.services.work.put_off import put_off_delivery


class LostDelivery(Conflict):
    """Another worker has taken a delivery over."""

    def __init__(self, delivery_id: str) -> None:
        super().__init__(f"the delivery {delivery_id} was taken over by another worker; its facts are theirs to write")


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
        self.ask(self.write_down(claim))

    def ask(self, owed: Sequence[OwedLook]) -> None:
        """Ask the registries what they owe."""
        OwedLooks(self.database, self.systems, self.clock, self.ready).ask(owed)

    def write_down(self, claim: ClaimedDelivery) -> Sequence[OwedLook]:
        """Write down what a delivery says, or put it off; returns what registries are to be asked because of it."""
        owed: list[OwedLook] = []
        try:
            self._interpret(claim, owed)
        except LostDelivery:
            # Who took it over writes the same facts, or newer ones: ours are rolled back.
            return ()
        except Invalid as error:
            self._finish(claim, DeliveryState.UNUSABLE, str(error))
        except Unavailable as error:
            self._put_off(claim, str(error), counts=False, after=error.retry_after or timedelta())
        except Refused as error:
            self._put_off(claim, str(error), counts=False)
        except Exception as error:
            self._put_off(claim, f"{type(error).__name__} while interpreting", counts=True)
            raise
        return owed

    def _interpret(self, claim: ClaimedDelivery, owed: list[OwedLook]) -> None:
        source = self.systems.sources.get(claim.source)
        if source is None or source.kind != claim.kind:
            self._finish(claim, DeliveryState.UNUSABLE, _why_unreadable(claim, source))
            return
        if "fluxbridge-truncated" in claim.headers:
            self._finish(
                claim, DeliveryState.UNUSABLE, f"larger than the limit: {claim.headers['fluxbridge-truncated']}"
            )
            return
        request = WebhookRequest(headers=claim.headers, body=claim.body, query={})
        parsed = SENDERS[claim.kind].parse(request, source.origin)
        now = self.clock()
        *parts, last = gather(parsed.facts, source, self.systems, received_at=claim.received_at, now=now)
        written: list[Written] = []
        for part in parts:
            # Facts are idempotent: what a process that dies here has written is written once more.
            with self.database.transaction() as connection:
                if not delivery_claims.still_owned(connection, claim):
                    raise LostDelivery(claim.id)
                written.append(self._writer(connection, source, claim, now).write(part, self.ready))
        with self.database.transaction() as connection:
            writer = self._writer(connection, source, claim, now)
            written.append(writer.write(last, self.ready))
            keys = {key for each in written for key in each.lanes}
            said = _outcome((*parts, last), (*parsed.ignored, *parsed.problems, *writer.ignored), keys)
            state = DeliveryState.UNUSABLE if parsed.problems and not parsed.facts else DeliveryState.DONE
            if not self._end(connection, claim, state, said, now):
                raise LostDelivery(claim.id)
            for limit, count in sorted(Counter(limit for part in (*parts, last) for limit in part.limits).items()):
                measures.add(connection, "ignored", f"{source.name}:{limit}", count)
        owed += [one for each in written for one in each.owed]

    def _writer(self, connection: Connection, source: Source, claim: ClaimedDelivery, now: datetime) -> FactWriter:
        return FactWriter(connection, self.systems, source, claim.id, now, claim.received_at)

    def _finish(self, claim: ClaimedDelivery, state: DeliveryState, outcome: str) -> None:
        with self.database.transaction() as connection:
            self._end(connection, claim, state, outcome, self.clock())

    def _end(
        self, connection: Connection, claim: ClaimedDelivery, state: DeliveryState, outcome: str, now: datetime
    ) -> bool:
        """End a delivery, and keep its body where there is room; false when another worker has taken it over."""
        is_ours = delivery_claims.finish(connection, claim, state=state, outcome=outcome[:2000], now=now)
        if is_ours:
            kept_bodies.keep_within(connection, claim, day_bytes=self.systems.sweeps.bodies_day_bytes, now=now)
        return is_ours

    def _put_off(self, claim: ClaimedDelivery, error: str, *, counts: bool, after: timedelta = timedelta()) -> None:
        with self.database.transaction() as connection:
            put_off_delivery(connection, claim, error, now=self.clock(), counts=counts, after=after)


def _why_unreadable(claim: ClaimedDelivery, source: Source | None) -> str:
    """A delivery is read by the kind that it was kept with, and what its source speaks for only the settings say."""
    now = "is no longer configured" if source is None else f"is of kind {source.kind} now"
    return (
        f"the source {claim.source} {now}; this was kept as one of kind {claim.kind}: "
        "configure the source so again, and replay it"
    )


def _outcome(parts: Iterable[Gathered], ignored: Iterable[str], keys: set[str]) -> str:
    """What became of a delivery; what its source may not speak for comes first, for it is what people look for."""
    whole = Gathered()
    for part in parts:
        whole.join(part)
    told = [type(fact).__name__ for fact in whole.facts]
    told += [TagDeleted.__name__ for question in whole.questions if question.is_deletion]
    said = [f"facts: {', '.join(told)}" if told else "no facts"]
    said += [f"lanes: {', '.join(sorted(keys))}"] if keys else []
    left_out = [*whole.ignored, *ignored]
    if left_out:
        said.insert(0 if whole.limits else len(said), f"{deliveries.IGNORED}: {'; '.join(left_out)}")
    return ". ".join(said)[:2000]
