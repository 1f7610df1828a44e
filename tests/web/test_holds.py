"""People hold, deny and lift through the API: what they name has to be there, and what is done stays on record."""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from app.core.promotion.holds import GIT, Hold, HoldKind
from app.db import holds, lanes
from app.db.database import Database
from app.db.lanes import LaneRow
from app.services.systems import Systems
from app.web.parts import WebParts
from tests.services.history import DIGEST, IMAGE, LANE, NOW, POLICY, settle_with_plan, write_history
from tests.web.site import READ, Site, running_site

AT = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)  # a Monday
NOBODYS: Any = None


@pytest.fixture
def site(database: Database) -> Iterator[Site]:
    """A history, and a clock that stands."""

    def at_a_time(parts: WebParts) -> WebParts:
        systems = Systems(aliases={"mirror.example": IMAGE.registry}, config_repos={"fleet": NOBODYS, "other": NOBODYS})
        return replace(parts, clock=lambda: AT, systems=systems)

    with database.transaction() as connection:
        write_history(connection)
        settle_with_plan(connection)
    with running_site(database, change=at_a_time) as running:
        yield running


def add(site: Site, **query: str) -> Any:
    """Hold something; returns what the API answers."""
    answer = site.post(f"/holds?{urlencode({'why': 'incident 4711', **query})}")
    assert answer.status_code == 201, answer.text
    return answer.json()


def refused(site: Site, **query: str) -> str:
    """Why nothing is held."""
    answer = site.post(f"/holds?{urlencode({'why': 'incident 4711', **query})}")
    assert answer.status_code == 400, answer.text
    assert site.get("/holds").json()["items"] == []
    return str(answer.json()["detail"])


def the_lane(site: Site) -> LaneRow:
    with site.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    return row


def test_a_hold_says_who_why_until_when_and_what_it_reaches(site: Site) -> None:
    query = {"policy": "flux-system/*", "stage": "production", "until": "monday 08:00", "zone": "Europe/Berlin"}
    added = add(site, **query)
    assert added.pop("understood") == "Mon 2026-12-07 07:00 UTC (Mon 2026-12-07 08:00 Europe/Berlin)"
    assert site.get("/holds").json() == {"items": [added], "next": None}
    assert {name: added[name] for name in ("kind", "who", "why", "policies", "is_active", "is_in_git", "until")} == {
        "kind": "manual",
        "who": "ops",
        "why": "incident 4711",
        "policies": 2,
        "is_active": True,
        "is_in_git": False,
        "until": "2026-12-07T07:00:00Z",
    }
    assert added["reaches"] == "flux-system/* in stage production of every config repository"


def test_the_lanes_that_it_reaches_are_wanted_in_the_same_step(site: Site) -> None:
    before = the_lane(site)
    assert before.due_at is None
    added = add(site, stage="production", repo="fleet")
    assert (the_lane(site).due_at, the_lane(site).wanted) == (AT, before.wanted + 1)
    site.post(f"/holds/{added['id']}/lift?why=over")
    assert the_lane(site).wanted == before.wanted + 2
    refused_one = site.post("/holds?why=x&stage=production&repo=other")
    assert (refused_one.status_code, the_lane(site).wanted) == (400, before.wanted + 2)


