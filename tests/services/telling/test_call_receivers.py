"""Flux is told of a merge: once, of nothing else, and at nobody's cost."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import FluxbridgeError, Refused, Unavailable
from app.db.database import Database
from app.services.lane.follow_up import follow_pull_requests
from app.services.lane.reconcile import reconcile
from app.services.lane.run import LaneRun, LostLane
from app.services.telling.call_receivers import ReceiverCalls
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import Lane

PATIENCE_S = 20.0
REVISION = "main@sha1:" + "5d" * 20


@dataclass
class Told:
    """What Flux hears of a lane with one open pull request."""

    lane: Lane
    revisions: list[str] = field(default_factory=list)

    def claim(self, *, is_observing: bool = False, **changes: Any) -> LaneRun:
        """Take the lane, with Flux listening."""
        run = self.lane.claim(**changes)
        return replace(run, repo=replace(run.repo, tell_flux=self.revisions.append, is_observing=is_observing))

    def run(self, *, is_observing: bool = False) -> None:
        """Run the lane once."""
        reconcile(self.claim(is_observing=is_observing))

    def merge(self) -> str:
        """Mira merges what is open; returns the revision that it made."""
        forge: Any = self.lane.forge
        [pull] = self.lane.open_pulls()
        return f"main@sha1:{forge.merge(pull.number, by='mira').merge_commit}"


@pytest.fixture
def told(tmp_path: Path, database: Database) -> Told:
    lane = Lane.create(tmp_path, database, {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")})
    lane.push("1.1.0")
    lane.run()
    return Told(lane)


def test_flux_is_told_once_of_each_merge(told: Told) -> None:
    first = told.merge()
    told.run()
    told.run()
    assert told.revisions == [first]
    told.lane.push("1.2.0")
    told.run()
    assert told.revisions == [first], "an opened pull request changes nothing for Flux"
    second = told.merge()
    told.run()
    assert told.revisions == [first, second]


def test_flux_is_not_told_of_a_pull_request_that_was_closed(told: Told) -> None:
    forge: Any = told.lane.forge
    forge.close(told.lane.open_pulls()[0].number, by="mira")
    told.run()
    assert told.revisions == []


def test_flux_is_not_told_of_what_people_commit_themselves(told: Told) -> None:
    told.lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0")})
    told.run()
    assert told.revisions == []


def test_who_only_observes_calls_nobody(told: Told) -> None:
    told.merge()
    told.run(is_observing=True)
    assert told.revisions == []
    assert told.lane.promotions()[0].merged_by == "mira"


def test_a_run_that_lost_its_lane_leaves_it_to_the_next(told: Told) -> None:
    late = told.claim(owner="late")
    quick = told.claim(owner="quick", later=timedelta(minutes=5))
    merged = told.merge()
    with pytest.raises(LostLane):
        reconcile(late)
    assert told.revisions == []
    reconcile(quick)
    assert told.revisions == [merged]


def test_a_run_that_is_broken_off_after_the_merge_was_noted_does_not_tell_it_again(told: Told) -> None:
    merged = told.merge()
    run = told.claim()
    follow_pull_requests(run, run.repo.repository.fetch())
    told.lane.now += timedelta(hours=2)
    told.run()
    assert told.revisions == [merged]


@dataclass
class ScriptedReceiver:
    """Fails as often as it is told to, and says when it was called often enough."""

    failures: list[FluxbridgeError]
    enough: int
    name: str = "prod-eu"
    calls: list[str] = field(default_factory=list)
    was_called: threading.Event = field(default_factory=threading.Event)

    def call(self, revision: str) -> None:
        self.calls.append(revision)
        if len(self.calls) == self.enough:
            self.was_called.set()
        if self.failures:
            raise self.failures.pop(0)


class Heard(logging.Handler):
    """The log of the calls, and an end to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[tuple[int, str]] = []
        self._came = threading.Condition()

    def emit(self, record: logging.LogRecord) -> None:
        with self._came:
            self.lines.append((record.levelno, record.getMessage()))
            self._came.notify_all()

    def wait(self) -> tuple[int, str]:
        """The one line of a call that has ended."""
        with self._came:
            assert self._came.wait_for(lambda: self.lines, PATIENCE_S)
        [line] = self.lines
        return line


@pytest.fixture
def heard() -> Any:
    log, handler = logging.getLogger("fluxbridge.receivers"), Heard()
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(logging.NOTSET)


def at_once(count: int) -> list[timedelta]:
    return [timedelta(0)] * count


def test_a_receiver_that_is_not_reachable_is_called_again_and_then_well(heard: Heard) -> None:
    receiver = ScriptedReceiver([Unavailable("is not there"), Unavailable("is not ready")], enough=3)
    ReceiverCalls([receiver], at_once(2)).tell(REVISION)
    level, line = heard.wait()
    assert (level, receiver.calls) == (logging.INFO, [REVISION] * 3)
    assert "prod-eu" in line


@pytest.mark.parametrize(
    ("error", "pauses", "calls"),
    [
        pytest.param(lambda: Unavailable("is not there"), 2, 3, id="unavailable: every time"),
        pytest.param(lambda: Refused("is not there"), 2, 1, id="refused: asking again would not help"),
    ],
)
def test_a_failure_is_told_in_one_line(
    heard: Heard, error: Callable[[], FluxbridgeError], pauses: int, calls: int
) -> None:
    receiver = ScriptedReceiver([error() for _ in range(5)], enough=calls)
    ReceiverCalls([receiver], at_once(pauses)).tell(REVISION)
    level, line = heard.wait()
    assert (level, len(receiver.calls)) == (logging.WARNING, calls)
    assert "is not there" in line
    assert REVISION in line


def test_a_receiver_that_hangs_keeps_no_other_and_nobody_waiting(heard: Heard) -> None:
    released = threading.Event()

    @dataclass
    class Hanging:
        name: str = "hanging"

        def call(self, revision: str) -> None:
            del revision
            released.wait(PATIENCE_S)

    well = ScriptedReceiver([], enough=1)
    ReceiverCalls([Hanging(), well]).tell(REVISION)
    assert "prod-eu" in heard.wait()[1]
    assert not released.is_set()
    released.set()


def test_after_the_end_nobody_is_called_again(heard: Heard) -> None:
    receiver = ScriptedReceiver([Unavailable("is not there")] * 2, enough=1)
    calls = ReceiverCalls([receiver], [timedelta(hours=1)])
    calls.tell(REVISION)
    assert receiver.was_called.wait(PATIENCE_S)
    calls.close()
    assert heard.wait()[0] == logging.WARNING
    calls.tell(REVISION)
    assert len(receiver.calls) == 1
