"""A delivery is carried to its end or put off: what nobody can help is tried again, what cannot be used is kept."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.facts import BuildFinished, BuildResult
from app.core.ports import BuildSeen, Jenkins
from app.db import deliveries
from app.db.deliveries import DeliveryRow, DeliveryState
from app.db.delivery_claims import ClaimedDelivery
from tests.db.facts import claim_next
from tests.servers.jenkins import Odd, build_body
from tests.services.intake.webhooks import (
    LEASE,
    MAIN,
    NOW,
    Site,
    build_report,
    envelope,
    notification,
    push_event,
)

TAG = "1.1.0"
MINUTE = timedelta(minutes=1)
LONGEST_WAIT = 5 * MINUTE


class Misbehaving:
    """A Jenkins that fails in a way of its own."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def newest_builds(
        self, patterns: Sequence[str], *, on_left_out: Callable[[str, str], None] | None = None
    ) -> Mapping[str, int]:
        del patterns, on_left_out
        raise self.error

    def builds_after(self, job: str, number: int, *, limit: int) -> Sequence[BuildSeen]:
        del job, number, limit
        raise self.error

    def build(self, job: str, number: int) -> BuildFinished | None:
        del job, number
        raise self.error


def swap_jenkins(site: Site, jenkins: Jenkins) -> None:
    """Let another Jenkins answer in place of the real one."""
    site.systems = replace(site.systems, jenkins={"main": jenkins})


def claim_when_due(site: Site, row: DeliveryRow) -> ClaimedDelivery:
    """Take a delivery that was put off, and not before its time."""
    with site.database.transaction() as connection:
        early = row.due_at - timedelta(seconds=1)
        assert claim_next(connection, owner="early", now=early, lease=LEASE) is None
    site.now = row.due_at
    return site.claim()


@pytest.mark.parametrize(("asked_s", "waits_s"), [(1, 2), (90, 90), (9000, 300)])
def test_who_asks_to_come_back_later_is_asked_no_sooner_but_within_five_minutes(
    site: Site, asked_s: int, waits_s: int
) -> None:
    swap_jenkins(site, Misbehaving(Unavailable("too many requests", retry_after=timedelta(seconds=asked_s))))
    row = site.send("plugin", notification(1))
    assert row.due_at - site.now == timedelta(seconds=waits_s)


def test_what_cannot_be_asked_is_asked_again_ever_more_slowly_and_counts_nothing(site: Site) -> None:
    swap_jenkins(site, Misbehaving(Unavailable("jenkins does not answer")))
    row, waits = site.send("plugin", notification(1)), []
    for _ in range(12):
        waits.append(row.due_at - site.now)
        assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
        assert row.error == "jenkins does not answer"
        claim = claim_when_due(site, row)
        site.interpreter().interpret(claim)
        row = site.delivery(claim.id)
    assert all(earlier < later for earlier, later in pairwise(waits) if earlier < LONGEST_WAIT)
    assert waits[-1] == waits[-2] == LONGEST_WAIT
    assert site.facts()["tags"] == set()


@pytest.mark.parametrize("status", [503, 403], ids=["it is down", "it refuses us"])
def test_a_jenkins_that_answers_again_is_believed_then(site: Site, status: int) -> None:
    site.jenkins.put_build("team/app/main", build_body(1))
    site.jenkins.odd = Odd(status)
    row = site.send("plugin", notification(1))
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    assert row.error is not None
    assert "jenkins main" in row.error
    site.jenkins.odd = None
    site.interpreter().interpret(claim_when_due(site, row))
    assert site.delivery(row.id).state is DeliveryState.DONE
    assert [one.result for one in site.builds()] == [BuildResult.SUCCESS]


def test_a_build_that_still_runs_is_looked_at_until_it_ends(site: Site) -> None:
    site.jenkins.put_build("team/app/main", build_body(1, result=None))
    row = site.send("plugin", notification(1))
    assert (row.state, row.attempts) == (DeliveryState.WAITING, 0)
    assert row.error == "build team/app/main #1 is still running; it is looked at again"
    assert site.builds() == []
    site.jenkins.finish("team/app/main", 1, "UNSTABLE")
    site.interpreter().interpret(claim_when_due(site, row))
    assert [one.result for one in site.builds()] == [BuildResult.UNSTABLE]


