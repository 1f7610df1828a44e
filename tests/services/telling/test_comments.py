"""Comments on pull requests are made, and made once, whatever breaks off in between."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.clients.forges.local.forge import LocalForge
from app.core.errors import NotFound, Refused, Unavailable
from app.core.ports import RateLimited
from app.db import forge_budgets, outbox
from app.db.database import Database
from app.db.outbox import Outcome, TellingRow
from app.services.lane.reconcile import reconcile
from app.services.telling.comments import hidden_mark
from app.services.telling.outbox import Sender
from tests.end_to_end.bridge import deployment, policy
from tests.services.interruptions import Interrupted, break_off
from tests.services.lanes import Lane


@dataclass
class Closing:
    """A lane whose pull request is to be closed, for somebody set its tag by hand."""

    lane: Lane
    number: int

    def comments(self) -> Sequence[str]:
        """What was said in the pull request."""
        forge: Any = self.lane.forge
        return [one.text for one in forge.comments(self.number)]

    def row(self) -> TellingRow:
        """How the one telling stands."""
        with self.lane.database.transaction() as connection:
            [row] = outbox.every(connection, limit=9)
        return row

    def through(self, forge: Any) -> Sender:
        """Sends by way of another forge."""
        fleet = replace(self.lane.systems.config_repos["fleet"], forge=forge)
        systems = replace(self.lane.systems, config_repos={"fleet": fleet})
        return Sender(self.lane.database, systems, lambda: self.lane.now)

    def send_by(self, forge: Any) -> None:
        """Take the one telling and send it so."""
        claim = self.lane.claim_telling()
        assert claim is not None
        self.through(forge).send(claim)


@pytest.fixture
def closing(tmp_path: Path, database: Database) -> Closing:
    lane = Lane.create(tmp_path, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")})
    lane.push("1.1.0")
    lane.run()
    [pull] = lane.open_pulls()
    lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0", replicas=2)})
    reconcile(lane.claim())
    lane.now += timedelta(minutes=11)
    return Closing(lane, pull.number)


def close(closing: Closing) -> None:
    reconcile(closing.lane.claim())
    assert closing.lane.open_pulls() == []


def test_what_a_process_had_to_say_when_it_died_the_next_one_says(closing: Closing) -> None:
    close(closing)
    assert closing.comments() == []
    closing.lane.send()
    [said] = closing.comments()
    assert said.startswith("Closed by Fluxbridge: ")
    assert said.endswith(f"\n\n{hidden_mark(closing.row().key)}")
    assert closing.row().outcome == Outcome.SENT
    closing.lane.run()
    assert closing.comments() == [said]


def test_a_comment_that_was_made_by_a_process_that_died_right_after_is_not_made_again(closing: Closing) -> None:
    close(closing)
    claim = closing.lane.claim_telling()
    assert claim is not None
    closing.lane.forge.comment(closing.number, f"{claim.payload['text']}\n\n{hidden_mark(claim.key)}")
    with closing.lane.database.transaction() as connection:
        outbox.release_all(connection)
    before = closing.comments()
    assert [one.id for one in closing.lane.send()] == [claim.id]
    assert (closing.comments(), closing.row().outcome) == (before, Outcome.SENT)


@pytest.mark.parametrize(("is_after", "count"), [pytest.param(True, 1, id="made"), pytest.param(False, 0, id="lost")])
def test_a_comment_whose_answer_is_lost_is_made_once(closing: Closing, *, is_after: bool, count: int) -> None:
    close(closing)
    closing.send_by(Interrupted(closing.lane.forge, "comment", break_off, is_after=is_after))
    assert (len(closing.comments()), closing.row().outcome) == (count, None)
    closing.lane.now += timedelta(minutes=1)
    closing.lane.send()
    assert (len(closing.comments()), closing.row().outcome) == (1, Outcome.SENT)


def test_the_mark_in_a_comment_of_somebody_else_counts_for_nothing(closing: Closing) -> None:
    close(closing)
    closing.send_by(Interrupted(closing.lane.forge, "comment", break_off))
    other = LocalForge(closing.lane.config.path, clock=lambda: closing.lane.now, account="mira")
    other.comment(closing.number, hidden_mark(closing.row().key))
    closing.lane.now += timedelta(minutes=1)
    closing.lane.send()
    assert len(closing.comments()) == 2


def test_one_that_is_closed_as_the_run_breaks_off_is_told_by_the_next(closing: Closing) -> None:
    real = closing.lane.forge
    closing.lane.forge = Interrupted(real, "close_pull_request", break_off, is_after=True)
    with pytest.raises(Unavailable):
        reconcile(closing.lane.claim())
    closing.lane.forge = real
    closing.lane.now += timedelta(hours=2)
    closing.lane.run()
    closing.lane.run()
    [said] = closing.comments()
    assert said.startswith("Closed by Fluxbridge. The run that closed it was broken off")


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(lambda: Refused("the token may not comment"), id="refused"),
        pytest.param(lambda: NotFound("there is no such pull request"), id="not found"),
    ],
)
def test_what_the_forge_refuses_has_failed_for_good_and_holds_up_no_lane(
    closing: Closing, error: Callable[[], Exception]
) -> None:
    close(closing)

    def refuse() -> None:
        raise error()

    closing.send_by(Interrupted(closing.lane.forge, "comment", refuse))
    assert (closing.row().outcome, closing.row().error) == (Outcome.FAILED, str(error()))
    closing.lane.now += timedelta(hours=2)
    assert closing.lane.send() == []


def test_a_forge_that_wants_to_be_left_alone_is_by_all(closing: Closing) -> None:
    close(closing)

    def limit() -> None:
        raise RateLimited("come back later", retry_after=timedelta(minutes=7))

    began = closing.lane.now
    closing.send_by(Interrupted(closing.lane.forge, "comment", limit))
    with closing.lane.database.transaction() as connection:
        assert forge_budgets.blocked(connection, began) == {"": began + timedelta(minutes=7)}
    assert (closing.row().due_at, closing.row().attempts) == (began + timedelta(minutes=7), 0)
    closing.lane.now += timedelta(minutes=8)
    closing.lane.send()
    assert len(closing.comments()) == 1


def test_while_a_forge_is_left_alone_it_is_told_nothing(closing: Closing) -> None:
    close(closing)
    until = closing.lane.now + timedelta(minutes=30)
    with closing.lane.database.transaction() as connection:
        forge_budgets.block(connection, "", until=until, why="", now=closing.lane.now)
    closing.lane.send()
    assert (closing.comments(), closing.row().due_at) == ([], until)
    closing.lane.now = until + timedelta(seconds=1)
    closing.lane.send()
    assert len(closing.comments()) == 1


def test_a_mistake_of_ours_is_tried_again_and_ends_in_time(closing: Closing) -> None:
    close(closing)

    def fail() -> None:
        raise ZeroDivisionError

    closing.send_by(Interrupted(closing.lane.forge, "comment", fail))
    assert closing.row().error == "ZeroDivisionError; see the log"
    closing.lane.now += timedelta(days=4)
    closing.send_by(Interrupted(closing.lane.forge, "comment", fail))
    assert closing.row().outcome == Outcome.FAILED
