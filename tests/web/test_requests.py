"""People ask for rollbacks and promotions through the API: what they name has to be there, and is done once."""

import json
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app.db import lanes
from app.db.database import Database
from app.db.lanes import LaneRow
from app.web.parts import ApiToken, WebParts
from tests.end_to_end.bridge import RULES, fleet
from tests.services.lanes import LANE, Lane
from tests.services.people.asking import People
from tests.web.site import READ, TOKENS, Site, running_site

ADMIN = "token-that-may-all"
APP = "images:flux-system/app"


def at_1_2(folder: Path, database: Database) -> People:
    """One app in two stages, in staging at 1.2.0; production asks for a good build."""
    lane = Lane.create(folder, database, {**fleet(), ".fluxbridge.yaml": RULES})
    lane.run()
    found = People(lane, policy="app", stage="staging")
    found.let_in("1.1.0", "1.2.0")
    return found


@contextmanager
def serving(people: People) -> Iterator[Site]:
    """The API over that lane, which runs only where a test says so, at the lane's time."""

    def over_the_lane(parts: WebParts) -> WebParts:
        lane = people.lane
        return replace(parts, clock=lambda: lane.now, systems=lane.systems, scans=lane.scans)

    tokens = (*TOKENS, ApiToken("boss", "admin", ADMIN))
    with running_site(people.lane.database, tokens=lambda: tokens, change=over_the_lane) as running:
        yield running


@pytest.fixture
def people(tmp_path: Path, database: Database) -> People:
    """A lane at 1.2.0."""
    return at_1_2(tmp_path, database)


@pytest.fixture
def site(people: People) -> Iterator[Site]:
    """The API over that lane."""
    with serving(people) as running:
        yield running


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    """The API over such a lane in which nothing is ever asked for, for what no database decides."""
    folder = tmp_path_factory.mktemp("quiet")
    shutil.copyfile(sqlite_template, folder / "fluxbridge.db")
    with (
        closing(Database(f"sqlite:///{folder / 'fluxbridge.db'}")) as database,
        serving(at_1_2(folder, database)) as running,
    ):
        yield running


def post(site: Site, token: str | None = None, **query: str) -> Any:
    wanted = {"kind": "rollback", "stage": "staging", "policy": "app", "why": "loses orders", **query}
    path = f"/requests?{urlencode({name: text for name, text in wanted.items() if text})}"
    return site.post(path, token) if token is not None else site.post(path)


def ask(site: Site, **query: str) -> Any:
    """Ask for something; returns what the API answers."""
    answer = post(site, **query)
    assert answer.status_code == 201, answer.text
    return answer.json()


def the_lane(site: Site) -> LaneRow:
    with site.database.transaction() as connection:
        row = lanes.find(connection, LANE)
    assert row is not None
    return row


def nothing_is_asked_for(site: Site) -> bool:
    return not site.get("/requests").json()["items"] and not site.get("/holds").json()["items"]


def test_what_was_understood_is_said_back_and_the_lane_is_due(site: Site, people: People) -> None:
    before = the_lane(site)
    asked = ask(site)
    [target] = asked["targets"]
    assert (target["policy"], target["from_tag"], target["tag"]) == (APP, "1.2.0", "1.1.0")
    assert (asked["who"], asked["why"], asked["state"], asked["is_new"]) == ("ops", "loses orders", "open", True)
    assert asked["changes"] == [
        {
            "policy": APP,
            "file": "apps/staging/app.yaml",
            "line": 6,
            "old": "registry.acme.example/team/app:1.2.0",
            "new": "registry.acme.example/team/app:1.1.0",
        }
    ]
    until = people.lane.now + timedelta(days=7)
    assert asked["understood"].endswith(f"{until:%Y-%m-%d %H:%M} UTC")
    assert the_lane(site).wanted > before.wanted
    people.opened()
    shown = site.get(f"/requests/{asked['id']}").json()
    assert (shown["pull_request"], shown["pull_request_url"]) == (3, "local:fleet/pulls/3")
    assert site.get("/requests").json()["items"] == [shown]


