"""A look at forges, old bodies and mirrors."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.core.errors import Conflict, Unavailable
from app.core.facts import RevisionApplied
from app.core.ports import PullRequestSeen, PullRequestState
from app.db import deliveries, outbox, pull_requests, pushed_heads, revisions
from app.db.outbox import Channel, Outcome, Telling
from app.db.pull_requests import PullRequestRow
from app.db.pushed_heads import PushedHead
from app.services.people.replay import replay
from tests.services.intake.webhooks import MAIN, NEXT, NOW, OTHER, Site, branch_event, github
from tests.services.sweeps.sweeping import Packed, ShownForge, change_repo, everything, sweep

OPEN, CLOSED, MERGED = PullRequestState.OPEN, PullRequestState.CLOSED, PullRequestState.MERGED
HEAD, OTHER_HEAD = "1" * 40, "2" * 40
BRANCH = "fluxbridge/main/all/app"


@pytest.fixture
def forge(site: Site) -> ShownForge:
    """A forge that shows our open pull request 4 of `main` as we know it; the other repository has a local one."""
    forge = ShownForge([seen(4)])
    change_repo(site, forge=forge)
    change_repo(site, "other", forge=ShownForge(Unavailable("asked")), refs_show_pull_requests=True)
    remember(site, 4)
    return forge


def seen(number: int, state: PullRequestState = OPEN, *, head_sha: str = HEAD, base: str = "main") -> PullRequestSeen:
    return PullRequestSeen(number, state, BRANCH, head_sha, base)


def remember(site: Site, number: int, state: PullRequestState = OPEN) -> None:
    """Our pull request as we know it."""
    row = PullRequestRow(
        lane=MAIN,
        number=number,
        branch=BRANCH,
        stage="all",
        group="app",
        url="",
        title="",
        state=state,
        head_sha=HEAD,
        tags={},
        opened_at=NOW,
    )
    head = PushedHead(lane=MAIN, branch=BRANCH, sha=HEAD, base_sha=OTHER_HEAD, tags={}, recorded_at=NOW)
    with site.database.transaction() as connection:
        pull_requests.upsert(connection, row)
        pushed_heads.record(connection, head)


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        pytest.param(seen(4, MERGED), "#4 is merged, not open", id="merged"),
        pytest.param(seen(4, CLOSED), "#4 is closed, not open", id="closed"),
        pytest.param(seen(4, head_sha=OTHER_HEAD), "#4 has the commit 222222222222, not 111111111111", id="pushed to"),
        pytest.param(seen(4, base="next"), "#4 goes into next, not main", id="another base"),
        pytest.param(seen(5), "#5 is open and of our commit 111111111111", id="one that no row knows"),
        pytest.param(
            seen(5, head_sha=HEAD[:12]),
            "#5 is open and of our commit 111111111111",
            id="one by the start of its commit",
        ),
    ],
)
def test_where_a_forge_shows_one_of_ours_otherwise_its_lane_is_due_once(
    site: Site, forge: ShownForge, shown: PullRequestSeen, told: str
) -> None:
    forge.seen = [shown]
    look = sweep(site, "pull_requests")
    assert (look.told, look.found, look.failures) == ([f"{MAIN}: {told}"], 1, [])
    assert site.wanted() == {MAIN: 1, NEXT: 0, OTHER: 0}
    assert (sweep(site, "pull_requests").found, site.wanted()[MAIN]) == (0, 1)
    assert forge.asked == [("fluxbridge", 100)] * 2


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(seen(4), id="as we know it"),
        pytest.param(seen(4, head_sha=HEAD[:12]), id="its commit cut short"),
        pytest.param(seen(5, head_sha=OTHER_HEAD), id="a person's on a branch of our name"),
        pytest.param(seen(5, CLOSED), id="a closed one that no row knows"),
        pytest.param(seen(5, base="elsewhere"), id="into a branch that is not ours"),
    ],
)
def test_where_nothing_of_ours_differs_no_lane_is_due(site: Site, forge: ShownForge, shown: PullRequestSeen) -> None:
    forge.seen = [shown]
    assert sweep(site, "pull_requests").found == 0
    assert site.wanted() == {MAIN: 0, NEXT: 0, OTHER: 0}


def test_one_that_a_person_reopened_and_closed_again_makes_its_lane_due_each_time(
    site: Site, forge: ShownForge
) -> None:
    remember(site, 4, CLOSED)
    for state in (OPEN, CLOSED, OPEN):
        forge.seen = [seen(4, state)]
        sweep(site, "pull_requests")
    assert site.wanted()[MAIN] == 2


def test_a_forge_that_does_not_answer_is_told(site: Site, forge: ShownForge) -> None:
    forge.seen = Unavailable("no route")
    assert sweep(site, "pull_requests").failures == ["fleet: no route"]


def test_a_dry_look_at_a_forge_writes_nothing(site: Site, forge: ShownForge) -> None:
    forge.seen = [seen(4, MERGED)]
    before = everything(site)
    assert sweep(site, "pull_requests", is_dry=True).found == 1
    assert everything(site) == before
    assert sweep(site, "pull_requests").found == 1


DAY = timedelta(days=1)


def end_many(site: Site, count: int) -> list[str]:
    ids = []
    for number in range(count):
        site.keep("github", branch_event("main"), github("push"), external_id=f"old {number}")
        ids.append(site.interpret().id)
    return ids


def body(site: Site, delivery: str) -> bytes:
    with site.database.transaction() as connection:
        found = deliveries.content(connection, delivery)
    assert found is not None
    return found.body


def test_bodies_are_dropped_some_days_after_the_end_and_nothing_else_is(site: Site) -> None:
    [old] = end_many(site, 1)
    waiting = site.keep("github", branch_event("main"), github("push"))
    site.now = NOW + 29 * DAY
    [recent] = end_many(site, 1)
    before, facts = site.delivery(old), site.facts()
    assert sweep(site, "bodies").found == 0
    site.now = NOW + 30 * DAY + timedelta(milliseconds=1)
    assert sweep(site, "bodies").found == 1
    assert (body(site, old), len(body(site, waiting)) > 0, len(body(site, recent)) > 0) == (b"", True, True)
    assert (replace(site.delivery(old), dropped_at=None), site.facts()) == (before, facts)
    assert sweep(site, "bodies").found == 0


def test_what_was_told_to_others_is_dropped_after_as_many_days_and_what_waits_is_not(site: Site) -> None:
    with site.database.transaction() as connection:
        for key in ("told", "waits"):
            told = Telling(channel=Channel.COMMENT, target="fleet#1", key=key, payload={})
            outbox.tell_once(connection, told, now=NOW)
        claim = outbox.claim_due(connection, owner="w", now=NOW, lease=timedelta(seconds=30))
        assert claim is not None
        outbox.end(connection, claim, Outcome.SENT, why=None, now=NOW)
    site.now = NOW + 30 * DAY
    assert sweep(site, "bodies").found == 0
    site.now += timedelta(milliseconds=1)
    assert sweep(site, "bodies", is_dry=True).told == ["1 tellings"]
    assert sweep(site, "bodies").told == ["1 tellings"]
    with site.database.transaction() as connection:
        assert len(outbox.every(connection, limit=9)) == 1


def test_a_repeat_of_what_was_dropped_is_still_known(site: Site) -> None:
    [old] = end_many(site, 1)
    site.now = NOW + 31 * DAY
    sweep(site, "bodies")
    assert site.keep("github", branch_event("main"), github("push"), external_id="old 0") == old


def test_many_bodies_are_dropped_in_steps(site: Site) -> None:
    with site.database.transaction() as connection:
        template = deliveries.NewDelivery(
            source="github", kind="github", external_id="", headers={}, body=b"{}", received_at=NOW
        )
        deliveries.keep_all(connection, [replace(template, external_id=str(number)) for number in range(250)])
        connection.execute(deliveries.deliveries.update().values(state="done", outcome="", ended_at=NOW))
    site.now = NOW + 31 * DAY
    assert sweep(site, "bodies", is_dry=True).found == 250
    assert sweep(site, "bodies").found == 250
    assert sweep(site, "bodies", is_dry=True).found == 0


def test_a_delivery_without_its_body_is_not_replayed_and_it_is_said_why(site: Site) -> None:
    [old] = end_many(site, 1)
    site.now = NOW + 31 * DAY
    sweep(site, "bodies")
    before = site.delivery(old)
    with (
        pytest.raises(Conflict, match=r"was dropped on 2026-12-22 \(retention.bodies_days\)"),
        site.database.transaction() as connection,
    ):
        replay(connection, old, site.now)
    assert site.delivery(old) == before


def test_a_dry_look_at_bodies_drops_none(site: Site) -> None:
    end_many(site, 1)
    site.now = NOW + 31 * DAY
    before = everything(site)
    assert sweep(site, "bodies", is_dry=True).told == ["1 bodies"]
    assert everything(site) == before


def test_objects_of_flux_that_count_for_nothing_are_forgotten_some_days_after_they_were_told(site: Site) -> None:
    with site.database.transaction() as connection:
        told = RevisionApplied(
            cluster="prod-eu",
            kind="Kustomization",
            namespace="flux-system",
            name="invented",
            revision=HEAD,
            commit=HEAD,
            is_failure=False,
            reason="ReconciliationSucceeded",
            message="",
            at=NOW,
        )
        revisions.note(connection, told, repo="fleet", root="", received_at=NOW)
    site.now = NOW + 30 * DAY
    assert sweep(site, "bodies").found == 0
    site.now = NOW + 30 * DAY + timedelta(milliseconds=1)
    assert sweep(site, "bodies", is_dry=True).found == 1
    assert sweep(site, "bodies").told == ["1 objects of Flux that count for nothing"]
    with site.database.transaction() as connection:
        assert not revisions.of_cluster(connection, "prod-eu")


def test_every_mirror_is_packed_whatever_becomes_of_the_others(site: Site) -> None:
    broken: Any = Packed(error=Unavailable("locked"))
    well: Any = Packed()
    change_repo(site, "fleet", repository=broken)
    change_repo(site, "other", repository=well)
    look = sweep(site, "mirrors")
    assert (look.failures, well.times) == (["fleet: locked"], 1)
    sweep(site, "mirrors", is_dry=True)
    assert well.times == 1
