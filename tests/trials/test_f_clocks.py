"""F9: a clock that was hours ahead for some seconds and is right again costs nothing."""

from datetime import datetime, timedelta

import pytest

from app.db import catalogue, clock_jumps, deliveries, forge_budgets, lanes, owed_answers
from app.db.clock import SharedClock
from app.db.database import Database
from app.services.systems import Systems
from app.worker import Workers
from tests.db.facts import IMAGE, LEASE, MINUTE, NOW, claim_next, delivery
from tests.services.intake.webhooks import digest_of

AHEAD = timedelta(hours=2)


class Own:
    """The clock of a machine, and beside it one that cannot be set."""

    def __init__(self) -> None:
        self.now, self.passed_s = NOW, 0.0

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, span: timedelta) -> None:
        """Let real time pass."""
        self.now += span
        self.passed_s += span.total_seconds()


@pytest.fixture
def own() -> Own:
    """A machine's clock that stands still."""
    return Own()


@pytest.fixture
def workers(database: Database, own: Own) -> Workers:
    """Workers that are not started, in a process with this clock."""
    clock = SharedClock(database, own, lambda: own.passed_s)
    return Workers(database=database, systems=Systems(), clock=clock, count=1, has_gone_back=clock.has_gone_back)


def keep(database: Database, name: str, now: datetime) -> None:
    with database.transaction() as connection:
        deliveries.keep_all(connection, [delivery(name, received_at=now)])


def test_what_came_while_the_clock_was_ahead_is_worked_off_once_it_is_right(workers: Workers, own: Own) -> None:
    own.now += AHEAD
    keep(workers.database, "ahead", workers.clock())
    own.now -= AHEAD
    own.pass_by(MINUTE)
    workers._heed_clock()
    with workers.database.transaction() as connection:
        claim = claim_next(connection, owner="w", now=own.now, lease=LEASE)
    assert claim is not None
    assert claim.received_at == own.now


def test_what_another_process_kept_with_a_clock_ahead_is_worked_off_too(workers: Workers, own: Own) -> None:
    keep(workers.database, "elsewhere", own.now + AHEAD)
    workers._heed_clock()
    with workers.database.transaction() as connection:
        assert claim_next(connection, owner="w", now=own.now, lease=LEASE) is not None


def test_what_is_put_off_by_rights_keeps_its_time(workers: Workers, own: Own) -> None:
    with workers.database.transaction() as connection:
        kept = delivery("later", received_at=own.now)
        deliveries.keep_all(connection, [kept], due_at=own.now + deliveries.LONGEST_DELAY)
        lanes.ensure(connection, "fleet", "main", own.now + 30 * MINUTE)
        forge_budgets.block(connection, "github", until=own.now + 30 * MINUTE, why="resting", now=own.now)
    own.pass_by(MINUTE)
    workers._heed_clock()
    with workers.database.transaction() as connection:
        clock_jumps.correct(connection, own.now, most_ahead=timedelta(hours=1))
        assert claim_next(connection, owner="w", now=own.now, lease=LEASE) is None
        assert lanes.claim_due(connection, owner="w", now=own.now, lease=LEASE) is None
        assert set(forge_budgets.blocked(connection, own.now)) == {"github"}


def test_what_a_registry_shows_later_is_newer_than_what_it_showed_then(workers: Workers, own: Own) -> None:
    with workers.database.transaction() as connection:
        own.now += AHEAD
        catalogue.set_digest(connection, IMAGE, "1.0", digest_of("then"), asked_at=workers.clock())
        owed_answers.owe_once(connection, IMAGE, "1.1", is_deletion=False, source="ci", now=workers.clock())
        lanes.ensure(connection, "fleet", "main", workers.clock())
    own.now -= AHEAD
    own.pass_by(MINUTE)
    workers._heed_clock()
    own.pass_by(MINUTE)
    with workers.database.transaction() as connection:
        catalogue.set_digest(connection, IMAGE, "1.0", digest_of("now"), asked_at=own.now)
        [known] = catalogue.tags_named(connection, IMAGE, ["1.0"])
        assert known.digest == digest_of("now")
        owed_answers.settle(connection, IMAGE, "1.1", asked_at=own.now)
        assert owed_answers.of_image(connection, IMAGE) == []
        assert lanes.claim_due(connection, owner="w", now=own.now, lease=LEASE) is not None


def test_a_restart_is_enough_where_nobody_saw_the_jump(database: Database, own: Own) -> None:
    with database.transaction() as connection:
        lanes.ensure(connection, "fleet", "main", own.now + AHEAD)
        assert clock_jumps.correct(connection, own.now, most_ahead=timedelta(hours=1)) == 1
        assert lanes.claim_due(connection, owner="w", now=own.now, lease=LEASE) is not None


def test_a_clock_that_only_goes_on_has_not_gone_back(database: Database, own: Own) -> None:
    clock = SharedClock(database, own, lambda: own.passed_s)
    own.pass_by(AHEAD)
    assert not clock.has_gone_back()
    own.now += AHEAD
    assert clock() == NOW + 2 * AHEAD
    assert not clock.has_gone_back()
    own.now -= AHEAD
    assert clock.has_gone_back()
    assert not clock.has_gone_back()
