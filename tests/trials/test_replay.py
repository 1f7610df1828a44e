"""What is known, planned and written down at the end does not depend on the order in which it was told, or how often.

A long run: `FLUXBRIDGE_FUZZ_EXAMPLES=500 uv run pytest -n0 tests/trials/test_replay.py`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clients.forges.local.forge import LocalForge
from app.core.ports import PullRequestState
from app.db import builds, lanes, promotions
from app.db.database import Database
from app.db.promotions import PromotionFilters
from app.demo.registry import DemoRegistry
from app.services.lane.run import LaneRun
from app.services.sweeps.list_repository import list_repository
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import Systems
from tests.end_to_end.bridge import deployment, kustomization, policy
from tests.extent import EXAMPLES
from tests.servers.jenkins import JenkinsServer
from tests.services.intake.webhooks import (
    ALIAS,
    JSON,
    Site,
    build_report,
    delete_event,
    digest_of,
    envelope,
    flux_event,
    open_site,
    push_event,
)
from tests.services.lanes import LANE, Lane
from tests.trials.reports import ELEVEN, FIRST, NINE, SECOND

NewDatabase = Callable[[], str]
APP = f"{ALIAS}/team/app"
_IN_THE_GATE = 100
_EXAMPLES = 6 if EXAMPLES <= _IN_THE_GATE else EXAMPLES
TAGS = ("1.0.0", "1.0.5", "1.1.0", "1.2.0", "1.3.0", "1.4.0")
RULES = """\
stages:
  staging: {paths: [apps/staging]}
  production: {paths: [apps/production], requires: {build: success}}
"""


@dataclass(frozen=True, slots=True)
class Told:
    """One webhook: which source says what."""

    about: str
    source: str
    body: bytes

    def __str__(self) -> str:
        return self.about


def _built(about: str, tag: str, **changes: Any) -> Told:
    return Told(about, "ci", build_report(APP, tag, digest_of(tag), **changes))


def _pushed(tag: str) -> Told:
    return Told(f"push of {tag}", "registry", envelope(push_event(tag, digest_of(tag))))


def _number(number: int, started: str = ELEVEN, commit: str = SECOND, **changes: Any) -> dict[str, Any]:
    return {"number": number, "started_at": started, "git": {"commit": commit}, **changes}


# A job that was made anew, a stage's report beside the end's, a time to come, a change request, sources that say what
# they may not say, a tag that never was, and everybody's pushes.
FACTS: Sequence[Told] = (
    _built("the first #1", "1.1.0", **_number(1, NINE, FIRST, result="FAILURE")),
    _built("the second #1", "1.0.5", **_number(1)),
    _built("#2 from a stage", "1.3.0", **_number(2, "2026-11-21T11:10:00Z")),
    _built("the end of #2", "1.3.0", **_number(2, "2026-11-21T11:10:00Z", result="FAILURE")),
    _built("#3 from the future", "1.2.0", **_number(3, "2026-11-21T11:20:00Z", finished_at="9999-12-31T00:00:00Z")),
    _built("a change request", "1.4.0", job="team/app/PR-42", **_number(4)),
    _built("a job of others", "1.2.0", job="elsewhere/app", **_number(5)),
    Told("an image of others", "ci", build_report("quay.io/else/app", "9.0.0", None, **_number(6))),
    *map(_pushed, TAGS[1:]),
    Told("a push that never was", "registry", envelope(push_event("1.9.0", digest_of("1.9.0")))),
    Told("its deletion", "registry", envelope(delete_event(tag="1.9.0"))),
    Told("an event of Flux", "prod-eu", flux_event()),
)


@dataclass
class ReplayLane(Lane):
    """A lane over what webhooks told."""

    site: Site | None = None

    def claim(self, owner: str = "tests", *, later: timedelta = timedelta(0)) -> LaneRun:
        """Take this lane; those that the webhooks' other base branches have are taken by nobody else."""
        while (run := super().claim(owner, later=later)).claim.key != LANE:
            continue
        return run

    @property
    def systems(self) -> Systems:
        """The site's, with this lane's config repository."""
        assert self.site is not None
        mine = super().systems
        return Systems(
            sources=self.site.systems.sources,
            registries=self.site.systems.registries,
            aliases=self.site.systems.aliases,
            config_repos=mine.config_repos,
        )


