"""What the config repository holds, denies and suspends stands from the run that sees it until one sees it gone."""

from datetime import timedelta
from pathlib import Path

import pytest

from app.core.promotion.holds import GIT
from app.db import holds, lanes
from app.db.database import Database
from app.db.holds import HoldFilters, HoldRow
from app.services.lane.reconcile import reconcile
from tests.end_to_end.bridge import deployment, policy
from tests.services.lanes import IMAGE, Lane

FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}
FREEZE = 'holds: [{stage: all, until: "2026-11-21T14:00:00Z", why: holidays}]\n'
DENY = f'deny: [{{image: {IMAGE}, tags: ["1.2.0"], why: loses orders}}]\n'


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """One app without stages, to which 1.1.0 was pushed."""
    made = Lane.create(tmp_path, database, FILES)
    made.push("1.1.0")
    return made


def kept(lane: Lane) -> list[HoldRow]:
    """Every hold that there ever was, newest first."""
    with lane.database.transaction() as connection:
        return list(holds.page(connection, HoldFilters(), now=lane.now, limit=50).items)


def carried(lane: Lane) -> list[str]:
    """What is open, by what it brings."""
    return [pull.title for pull in lane.open_pulls()]


def test_a_hold_in_the_rules_stops_from_the_commit_that_has_it_and_is_kept_once(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": FREEZE})
    lane.run()
    lane.now += timedelta(minutes=1)
    lane.run()
    assert carried(lane) == []
    [row] = kept(lane)
    assert (row.hold.stage, row.hold.why, row.hold.who, row.hold.is_in_git) == ("all", "holidays", GIT, True)
    assert row.hold.since == lane.now - timedelta(minutes=1)


def test_a_hold_in_the_rules_ends_by_time_and_the_lane_is_due_then(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": FREEZE})
    lane.run()
    with lane.database.transaction() as connection:
        row = lanes.find(connection, "fleet:main")
    [hold] = kept(lane)
    assert row is not None
    assert row.next_look_at == hold.hold.until
    lane.now += timedelta(hours=2)
    reconcile(lane.claim())
    assert len(carried(lane)) == 1


def test_what_is_taken_out_of_the_rules_is_lifted_and_stays_on_record(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": FREEZE})
    lane.run()
    lane.config.commit("main", {".fluxbridge.yaml": "holds: []\n"})
    lane.run()
    assert len(carried(lane)) == 1
    [row] = kept(lane)
    assert (row.lifted_by, row.lifted_why, row.lifted_at) == (GIT, "it no longer stands there", lane.now)


def test_rules_that_cannot_be_read_lift_nothing(lane: Lane) -> None:
    lane.config.commit("main", {".fluxbridge.yaml": FREEZE})
    lane.run()
    lane.config.commit("main", {".fluxbridge.yaml": "holds: [{stage: al, why: x}]\n"})
    lane.run()
    assert carried(lane) == []
    assert [row.lifted_at for row in kept(lane)] == [None]


def test_a_denied_tag_closes_its_pull_request_with_the_reason_and_a_higher_one_passes(lane: Lane) -> None:
    lane.run()
    lane.push("1.2.0")
    lane.run()
    [pull] = lane.open_pulls()
    lane.config.commit("main", {".fluxbridge.yaml": DENY})
    lane.run()
    [back] = lane.open_pulls()
    assert (back.number, lane.config.text(back.head, "apps/app.yaml")) == (pull.number, deployment("1.1.0"))
    lane.forge.merge(back.number, by="mira")  # type: ignore[attr-defined]
    lane.run()
    assert carried(lane) == []
    refused = next(one for one in lane.promotions() if one.tag == "1.2.0")
    assert (refused.state, refused.reason) == ("refused", "denied: loses orders, by the config repository")
    lane.push("1.3.0")
    lane.run()
    assert len(carried(lane)) == 1


def test_a_denied_tag_without_another_closes_its_pull_request_with_the_reason(lane: Lane) -> None:
    lane.run()
    [pull] = lane.open_pulls()
    lane.config.commit("main", {".fluxbridge.yaml": DENY.replace("1.2.0", "1.1.0")})
    lane.run()
    assert carried(lane) == []
    [comment] = lane.forge.comments(pull.number)  # type: ignore[attr-defined]
    assert "denied: loses orders, by the config repository" in str(comment)


def test_a_suspended_policy_is_held_until_it_is_not(lane: Lane) -> None:
    suspended = policy().replace("imageRepositoryRef", "suspend: true\n  imageRepositoryRef")
    assert suspended != policy()
    lane.config.commit("main", {"images/app.yaml": suspended})
    lane.run()
    assert carried(lane) == []
    [row] = kept(lane)
    assert (row.hold.policy, row.hold.why) == ("flux-system/app", "spec.suspend is true in images/app.yaml")
    lane.config.commit("main", {"images/app.yaml": policy()})
    lane.run()
    assert len(carried(lane)) == 1