@pytest.mark.parametrize(
    ("query", "reaches"),
    [
        ({"policy": "*"}, "* in every stage of every config repository"),
        ({"stage": "production", "repo": "fleet"}, "every policy in stage production of fleet"),
        ({"policy": POLICY}, f"{POLICY} in every stage of every config repository"),
        ({"tag": f"{IMAGE}:1.2.0"}, f"{IMAGE}:1.2.0 in every policy in every stage of every config repository"),
        (
            {"tag": "mirror.example/shop/web:9.9"},
            f"{IMAGE}:9.9 in every policy in every stage of every config repository",
        ),
        ({"digest": DIGEST}, f"any image@{DIGEST} in every policy in every stage of every config repository"),
        (
            {"digest": f"{IMAGE}@{DIGEST}", "stage": "production"},
            f"{IMAGE}@{DIGEST} in every policy in stage production of every config repository",
        ),
    ],
)
def test_a_hold_reaches_what_is_named(site: Site, query: dict[str, str], reaches: str) -> None:
    added = add(site, **query)
    assert added["reaches"] == reaches
    assert added["policies"] == (1 if query.get("policy") == POLICY else 2)
    with site.database.transaction() as connection:
        [kept] = holds.active(connection, LANE)
    assert kept.kind == (HoldKind.DENIED if {"tag", "digest"} & query.keys() else HoldKind.MANUAL)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({}, "nothing is named to be held: give a policy"),
        ({"repo": "fleet"}, "nothing is named to be held"),
        ({"policy": "flux-system/wbe"}, "no policy is called 'flux-system/wbe', so nothing is held: did you mean"),
        ({"policy": "web"}, "did you mean 'flux-system/web'?"),
        ({"stage": "producton"}, "no stage is called 'producton', so nothing is held: did you mean 'production'?"),
        ({"stage": "production", "repo": "fleed"}, "no config repository is called 'fleed'"),
        ({"tag": "registry.acme.example/shop/wbe:1.0"}, f"did you mean '{IMAGE}'?"),
        ({"tag": str(IMAGE)}, "names nothing to deny: write IMAGE:TAG"),
        ({"tag": f"{IMAGE}:1@{DIGEST}"}, "names nothing to deny: write IMAGE:TAG"),
        ({"tag": "A B:1"}, "is no image reference"),
        ({"digest": "sha256:abc"}, "names nothing to deny: write sha256: with 64"),
        ({"tag": f"{IMAGE}:1", "digest": DIGEST}, "a tag and a digest are two holds"),
        ({"stage": "production", "until": "2026-11-30T11:59:59Z"}, "is not after now, Mon 2026-11-30 12:00 UTC"),
        ({"stage": "production", "until": "soon"}, "'soon' is no time that is understood here: write +90m"),
        ({"stage": "production", "until": "+1d", "zone": "Europe/Berlon"}, "did you mean 'Europe/Berlin'?"),
        ({"stage": "production", "until": "+1d", "zone": "../../etc/passwd"}, "no time zone is called"),
    ],
)
def test_what_cannot_be_held_is_told_and_nothing_is_written(site: Site, query: dict[str, str], told: str) -> None:
    before = the_lane(site)
    words = refused(site, **query)
    assert told in words
    assert "\n" not in words
    assert the_lane(site) == before


@pytest.mark.parametrize("why", ["", "   ", "two\nlines", "\x1b[31m", "x" * 501])
def test_a_hold_wants_a_reason_of_one_line(site: Site, why: str) -> None:
    assert site.post(f"/holds?{urlencode({'why': why, 'stage': 'production'})}").status_code == 422
    assert site.post(f"/holds?{urlencode({'stage': 'production'})}").status_code == 422


def test_asking_twice_is_asking_once(site: Site) -> None:
    assert add(site, stage="production")["id"] == add(site, stage="production")["id"]
    assert len(site.get("/holds").json()["items"]) == 1


def test_a_hold_is_lifted_once_by_name_and_stays_on_record(site: Site) -> None:
    added = add(site, stage="production")
    lifted = site.post(f"/holds/{added['id']}/lift?why=mended").json()
    assert (lifted["is_active"], lifted["lifted_by"], lifted["lifted_why"]) == (False, "ops", "mended")
    assert site.post(f"/holds/{added['id']}/lift?why=again").json() == lifted
    assert site.get("/holds", active="true").json()["items"] == []
    assert site.get("/holds", active="false").json()["items"] == [lifted]


def test_what_is_not_there_or_stands_in_git_is_not_lifted(site: Site) -> None:
    in_git = Hold(
        id="a1",
        stage="production",
        policy=None,
        tags=None,
        kind=HoldKind.MANUAL,
        who=GIT,
        why="holidays",
        since=NOW,
        is_in_git=True,
    )
    with site.database.transaction() as connection:
        holds.add(connection, LANE, in_git, pull_request=None)
    answer = site.post("/holds/a1/lift?why=x")
    assert answer.status_code == 409
    assert "stands in Git: take it out of .fluxbridge.yaml on the base branch" in answer.json()["detail"]
    assert site.post("/holds/nothing/lift?why=x").status_code == 404
    [shown] = site.get("/holds").json()["items"]
    assert (shown["is_in_git"], shown["repo"], shown["branch"]) == (True, "fleet", "release/2026")


