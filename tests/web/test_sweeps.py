"""Sweeps are shown as they stand, and started by who may."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.db import schedules, storms
from app.db.database import Database
from app.db.storms import Storm
from app.services.systems import ConfigRepo, SweepRules, Systems
from app.web.parts import WebParts
from tests.services.history import NOW
from tests.services.sweeps.sweeping import Packed
from tests.web.site import OPERATE, READ, Site, running_site

CRON = {"mirrors": "0 4 * * 0", "bodies": "30 3 * * *"}
STORM = Storm(sweep="tags", key="registry.acme.example/app", found=240, sample="240 new: 1.0", since=NOW)


@pytest.fixture
def mirror() -> Packed:
    return Packed()


@pytest.fixture
def swept(database: Database, mirror: Packed) -> Iterator[Site]:
    """An application over one config repository."""
    nothing: Any = None
    repository: Any = mirror
    repo = ConfigRepo(
        name="fleet",
        repository=repository,
        forge=nothing,
        forge_repository="acme/fleet",
        refs=dict,
        refs_every=timedelta(seconds=1),
        branches=("main",),
        prefix="fluxbridge",
    )

    def over_one_repo(parts: WebParts) -> WebParts:
        return replace(parts, systems=Systems(config_repos={"fleet": repo}, sweeps=SweepRules(schedules=CRON)))

    with running_site(database, change=over_one_repo) as running:
        yield running


def test_every_sweep_is_shown_before_any_has_run(swept: Site) -> None:
    shown = swept.get("/sweeps").json()
    assert [one["name"] for one in shown["items"]] == [
        "tags",
        "builds",
        "pull_requests",
        "bodies",
        "mirrors",
    ]
    assert {one["name"]: one["schedule"] for one in shown["items"] if one["schedule"] != "never"} == CRON
    assert shown["next"] is None


def test_a_storm_is_shown_with_its_sweep(swept: Site) -> None:
    with swept.database.transaction() as connection:
        storms.note(connection, STORM)
    shown = {one["name"]: one["storms"] for one in swept.get("/sweeps").json()["items"]}
    assert shown.pop("tags") == [
        {"key": STORM.key, "found": 240, "sample": "240 new: 1.0", "since": "2026-11-21T08:00:00Z"}
    ]
    assert set(map(str, shown.values())) == {"[]"}


def test_sweeps_are_run_by_name_and_the_answer_tells_what_they_found(swept: Site, mirror: Packed) -> None:
    answer = swept.post("/sweeps?name=mirrors")
    assert answer.json()["items"] == [
        {"name": "mirrors", "found": 1, "told": ["fleet: packed"], "storms": [], "left_out": [], "failures": []}
    ]
    [row] = [one for one in swept.get("/sweeps").json()["items"] if one["name"] == "mirrors"]
    assert (row["last_found"], row["last_error"], row["is_running"], mirror.times) == (1, None, False, 1)


def test_without_a_name_all_run_that_have_a_schedule(swept: Site) -> None:
    assert [one["name"] for one in swept.post("/sweeps").json()["items"]] == ["bodies", "mirrors"]


def test_a_dry_run_leaves_everything_as_it_was(swept: Site, mirror: Packed) -> None:
    assert swept.post("/sweeps?dry_run=true").status_code == 200
    assert mirror.times == 0
    assert all(one["last_started_at"] is None for one in swept.get("/sweeps").json()["items"])


def test_what_failed_is_told_in_the_answer_and_afterwards(swept: Site, mirror: Packed) -> None:
    mirror.error = RuntimeError("odd")
    [report] = swept.post("/sweeps?name=mirrors").json()["items"]
    assert report["failures"] == ["fleet: RuntimeError; see the log"]
    [row] = [one for one in swept.get("/sweeps").json()["items"] if one["name"] == "mirrors"]
    assert row["last_error"] == "1 failed: fleet: RuntimeError; see the log"


def test_a_sweep_that_runs_elsewhere_is_a_conflict(swept: Site) -> None:
    with swept.database.transaction() as connection:
        schedules.know(connection, "mirrors")
        in_a_year = NOW + timedelta(days=3650)
        schedules.claim(connection, "mirrors", owner="worker-1", now=in_a_year, lease=timedelta(seconds=30))
    answer = swept.post("/sweeps?name=bodies&name=mirrors")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:fluxbridge:problem:conflict")
    shown = {one["name"]: one for one in swept.get("/sweeps").json()["items"]}
    assert (shown["mirrors"]["is_running"], shown["bodies"]["last_started_at"]) == (True, None)


def test_a_sweep_that_there_is_not_is_404(swept: Site) -> None:
    assert swept.post("/sweeps?name=everything").status_code == 404


def test_starting_sweeps_needs_the_scope_operate(swept: Site) -> None:
    assert swept.post("/sweeps", READ).status_code == 403
    assert swept.get("/sweeps", OPERATE).status_code == 200
