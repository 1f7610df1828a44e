"""The pile: deliveries that wait, taken a few at once, read, and written down together where they let it be."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from app.db import delivery_claims
from app.db.database import Database
from app.db.delivery_claims import ClaimedDelivery
from app.db.owed_answers import OwedAnswer
from app.services.intake.interpret import Done, Interpreter, Reading, groups_of
from app.services.work.leases import Leases

_MOST_AT_ONCE = 8
_MANY_AT_ONCE = 4


@dataclass(slots=True, kw_only=True)
class Pile:
    """The deliveries that one process takes and works off, in any of its threads.

    `in_time` bounds a step of the thread that enters it. Where `is_stopping`, what is held is given back. `on_low` is
    called when what waits became few again.
    """

    database: Database
    interpreter: Interpreter
    leases: Leases
    owner: str
    lease: timedelta
    in_time: Callable[[], AbstractContextManager[None]]
    is_stopping: Callable[[], bool]
    on_low: Callable[[], None]
    _last_source: str = ""
    _at_once: int = 1

    @property
    def is_high(self) -> bool:
        """Whether many wait, so that the next of them undoes what a lane's run does."""
        return self._at_once >= _MANY_AT_ONCE

    def take(self) -> Sequence[ClaimedDelivery] | None:
        """Take one, or where many wait more and more at once: each claim and each answer costs a commit."""
        with self.database.transaction() as connection:
            claims = delivery_claims.claim_some(
                connection,
                owner=self.owner,
                now=self.leases.now(connection),
                lease=self.lease,
                most=self._at_once,
                excluding=self.leases.deliveries(),
                after_source=self._last_source,
            )
        is_full, was_high = len(claims) == self._at_once, self.is_high
        if is_full:
            self._at_once = min(_MOST_AT_ONCE, 2 * self._at_once)
        else:
            # More of a pile may just be coming in; where there is nothing it is gone.
            self._at_once = max(1, self._at_once // 2) if claims else 1
        if was_high and not self.is_high:
            self.on_low()
        if claims:
            self._last_source = claims[-1].source
        return claims or None

    def work_off(self, claims: Sequence[ClaimedDelivery]) -> None:
        """Carry what was taken to its end, or put it off; what one of them raises is raised after the others."""
        errors: list[Exception] = []
        readings = [
            one for claim in claims for one in self._held([claim], partial(self.interpreter.read, claim), errors) or ()
        ]
        owed: list[OwedAnswer] = []
        for group in groups_of(readings):
            owed += self._write(group, errors)
        with self.leases.holding(claims[-1]), self.in_time():
            self.interpreter.ask(owed)
        if errors:
            raise errors[0]

    def _write(self, group: Sequence[Reading], errors: list[Exception]) -> Sequence[OwedAnswer]:
        """Write down several deliveries together, or each by itself where one of them does not let it be."""
        if len(group) > 1:
            claims = [one.claim for one in group]
            owed = self._held(claims, partial(self.interpreter.write_together, group), errors)
            if owed is not None:
                return owed
        return [
            owed
            for one in group
            for owed in self._held([one.claim], partial(self.interpreter.write, one), errors) or ()
        ]

    def _held(
        self, claims: Sequence[ClaimedDelivery], step: Callable[[], Sequence[Done] | None], errors: list[Exception]
    ) -> Sequence[Done] | None:
        """Do a step of deliveries while they are held; what it raises is added to the errors, and others go on."""
        if self.is_stopping():
            with self.database.transaction() as connection:
                for claim in claims:
                    delivery_claims.release(connection, claim)
            return ()
        try:
            with ExitStack() as holding:
                for claim in claims:
                    holding.enter_context(self.leases.holding(claim))
                holding.enter_context(self.in_time())
                return step()
        except Exception as error:  # noqa: BLE001 (the others are worked off, then it is raised)
            errors.append(error)
            return ()
