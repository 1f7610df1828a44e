"""Flux is told of a merge: once, of nothing else, and at nobody's cost."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.db import outbox
from app.db.database import Database
from app.db.outbox import Outcome, TellingRow
from app.services.lane.follow_up import follow_pull_requests
from app.services.lane.reconcile import reconcile
from app.services.lane.run import LostLane
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import Lane


@dataclass
class ScriptedReceiver:
    """A Receiver that fails as often as it is told to."""

    name: str
    failures: list[FluxbridgeError] = field(default_factory=list)
    revisions: list[str] = field(default_factory=list)

    def call(self, revision: str) -> None:
        self.revisions.append(revision)
        if self.failures:
            raise self.failures.pop(0)


@dataclass
class Told:
    """What Flux hears of a lane with one open pull request."""

    lane: Lane
    receiver: ScriptedReceiver
    other: ScriptedReceiver

    @property
    def revisions(self) -> list[str]:
        """What Flux was told; every cluster hears the same."""
        assert self.receiver.revisions == self.other.revisions
        return self.receiver.revisions

    def merge(self) -> str:
        """Mira merges what is open; returns the revision that it made."""
        forge: Any = self.lane.forge
        [pull] = self.lane.open_pulls()
        return f"main@sha1:{forge.merge(pull.number, by='mira').merge_commit}"

    def outbox(self) -> dict[str, TellingRow]:
        """How each telling stands, by its target."""
        with self.lane.database.transaction() as connection:
            return {row.target: row for row in outbox.every(connection, limit=99)}

    def outcomes(self) -> dict[str, str | None]:
        """How each telling ended, by its target."""
        return {target: row.outcome for target, row in self.outbox().items()}


@pytest.fixture
def told(tmp_path: Path, database: Database) -> Told:
    lane = Lane.create(tmp_path, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")})
    receiver, other = ScriptedReceiver("prod-eu"), ScriptedReceiver("prod-us")
    lane.receivers = (receiver, other)
    lane.push("1.1.0")
    lane.run()
    return Told(lane, receiver, other)


def test_flux_is_told_once_of_each_merge(told: Told) -> None:
    first = told.merge()
    told.lane.run()
    told.lane.run()
    assert told.revisions == [first]
    told.lane.push("1.2.0")
    told.lane.run()
    assert told.revisions == [first], "an opened pull request changes nothing for Flux"
    second = told.merge()
    told.lane.run()
    assert told.revisions == [first, second]
    assert told.outcomes() == {"fleet/prod-eu": Outcome.SENT, "fleet/prod-us": Outcome.SENT}


def test_flux_is_not_told_of_a_pull_request_that_was_closed(told: Told) -> None:
    forge: Any = told.lane.forge
    forge.close(told.lane.open_pulls()[0].number, by="mira")
    told.lane.run()
    assert told.outbox() == {}


def test_flux_is_not_told_of_what_people_commit_themselves(told: Told) -> None:
    told.lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0")})
    told.lane.run()
    assert told.revisions == []


def test_who_only_observes_calls_nobody(told: Told) -> None:
    told.merge()
    told.lane.is_observing = True
    told.lane.run()
    assert told.outbox() == {}
    assert told.lane.promotions()[0].merged_by == "mira"


def test_a_run_that_lost_its_lane_leaves_it_to_the_next(told: Told) -> None:
    late = told.lane.claim(owner="late")
    quick = told.lane.claim(owner="quick", later=timedelta(minutes=5))
    merged = told.merge()
    with pytest.raises(LostLane):
        reconcile(late)
    assert told.outbox() == {}
    reconcile(quick)
    told.lane.send()
    assert told.revisions == [merged]


def test_a_run_that_is_broken_off_after_the_merge_was_noted_has_it_told_all_the_same_and_once(told: Told) -> None:
    merged = told.merge()
    run = told.lane.claim()
    follow_pull_requests(run, run.repo.repository.fetch())
    told.lane.now += timedelta(hours=2)
    told.lane.run()
    assert told.revisions == [merged]


def test_a_receiver_that_could_not_be_reached_hears_of_the_newest_merge_only(told: Told) -> None:
    told.other.failures += [Unavailable("is not there")]
    first = told.merge()
    told.lane.run()
    assert told.outcomes() == {"fleet/prod-eu": Outcome.SENT, "fleet/prod-us": None}
    told.lane.push("1.2.0")
    told.lane.run()
    second = told.merge()
    told.lane.run()
    assert told.revisions == [first, second]
    told.lane.now += timedelta(hours=1)
    assert told.lane.send() == []


def test_a_receiver_that_is_not_reachable_is_called_again_later_and_then_well(told: Told) -> None:
    told.receiver.failures += [Unavailable("is not there"), Unavailable("is not ready")]
    merged = told.merge()
    told.lane.run()
    row = told.outbox()["fleet/prod-eu"]
    assert (row.error, row.attempts) == ("is not there", 1)
    assert row.due_at is not None
    assert row.due_at > told.lane.now
    for _ in range(2):
        told.lane.now += timedelta(minutes=1)
        told.lane.send()
    assert told.receiver.revisions == [merged] * 3
    assert told.other.revisions == [merged], "the other cluster was not kept waiting, and hears it once"
    assert told.outcomes() == {"fleet/prod-eu": Outcome.SENT, "fleet/prod-us": Outcome.SENT}


def test_a_receiver_that_is_away_for_an_hour_is_left_alone_for_flux_has_come_by_itself(told: Told) -> None:
    told.receiver.failures += [Unavailable("is not there")] * 99
    told.merge()
    told.lane.run()
    told.lane.now += timedelta(minutes=59)
    told.lane.send()
    assert told.outcomes()["fleet/prod-eu"] is None
    told.lane.now += timedelta(minutes=10)
    told.lane.send()
    row = told.outbox()["fleet/prod-eu"]
    assert (row.outcome, row.due_at) == (Outcome.FAILED, None)
    assert row.error == "given up after 3 attempts: is not there"


def test_a_receiver_that_refuses_is_not_called_again(told: Told) -> None:
    told.receiver.failures += [Refused("it has no such path")]
    merged = told.merge()
    told.lane.run()
    told.lane.now += timedelta(hours=1)
    told.lane.send()
    assert told.receiver.revisions == [merged]
    row = told.outbox()["fleet/prod-eu"]
    assert (row.outcome, row.error) == (Outcome.FAILED, "it has no such path")


@pytest.mark.parametrize("is_gone", [True, False])
def test_what_nobody_wants_to_hear_any_more_is_dropped(told: Told, *, is_gone: bool) -> None:
    told.merge()
    reconcile(told.lane.claim())
    told.lane.receivers = (told.other,) if is_gone else told.lane.receivers
    told.lane.is_observing = not is_gone
    told.lane.send()
    row = told.outbox()["fleet/prod-eu"]
    assert (row.outcome, told.receiver.revisions) == (Outcome.DROPPED, [])
    why = "config repository fleet has no receiver prod-eu any more"
    assert row.error == (why if is_gone else "config repository fleet is only observed now")
