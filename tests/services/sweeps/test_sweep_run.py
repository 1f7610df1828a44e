"""What does not answer keeps nobody waiting for good, and a forge that wants to be left alone is."""

from datetime import timedelta
from functools import partial
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.core.errors import Unavailable
from app.core.ports import RateLimited
from app.db import forge_budgets
from app.db.database import Database
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.sweeps.sweep_run import SweepRun
from app.services.systems import Systems
from tests.db.facts import MINUTE, NOW
from tests.extent import EXAMPLES
from tests.services.intake.webhooks import Site
from tests.services.sweeps.sweeping import ShownForge, change_repo, everything, sweep

_sweeps = count()


class Rounds:
    """Sweeps over the same items, some of which never answer."""

    def __init__(self, database: Database, items: list[str], silent: set[str]) -> None:
        self.database, self.items, self.silent = database, items, silent
        self.name, self.number = f"sweep-{next(_sweeps)}", 0
        self.failures: list[str] = []

    def run(self, *, is_dry: bool = False) -> list[str]:
        """One sweep; returns what was looked at."""
        self.number += 1
        seen: list[str] = []
        run = SweepRun(
            sweep=self.name,
            database=self.database,
            systems=Systems(),
            clock=lambda: NOW + self.number * MINUTE,
            ready=ReadyPolicies(),
            is_dry=is_dry,
        )
        run.each("the system", {item: partial(self._ask, seen, item) for item in self.items})
        self.failures = run.failures
        return seen

    def _ask(self, seen: list[str], item: str) -> None:
        seen.append(item)
        if item in self.silent:
            raise Unavailable("answered 500")


@settings(max_examples=EXAMPLES // 2, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 12), st.integers(0, 12))
def test_behind_three_that_never_answer_everything_is_looked_at_within_two_sweeps(
    database: Database, before: int, after: int
) -> None:
    well = [f"well-{number}" for number in range(before + after)]
    items = [*well[:before], "bad-1", "bad-2", "bad-3", *well[before:]]
    rounds = Rounds(database, items, {"bad-1", "bad-2", "bad-3"})
    seen = [rounds.run() for _ in range(3)]
    assert set(well) <= {*seen[0], *seen[1]}
    assert set(well) <= set(seen[2])
    assert {"bad-1", "bad-2", "bad-3"} <= set(seen[2])


def test_of_many_that_never_answer_each_sweep_asks_others(database: Database) -> None:
    items = [f"bad-{number}" for number in range(9)]
    rounds = Rounds(database, items, set(items))
    assert [rounds.run() for _ in range(4)] == [items[:3], items[3:6], items[6:], items[:3]]
    assert rounds.failures[-1] == "the system: 6 more were not asked for"


def test_what_answers_again_has_its_place_again(database: Database) -> None:
    rounds = Rounds(database, ["a", "b", "c"], {"a"})
    assert [rounds.run(), rounds.run()] == [["a", "b", "c"], ["b", "c", "a"]]
    rounds.silent.clear()
    assert [rounds.run(), rounds.run()] == [["b", "c", "a"], ["a", "b", "c"]]


def test_a_dry_look_remembers_nothing(database: Database) -> None:
    rounds = Rounds(database, ["a", "b"], {"a"})
    assert [rounds.run(is_dry=True), rounds.run(is_dry=True)] == [["a", "b"], ["a", "b"]]


@pytest.fixture
def forge(site: Site) -> ShownForge:
    """A forge that two config repositories share by their token."""
    forge = ShownForge([])
    for name in ("fleet", "other"):
        change_repo(site, name, forge=forge, forge_budget="github", refs_show_pull_requests=False)
    return forge


def blocked(site: Site) -> dict[str, timedelta]:
    with site.database.transaction() as connection:
        return {name: until - site.now for name, until in forge_budgets.blocked(connection, site.now).items()}


def limited() -> RateLimited:
    return RateLimited("takes no more requests", retry_after=7 * MINUTE)


def test_a_forge_that_limits_a_sweep_is_left_alone_by_everybody(site: Site, forge: ShownForge) -> None:
    forge.seen = limited()
    failures = sweep(site, "pull_requests").failures
    assert failures[0] == "fleet: takes no more requests"
    assert failures[1].startswith("other: its forge wants to be left alone until 2026-")
    assert (len(forge.asked), blocked(site)) == (1, {"github": 7 * MINUTE})


def test_a_sweep_does_not_ask_a_forge_that_is_left_alone(site: Site, forge: ShownForge) -> None:
    with site.database.transaction() as connection:
        forge_budgets.block(connection, "github", until=site.now + MINUTE, why="limit", now=site.now)
    assert "wants to be left alone" in sweep(site, "pull_requests").failures[0]
    assert forge.asked == []
    site.now += MINUTE
    assert sweep(site, "pull_requests").failures == []


def test_a_dry_look_that_is_limited_writes_nothing(site: Site, forge: ShownForge) -> None:
    forge.seen = limited()
    before = everything(site)
    sweep(site, "pull_requests", is_dry=True)
    assert (everything(site), blocked(site)) == (before, {})