def test_posting_it_twice_is_asking_once(site: Site) -> None:
    first, second = ask(site), ask(site)
    assert (first["is_new"], second["is_new"], second["id"]) == (True, False, first["id"])
    assert len(site.get("/requests").json()["items"]) == len(site.get("/holds").json()["items"]) == 1


def test_a_dry_run_writes_nothing(site: Site) -> None:
    before = the_lane(site)
    asked = ask(site, dry_run="true")
    assert (asked["id"], len(asked["changes"])) == ("", 1)
    assert nothing_is_asked_for(site)
    assert the_lane(site) == before


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"policy": "ap"}, "no policy is called 'ap', so nothing is asked for: did you mean 'flux-system/app'?"),
        ({"stage": "stagin"}, "images:flux-system/app has no field in a stage 'stagin': did you mean 'staging'?"),
        ({"repo": "fleed"}, "no config repository is called 'fleed', so nothing is asked for: did you mean 'fleet'?"),
        ({"root": "clusters"}, "no policy is called 'app'"),
        ({"tag": "1.1.00"}, "cannot have 1.1.00 in staging: nothing is known of such a tag; did you mean '1.1.0'?"),
        ({"tag": "1.2.0"}, "images:flux-system/app has 1.2.0 in staging already: nothing would change"),
        ({"until": "2026-11-21T11:00:00Z"}, "until Sat 2026-11-21 11:00 UTC is not after now, Sat 2026-11-21 12:"),
        ({"until": "soon"}, "'soon' is no time that is understood here"),
        ({"until": "+1d", "zone": "Europe/Berlon"}, "did you mean 'Europe/Berlin'?"),
        ({"tag": "1.1.0", "pull": "2"}, "a tag and a pull request are two ways back: give one of --to and --pull"),
        ({"pull": "9"}, "pull request 9 let in nothing for flux-system/app in staging"),
        ({"pull": "1"}, "pull request 1 cannot be undone alone: flux-system/app has 1.2.0 since by pull request 2;"),
        ({"policy": ""}, "what is to be rolled back is not clear: give a policy and its stage"),
        ({"stage": "production"}, "nothing to go back to: before 1.0.0 nothing good is known"),
        ({"kind": "promotion"}, "what is to be promoted is not clear: give a policy and a tag"),
        ({"kind": "promotion", "tag": "1.2.0"}, "has 1.2.0 in staging already: nothing would change"),
        ({"kind": "promotion", "policy": "", "from_stage": "production"}, "give --group or --all"),
        ({"kind": "promotion", "from_stage": "production", "everything": "true"}, "and no policy or tag"),
        ({"kind": "promotion", "policy": "", "from_stage": "prod", "everything": "true"}, "no stage is called 'prod'"),
        (
            {"kind": "promotion", "policy": "", "from_stage": "staging", "group": "x"},
            "no group in staging is called 'x'",
        ),
        ({"tag": "x" * 500}, "nothing is known of such a tag"),
    ],
)
def test_what_cannot_be_asked_for_is_told_in_one_line_and_nothing_is_written(
    quiet: Site, query: dict[str, str], told: str
) -> None:
    before = the_lane(quiet)
    answer = post(quiet, **query)
    assert answer.status_code == 400, answer.text
    words = answer.json()["detail"]
    assert told in words
    assert "\n" not in words
    assert nothing_is_asked_for(quiet)
    assert the_lane(quiet) == before


@pytest.mark.parametrize(
    "query",
    [
        {"why": " "},
        {"why": "two\nlines"},
        {"kind": "revert"},
        {"pull": "0"},
        {"pull": "x"},
        {"policy": "a\x1b[31m"},
        {"stage": "sta\nging"},
    ],
)
def test_what_has_the_wrong_form_is_refused(quiet: Site, query: dict[str, str]) -> None:
    assert post(quiet, **query).status_code == 422
    assert nothing_is_asked_for(quiet)