@pytest.mark.parametrize(
    ("age", "results"),
    [
        pytest.param(timedelta(hours=24) - timedelta(seconds=1), [], id="within a day"),
        pytest.param(timedelta(hours=24), [BuildResult.UNKNOWN], id="after a day"),
    ],
)
def test_a_build_that_never_ends_is_unknown_after_a_day(site: Site, age: timedelta, results: list[BuildResult]) -> None:
    site.jenkins.put_build("team/app/main", build_body(1, result=None))
    site.keep("plugin", notification(1))
    site.now = NOW + age
    site.interpret()
    assert [one.result for one in site.builds()] == results


def test_a_build_that_jenkins_has_no_more_is_unknown(site: Site) -> None:
    assert site.send("plugin", notification(7)).state is DeliveryState.DONE
    assert [(one.number, one.result) for one in site.builds()] == [(7, BuildResult.UNKNOWN)]


def test_a_build_that_was_unknown_gets_its_result_when_its_job_reports_it(site: Site) -> None:
    digest = site.put_image(TAG)
    site.send("plugin", notification(1))
    site.send("ci", build_report(site.image, TAG, digest))
    site.send("plugin", notification(1))
    assert [one.result for one in site.builds()] == [BuildResult.SUCCESS]


BAD_BODIES = [
    pytest.param("ci", b"{", "not JSON", id="no JSON"),
    pytest.param("ci", json.dumps({"schema": 2}).encode(), "schema", id="another contract"),
    pytest.param("registry", b'{"events": 7}', "events", id="no events"),
    pytest.param("registry", envelope(push_event("-odd-", None)), "-odd-", id="only events that are malformed"),
    pytest.param("plugin", b'{"url": "job/x/", "build": {}}', "build", id="no build"),
    pytest.param("github", b"{}", "X-GitHub-Event", id="no event name"),
    pytest.param("prod-eu", b"[]", "cannot be used", id="no object"),
]


@pytest.mark.parametrize(("source", "body", "reason"), BAD_BODIES)
def test_a_body_that_cannot_be_used_is_kept_with_the_reason(site: Site, source: str, body: bytes, reason: str) -> None:
    ended = site.send(source, body)
    assert (ended.state, ended.ended_at, ended.tries) == (DeliveryState.UNUSABLE, NOW, 1)
    assert ended.outcome is not None
    assert reason in ended.outcome
    with site.database.transaction() as connection:
        kept = deliveries.content(connection, ended.id)
    assert kept is not None
    assert kept.body == body


def test_one_malformed_event_costs_the_others_nothing(site: Site) -> None:
    digest = site.put_image(TAG)
    ended = site.send("registry", envelope({"action": 7}, push_event(TAG, digest), push_event("x", None, mediaType=[])))
    assert ended.state is DeliveryState.DONE
    assert ended.outcome is not None
    assert ended.outcome.startswith(f"facts: ImagePushed. lanes: {MAIN}. ignored: events[0]")
    assert "events[2]" in ended.outcome
    assert site.facts()["tags"] == {(str(site.image), TAG, digest, False)}


def test_an_event_of_no_interest_is_done_and_says_why(site: Site) -> None:
    ended = site.send("plugin", notification(1, phase="STARTED"))
    assert (ended.state, ended.outcome) == (
        DeliveryState.DONE,
        "no facts. ignored: phase 'STARTED' is not the end of a build",
    )
    assert site.jenkins.requests == []


def test_a_job_name_that_jenkins_could_not_have_is_unusable(site: Site) -> None:
    site.change_source("plugin", jobs=())
    ended = site.send("plugin", json.dumps({"url": "job/../", "build": {"number": 1, "phase": "FINALIZED"}}).encode())
    assert ended.state is DeliveryState.UNUSABLE