def _files() -> dict[str, str]:
    stages = ("staging", "production")
    return {
        ".fluxbridge.yaml": RULES,
        "images/app.yaml": policy(path="team/app"),
        **{f"clusters/{stage}/apps.yaml": kustomization("apps", f"apps/{stage}") for stage in stages},
        **{f"apps/{stage}/app.yaml": deployment("1.0.0", path="team/app") for stage in stages},
    }


@contextmanager
def _world(folder: Path, url: str) -> Iterator[ReplayLane]:
    with closing(Database(url)) as database, DemoRegistry() as registry, JenkinsServer() as jenkins:
        for tag in TAGS:
            registry.put("team/app", tag, json.dumps(_manifest(tag)).encode())
        site = open_site(database, registry, jenkins)
        with closing(site.systems):
            lane = ReplayLane.create(folder, database, _files())
            assert isinstance(lane, ReplayLane)
            lane.site = site
            with database.transaction() as connection:
                lanes.replace_images(connection, LANE, [site.image])
            yield lane


def _manifest(content: str) -> dict[str, object]:
    return {"schemaVersion": 2, "config": {"digest": content}, "layers": []}


def _end(url: str, told: Sequence[Told]) -> Mapping[str, object]:
    """Everything that is known and planned once all this was told, in this order."""
    with TemporaryDirectory() as made, _world(Path(made), url) as lane:
        site = lane.site
        assert site is not None
        for one in told:
            site.send(one.source, one.body, JSON)
        _list(lane, site)
        lane.run()
        lane.run()
        with lane.database.transaction() as connection:
            row = lanes.find(connection, LANE)
            moved = promotions.page(connection, PromotionFilters(), limit=100).items
            built = builds.page(connection, limit=100).items
        assert row is not None
        assert row.plan is not None
        pulls = LocalForge(lane.config.path, clock=lambda: lane.now).list_pull_requests(state=PullRequestState.OPEN)
        host = site.registry.host
        state = {
            "builds": sorted((one.job, one.number, one.run, one.life, one.result, one.commit or "") for one in built),
            "catalogue": sorted(map(str, site.facts()["tags"])),  # type: ignore[call-overload]
            "plan": json.loads(row.plan)["outcomes"],
            "pulls": sorted(
                (pull.head, pull.title, lane.config.git("rev-parse", f"{pull.head_sha}^{{tree}}").decode())
                for pull in pulls
            ),
            "history": sorted((one.stage, one.policy, one.tag, one.state, one.reason) for one in moved),
        }
        found: Mapping[str, object] = json.loads(json.dumps(state).replace(host, "registry"))
        return found


def _tree(lane: Lane, sha: str) -> str:
    return lane.config.git("rev-parse", f"{sha}^{{tree}}").decode()


def _list(lane: Lane, site: Site) -> None:
    run = SweepRun(sweep="tags", database=lane.database, systems=lane.systems, clock=lambda: lane.now, ready=lane.ready)
    list_repository(run, site.image)


def test_facts_in_any_order_and_any_number_of_times_end_alike(new_database: NewDatabase) -> None:
    expected = _end(new_database(), FACTS)
    assert {(one[0], one[2], one[3]) for one in expected["history"]} == {  # type: ignore[attr-defined]
        ("staging", "1.3.0", "proposed"),
        ("production", "1.3.0", "refused"),
        ("production", "1.2.0", "proposed"),
    }
    assert [one[:5] for one in expected["builds"] if one[0] == "team/app/main"] == [  # type: ignore[attr-defined]
        ["team/app/main", 1, 1, 1, "FAILURE"],
        ["team/app/main", 1, 2, 2, "SUCCESS"],
        ["team/app/main", 2, 1, 2, "FAILURE"],
        ["team/app/main", 3, 1, 2, "SUCCESS"],
        ["team/app/main", 6, 1, 2, "SUCCESS"],
    ]

    @settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
    @given(st.permutations(FACTS), st.lists(st.sampled_from(FACTS), max_size=6))
    def law(order: list[Told], again: list[Told]) -> None:
        assert _end(new_database(), [*order, *again]) == expected

    law()