def test_a_closed_pull_requests_hold_is_lifted_too(site: Site) -> None:
    closed = Hold(
        id="a2",
        stage="production",
        policy=POLICY,
        tags=("1.2.0",),
        kind=HoldKind.CLOSED,
        who="mia",
        why="pull request 4 was closed",
        since=NOW,
    )
    with site.database.transaction() as connection:
        holds.add(connection, LANE, closed, pull_request=4)
    [shown] = site.get("/holds").json()["items"]
    assert shown["reaches"] == f"1.2.0 of {POLICY} in stage production of {LANE}"
    assert site.post("/holds/a2/lift?why=all%20right").json()["is_active"] is False


def test_holds_are_narrowed_by_what_they_reach(site: Site) -> None:
    one = add(site, policy="clusters/prod:flux-system/*", until="+1d")["id"]
    two = add(site, stage="production")["id"]

    def listed(**query: str) -> list[str]:
        return [each["id"] for each in site.get("/holds", **query).json()["items"]]

    assert set(listed()) == {one, two}
    assert listed(stage="staging") == [one]
    assert set(listed(policy="web")) == {one, two}
    assert listed(policy="clusters/dev:flux-system/web") == [two]
    assert listed(repo="other") == listed()
    assert [len(listed(limit="1")), len(listed(active="false"))] == [1, 0]


def test_a_token_that_may_only_read_holds_and_lifts_nothing(site: Site) -> None:
    added = add(site, stage="production")
    assert site.post("/holds?why=x&stage=production", READ).status_code == 403
    assert site.post(f"/holds/{added['id']}/lift?why=x", READ).status_code == 403
    assert site.get("/holds").json()["items"][0]["is_active"] is True


def test_a_denied_tag_that_is_there_is_doubtful(site: Site) -> None:
    add(site, tag="mirror.example/shop/web:1.1.0", why="loses orders")
    doubts = {one["stage"]: one["doubtful"] for one in site.get("/stages").json()["items"]}
    assert doubts == {"production": "denied: loses orders, by ops", "staging": "denied: loses orders, by ops"}


def test_the_history_tells_of_holds_by_pattern_and_how_they_ended(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
    seconds = itertools.count()

    def ticking(parts: WebParts) -> WebParts:
        return replace(parts, clock=lambda: AT + timedelta(seconds=next(seconds)))

    with running_site(database, change=ticking) as site:
        add(site, policy="flux-system/*", why="holidays", until="2026-12-01T00:00:00Z")
        added = add(site, tag=f"{IMAGE}:1.1.0", why="loses orders")
        site.post(f"/holds/{added['id']}/lift?why=mended")
        for path, query in (
            ("/images/tags/history", {"tag": f"{IMAGE}:1.1.0"}),
            ("/policies/flux-system/web/history", {"root": "clusters/prod"}),
        ):
            told = site.get(path, **query).json()["happenings"]
            assert [(one["what"], one["who"], one["words"]) for one in told if one["at"] >= "2026-11-30"] == [
                ("held", "ops", "holidays"),
                ("denied", "ops", "loses orders"),
                ("hold ended", "ops", "mended"),
            ]


def test_a_hold_that_is_over_is_no_longer_active(database: Database) -> None:
    with database.transaction() as connection:
        write_history(connection)
    times = [AT]

    def with_times(parts: WebParts) -> WebParts:
        return replace(parts, clock=lambda: times[0])

    with running_site(database, change=with_times) as site:
        added = add(site, stage="production", until="+1d")
        times[0] = AT + timedelta(days=1)
        assert site.get("/holds", active="true").json()["items"] == []
        [over] = site.get("/holds").json()["items"]
        assert (over["id"], over["is_active"], over["lifted_at"]) == (added["id"], False, None)
        told = site.get("/images/tags/history", tag=f"{IMAGE}:1.1.0").json()["happenings"]
        assert (told[-1]["what"], told[-1]["at"]) == ("hold ended", "2026-12-01T12:00:00Z")