def test_what_was_cut_off_for_its_size_is_told(site: Site) -> None:
    note = b'{"truncated": "a delivery of 9000000 bytes was not kept"}'
    ended = site.send("registry", note, {"fluxbridge-truncated": "9000000 bytes"})
    assert (ended.state, ended.outcome) == (DeliveryState.UNUSABLE, "larger than the limit: 9000000 bytes")


def test_a_delivery_whose_source_was_removed_is_kept_as_unusable(site: Site) -> None:
    ended = site.send("retired", build_report(site.image, TAG, None))
    assert (ended.state, (ended.outcome or "").partition(";")[0]) == (
        DeliveryState.UNUSABLE,
        "the source retired is no longer configured",
    )
    assert site.builds() == []


def test_a_failure_that_nobody_expected_counts_until_the_delivery_is_dead(site: Site) -> None:
    swap_jenkins(site, Misbehaving(ZeroDivisionError("password=hunter2")))
    site.keep("plugin", notification(1))
    claim = site.claim()
    for count in range(1, 9):
        with pytest.raises(ZeroDivisionError):
            site.interpreter().interpret(claim)
        row = site.delivery(claim.id)
        if count < 8:
            assert (row.state, row.attempts) == (DeliveryState.WAITING, count)
            assert row.error == "ZeroDivisionError while interpreting"
            claim = claim_when_due(site, row)
    assert (row.state, row.outcome) == (DeliveryState.DEAD, "ZeroDivisionError while interpreting")
    assert row.ended_at == site.now


def test_waiting_for_others_brings_a_delivery_no_nearer_to_its_death(site: Site) -> None:
    swap_jenkins(site, Misbehaving(Unavailable("down")))
    row = site.send("plugin", notification(1))
    for _ in range(20):
        site.interpreter().interpret(claim_when_due(site, row))
        row = site.delivery(row.id)
    swap_jenkins(site, Misbehaving(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        site.interpreter().interpret(claim_when_due(site, row))
    assert (site.delivery(row.id).state, site.delivery(row.id).attempts) == (DeliveryState.WAITING, 1)


def test_a_dead_delivery_that_is_replayed_is_worked_off(site: Site) -> None:
    real = site.systems.jenkins["main"]
    swap_jenkins(site, Misbehaving(ZeroDivisionError()))
    delivery_id = site.keep("plugin", notification(1))
    for _ in range(8):
        site.now += LONGEST_WAIT
        with pytest.raises(ZeroDivisionError):
            site.interpret()
    assert site.delivery(delivery_id).state is DeliveryState.DEAD
    swap_jenkins(site, real)
    site.jenkins.put_build("team/app/main", build_body(1))
    with site.database.transaction() as connection:
        assert deliveries.replay(connection, delivery_id, now=site.now)
    assert site.interpret().state is DeliveryState.DONE
    assert [one.number for one in site.builds()] == [1]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(None, id="done"),
        pytest.param(Unavailable("down"), id="put off"),
        pytest.param(ZeroDivisionError(), id="failed"),
    ],
)
def test_a_worker_that_lost_a_delivery_leaves_it_as_the_other_left_it(site: Site, answer: Exception | None) -> None:
    site.jenkins.put_build("team/app/main", build_body(1))
    site.keep("plugin", notification(1))
    late, slow = site.claim("late"), site.interpreter()
    site.now += LEASE + timedelta(seconds=1)
    site.interpreter().interpret(site.claim("quick"))
    ended, facts = site.delivery(late.id), site.facts()
    assert ended.state is DeliveryState.DONE
    if answer is not None:
        swap_jenkins(site, Misbehaving(answer))
        slow = site.interpreter()
    try:
        slow.interpret(late)
    except ZeroDivisionError:
        assert isinstance(answer, ZeroDivisionError)
    assert (site.delivery(late.id), site.facts()) == (ended, facts)


def test_an_outcome_of_any_length_is_kept_short(site: Site) -> None:
    events: list[Any] = [push_event("x" * 100, None, path=f"payroll/{number}") for number in range(100)]
    ended = site.send("registry", envelope(*events))
    assert ended.outcome is not None
    assert len(ended.outcome) == 2000