def test_a_token_that_may_only_read_asks_for_nothing(site: Site) -> None:
    asked = ask(site)
    assert post(site, READ, policy="app", tag="1.0.0").status_code == 403
    assert site.post(f"/requests/{asked['id']}/withdraw?why=x", READ).status_code == 403
    assert [one["state"] for one in site.get("/requests").json()["items"]] == ["open"]


def test_only_an_admin_may_force(site: Site) -> None:
    forced = {"kind": "promotion", "stage": "production", "tag": "1.2.0", "force": "true"}
    answer = post(site, **forced)
    assert (answer.status_code, answer.json()["detail"]) == (
        403,
        "the token ops may not force anything: this needs one with scope admin",
    )
    assert post(site, dry_run="true", **forced).status_code == 403
    assert nothing_is_asked_for(site)
    allowed = post(site, ADMIN, **forced)
    assert (allowed.status_code, allowed.json()["is_forced"], allowed.json()["who"]) == (201, True, "boss")


def test_a_gate_that_waits_is_said_at_once_and_after_the_run(site: Site, people: People) -> None:
    asked = ask(site, kind="promotion", stage="production", tag="1.2.0")
    assert "no build has reported digest" in asked["waits_for"]
    people.run()
    shown = site.get(f"/requests/{asked['id']}").json()
    assert (shown["pull_request"], "no build has reported digest" in shown["waits_for"]) == (None, True)


def test_it_is_withdrawn_once(site: Site) -> None:
    asked = ask(site, hold="true")
    assert len(site.get("/holds", active="true").json()["items"]) == 2
    withdrawn = site.post(f"/requests/{asked['id']}/withdraw?why=mended").json()
    assert (withdrawn["state"], withdrawn["ended_why"]) == ("withdrawn", "withdrawn by ops: mended")
    assert site.post(f"/requests/{asked['id']}/withdraw?why=again").json() == withdrawn
    assert site.get("/holds", active="true").json()["items"] == []
    assert site.post("/requests/none/withdraw?why=x").status_code == 404
    assert site.get("/requests/none").status_code == 404
    assert site.post(f"/requests/{asked['id']}/withdraw").status_code == 422


def test_what_ended_otherwise_is_not_withdrawn(site: Site, people: People) -> None:
    asked = ask(site)
    people.opened()
    people.merge()
    answer = site.post(f"/requests/{asked['id']}/withdraw?why=mended")
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith(f"request {asked['id']} ended already, merged: pull request 3 was merged")


def test_requests_are_narrowed(site: Site, people: People) -> None:
    one = ask(site)["id"]
    people.lane.now += timedelta(seconds=1)
    two = ask(site, kind="promotion", stage="production", tag="1.2.0")["id"]
    site.post(f"/requests/{one}/withdraw?why=mended")

    def listed(**query: str) -> list[str]:
        return [each["id"] for each in site.get("/requests", **query).json()["items"]]

    assert listed() == [two, one]
    assert (listed(open="true"), listed(open="false")) == ([two], [one])
    assert (listed(stage="staging"), listed(repo="other"), listed(policy="flux-system/app")) == ([one], [], [two, one])
    assert listed(policy="wbe") == []
    page = site.get("/requests", limit="1").json()
    assert [each["id"] for each in site.get("/requests", limit="1", after=page["next"]).json()["items"]] == [one]
    assert site.get("/requests", after="x").status_code == 400


def test_where_nothing_is_opened_it_is_a_conflict(site: Site, people: People) -> None:
    people.lane.config.commit("main", {".fluxbridge.yaml": "stages: 7\n"})
    people.lane.run()
    answer = post(site)
    assert answer.status_code == 409
    assert "the lane fleet:main is stopped, so nothing would be opened" in json.dumps(answer.json())
