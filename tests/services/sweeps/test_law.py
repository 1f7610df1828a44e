"""Whoever was away finds by sweeping what those know who were told of everything, for what the systems still show."""

from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.core.facts import BuildResult
from app.core.images import ImageName
from app.core.policies.advance import choice_among
from app.core.policies.selection import compile_policy
from app.core.promotion.consent import is_candidate
from app.db import builds, lanes, selections
from app.db.collections import METADATA
from app.db.database import Database
from app.services.catalogue.tag_states import states_of_all
from tests.db.facts import reports_of
from tests.extent import EXAMPLES
from tests.services.intake.webhooks import (
    CHOICES,
    Site,
    delete_event,
    digest_of,
    envelope,
    notification,
    open_site,
    push_event,
)
from tests.services.sweeps.sweeping import BuiltJenkins, ShownRegistry, built, name_in_policies, sweep, waiting

APP = ImageName("registry.acme.example", "team/app")
PATTERNS = {"main": ("team/*",)}
JOBS = ("team/app/main", "team/app/PR-1", "team/fleet/fluxbridge%2Fmain%2Fall%2Fapp")


@dataclass(frozen=True, slots=True)
class Pushed:
    """A tag was pushed, perhaps once more with other content."""

    tag: str
    content: str


@dataclass(frozen=True, slots=True)
class Deleted:
    """A tag was deleted, if it was there."""

    tag: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A build ended that named a tag, or none."""

    job: str
    tag: str | None
    result: BuildResult


Event = Pushed | Deleted | Ended
_tags = st.sampled_from([f"1.{minor}.{patch}" for minor in range(3) for patch in range(2)])
_results = st.sampled_from([BuildResult.SUCCESS, BuildResult.FAILURE])
_events = st.one_of(
    st.builds(Pushed, _tags, st.sampled_from("ab")),
    st.builds(Ended, st.sampled_from(JOBS), st.none() | _tags, _results),
    st.builds(Deleted, _tags),
)


TWO = [(Pushed("1.0.0", "a"), True), (Pushed("1.1.0", "a"), True)]


@dataclass(frozen=True, slots=True)
class Place:
    """What a site needs to know of a server that nobody asks here."""

    host: str = APP.registry
    url: str = "http://ci.acme.example"


@dataclass
class World:
    """A registry and a Jenkins in which things happen, and a site that is told of them, or not."""

    site: Site
    shown: dict[str, str] = field(default_factory=dict)
    jenkins: BuiltJenkins = field(default_factory=BuiltJenkins)

    def __post_init__(self) -> None:
        registry = ShownRegistry({APP.path: self.shown})
        systems = replace(self.site.systems, registries={APP.registry: registry}, jenkins={"main": self.jenkins})
        self.site.systems = systems
        self.jenkins.jobs = {job: {} for job in JOBS}
        name_in_policies(self.site, [APP])
        self.sweep()

    def sweep(self, *, is_confirmed: bool = False) -> None:
        for name in ("builds", "tags"):
            found = sweep(self.site, name, is_confirmed=is_confirmed, jobs=PATTERNS, max_new=2)
            assert found.failures == []

    def happen(self, what: Event, *, is_told: bool) -> None:
        told: tuple[str, bytes] | None = None
        match what:
            case Pushed(tag, content):
                self.shown[tag] = digest_of(tag + content)
                told = "registry", envelope(push_event(tag, self.shown[tag]))
            case Deleted(tag):
                if self.shown.pop(tag, None) is not None:
                    told = "registry", envelope(delete_event(tag=tag))
            case Ended(job, tag, result):
                number = self.jenkins.newest_builds(["*"])[job] + 1
                named = str(APP) if tag else ""
                self.jenkins.put(job, number, built(number, job=job, image=named, tag=tag or "", result=result))
                told = "plugin", notification(number, job=job)
        if is_told and told is not None:
            self.site.send(*told)

    def outcome(self) -> dict[str, Any]:
        """What decides: the tags that are there, the builds and what they named."""
        told = builds.builds.c
        tags = {tag for tag, state in states_of_all(self.site.database, APP).items() if not state.is_gone}
        with self.site.database.transaction() as connection:
            rows = connection.execute(select(told.job, told.number, told.result, told.is_ours, told.commit))
            reports = {(one.job, one.number, one.tag, one.is_barred) for one in reports_of(connection, APP)}
            return {"tags": tags, "builds": sorted(tuple(row) for row in rows), "reports": reports}

    def candidates(self) -> set[str]:
        """The tags that a policy may choose; what is stored of choices is what they come to, and what it names now."""
        states = states_of_all(self.site.database, APP)
        found = {tag for tag, state in states.items() if is_candidate(state)}
        with self.site.database.transaction() as connection:
            stored = {row.spec_hash: row.stored_choice for row in selections.of_image(connection, APP)}
        for spec in CHOICES:
            full = choice_among(compile_policy(spec), found)
            assert stored.get(spec.fingerprint()) in {None, full}
            if spec.fingerprint() in stored and full.tag is not None:
                assert states[full.tag].digest in {None, self.shown[full.tag]}
        return found

    def wanted(self) -> set[str]:
        with self.site.database.transaction() as connection:
            return {row.key for row in lanes.every(connection) if row.wanted > 1}


def after(database: Database, happened: list[tuple[Event, bool]], *, is_away: bool) -> dict[str, Any]:
    """What is known of a world; who is away is told only of some of it and sweeps at the end, a person confirming."""
    with database.transaction() as connection:
        for table in reversed(METADATA.sorted_tables):
            connection.execute(table.delete())
    place: Any = Place()
    site = open_site(database, place, place)
    with closing(site.systems):
        world = World(site)
        for what, is_told in happened:
            world.happen(what, is_told=is_told or not is_away)
        if is_away:
            world.sweep()
            event("a storm" if waiting(site) else "no storm")
            world.sweep(is_confirmed=True)
            world.sweep(is_confirmed=True)
            assert list(waiting(site)) == []
        return {**world.outcome(), "candidates": world.candidates(), "lanes": world.wanted()}


@settings(max_examples=EXAMPLES // 3, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(happened=[*TWO, (Pushed("1.0.0", "b"), False), (Deleted("1.1.0"), False)])
@example(happened=[*TWO, (Pushed("1.0.0", "b"), False), (Deleted("1.1.0"), True)])
@given(happened=st.lists(st.tuples(_events, st.booleans()), max_size=12))
def test_whoever_was_away_and_sweeps_knows_what_those_know_who_were_told(
    database: Database, happened: list[tuple[Event, bool]]
) -> None:
    told = after(database, happened, is_away=False)
    swept = after(database, happened, is_away=True)
    # Of what came and went meanwhile nothing is to be seen, so no lane needs to look at it.
    if not swept["tags"] and not swept["reports"]:
        told["lanes"] = swept["lanes"] & told["lanes"]
    assert swept == told
