"""Sweeps run when they are due, each in one process at a time, and when a person asks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.ports import PullRequestSeen
from app.db import measures, schedules
from app.services.sweeps import SWEEPS
from app.services.sweeps.schedule import SweepBusy, Sweeps, UnknownSweep
from tests.db.threads import at_once
from tests.services.intake.webhooks import Site
from tests.services.sweeps.sweeping import ShownForge, change_repo, everything, schedule, sweeps_over

CRON = {"pull_requests": "17 * * * *", "tags": "*/10 * * * *"}


@dataclass
class Watched(ShownForge):
    """A forge at which something happens while it is asked."""

    meanwhile: Callable[[], None] = lambda: None
    error: Exception | None = None
    times: int = field(default=0)

    def recent_pull_requests(self, *, prefix: str, limit: int) -> Sequence[PullRequestSeen]:
        self.times += 1
        self.meanwhile()
        if self.error is not None:
            raise self.error
        return super().recent_pull_requests(prefix=prefix, limit=limit)


@pytest.fixture
def forges(site: Site) -> tuple[Watched, Watched]:
    """The forges of the two config repositories, in the order in which they are asked."""
    first, second = Watched(), Watched()
    change_repo(site, forge=first)
    change_repo(site, "other", forge=second)
    return first, second


@pytest.fixture
def sweeps(site: Site, forges: tuple[Watched, Watched]) -> Sweeps:
    """Sweeps of which two have a schedule, made known."""
    assert forges
    sweeps = sweeps_over(site, schedules=CRON)
    sweeps.ensure()
    return sweeps


def run_all_due(sweeps: Sweeps) -> int:
    count = 0
    while sweeps.run_due():
        count += 1
    return count


def take_over(site: Site, name: str) -> None:
    """Another process takes a sweep, as it would after the lease."""
    table = schedules.schedules
    with site.database.transaction() as connection:
        other = {"owner": "other", "fence": table.c.fence + 1}
        connection.execute(table.update().where(table.c.name == name).values(other))


def test_every_sweep_is_known_and_those_with_a_schedule_are_due_at_once(site: Site, sweeps: Sweeps) -> None:
    assert {name for name in SWEEPS if schedule(site, name).next_at is not None} == set(CRON)
    assert sweeps.next_at() is not None
    assert run_all_due(sweeps) == 2


def test_a_sweep_that_there_is_no_more_is_forgotten_at_the_start(site: Site, sweeps: Sweeps) -> None:
    with site.database.transaction() as connection:
        schedules.ensure(connection, "webhooks", site.now - timedelta(hours=1))
    sweeps.ensure()
    with site.database.transaction() as connection:
        assert {row.name for row in schedules.every(connection)} == set(SWEEPS)
    assert run_all_due(sweeps) == 2


def test_after_its_end_a_sweep_is_due_by_its_schedule(site: Site, sweeps: Sweeps) -> None:
    run_all_due(sweeps)
    row = schedule(site, "pull_requests")
    assert row.next_at is not None
    assert row.last_ended_at is not None
    assert row.next_at.minute == 17
    assert timedelta(0) < row.next_at - row.last_ended_at <= timedelta(hours=1)
    assert (row.owner, row.last_found, row.last_error) == (None, 0, None)


def test_a_start_right_after_an_end_does_not_sweep_again(site: Site, sweeps: Sweeps) -> None:
    run_all_due(sweeps)
    sweeps_over(site, schedules=CRON).ensure()
    assert run_all_due(sweeps) == 0


def test_a_start_right_after_a_failure_sweeps_at_once(
    site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]
) -> None:
    forges[0].error = Unavailable("no route")
    run_all_due(sweeps)
    sweeps_over(site, schedules=CRON).ensure()
    assert run_all_due(sweeps) == 1
    assert forges[1].times == 2


def test_a_start_long_after_the_last_end_sweeps_at_once(site: Site, sweeps: Sweeps) -> None:
    run_all_due(sweeps)
    table = schedules.schedules
    with site.database.transaction() as connection:
        long_ago = {"last_ended_at": site.now - timedelta(days=9)}
        connection.execute(table.update().where(table.c.name == "tags").values(long_ago))
    sweeps_over(site, schedules=CRON).ensure()
    assert run_all_due(sweeps) == 1


def test_a_sweep_whose_schedule_was_taken_away_waits_for_a_person(site: Site, sweeps: Sweeps) -> None:
    sweeps_over(site, schedules={}).ensure()
    assert (run_all_due(sweeps), sweeps.next_at()) == (0, None)
    [look] = sweeps.run_now(["mirrors"], is_dry=True)
    assert look.sweep == "mirrors"


def test_what_failed_is_written_down_and_counted(site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]) -> None:
    forges[0].error = Unavailable("no route")
    run_all_due(sweeps)
    row = schedule(site, "pull_requests")
    assert row.last_error == "1 failed: fleet: no route"
    assert row.next_at is not None
    assert row.last_ended_at is not None
    assert timedelta(0) < row.next_at - row.last_ended_at <= timedelta(minutes=5)
    assert forges[1].times == 1
    with site.database.transaction() as connection:
        counted = measures.every(connection)
    assert counted["sweeps"] == {"pull_requests:failed": 1, "tags:ok": 1}
    assert counted["sweep_found"] == {"pull_requests": 0, "tags": 0}


def test_a_sweep_that_another_process_took_over_ends_and_writes_nothing_more(
    site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]
) -> None:
    def lose() -> None:
        take_over(site, "pull_requests")
        sweeps.renew()

    forges[0].meanwhile = lose
    run_all_due(sweeps)
    row = schedule(site, "pull_requests")
    assert (row.owner, row.last_ended_at, forges[1].times) == ("other", None, 0)


def test_a_zombie_that_never_learned_of_it_does_not_end_the_other_s_run(
    site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]
) -> None:
    forges[1].meanwhile = partial(take_over, site, "pull_requests")
    run_all_due(sweeps)
    row = schedule(site, "pull_requests")
    assert (row.owner, row.last_ended_at) == ("other", None)
    with site.database.transaction() as connection:
        assert "pull_requests:ok" not in measures.every(connection)["sweeps"]


def test_a_process_that_stops_gives_back_what_it_was_at(
    site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]
) -> None:
    forges[0].meanwhile = sweeps.stop
    assert run_all_due(sweeps) == 1
    row = schedule(site, "pull_requests")
    assert (row.owner, row.last_ended_at, forges[1].times) == (None, None, 0)
    forges[0].meanwhile = lambda: None
    assert sweeps_over(site, schedules=CRON).run_due()
    assert schedule(site, "pull_requests").last_ended_at is not None


def test_one_of_many_processes_runs_a_sweep(site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]) -> None:
    others = [sweeps_over(site, schedules=CRON, owner=f"w{number}") for number in range(4)]
    assert sum(at_once(*(partial(run_all_due, one) for one in [sweeps, *others]))) == 2
    assert [forge.times for forge in forges] == [1, 1]


def test_a_person_is_told_when_a_sweep_runs_already_and_none_of_the_others_is_run(
    sweeps: Sweeps, site: Site, forges: tuple[Watched, Watched]
) -> None:
    asked: list[str] = []

    def ask() -> None:
        try:
            sweeps_over(site, schedules=CRON, owner="api").run_now(["tags", "pull_requests"])
        except SweepBusy as error:
            asked.append(str(error))

    forges[0].meanwhile = ask
    run_all_due(sweeps)
    assert asked == ["the sweep pull_requests is running just now: ask again when it has ended"]
    with site.database.transaction() as connection:
        assert measures.every(connection)["sweeps"] == {"pull_requests:ok": 1, "tags:ok": 1}


def test_a_person_runs_all_that_have_a_schedule_and_they_are_due_again_by_it(site: Site, sweeps: Sweeps) -> None:
    assert [look.sweep for look in sweeps.run_now()] == ["tags", "pull_requests"]
    assert run_all_due(sweeps) == 0
    assert schedule(site, "mirrors").last_ended_at is None


def test_a_sweep_can_be_asked_for_before_any_was_made_known(site: Site, forges: tuple[Watched, Watched]) -> None:
    [look] = sweeps_over(site, schedules=CRON).run_now(["pull_requests"])
    assert (look.found, [forge.times for forge in forges]) == (0, [1, 1])


def test_a_sweep_that_there_is_not_is_told_with_those_that_there_are(sweeps: Sweeps) -> None:
    with pytest.raises(UnknownSweep, match="there are: tags, builds, pull_requests, bodies, mirrors"):
        sweeps.run_now(["tags", "everything"])


def test_a_dry_run_of_everything_writes_nothing_not_even_that_it_ran(site: Site, sweeps: Sweeps) -> None:
    before = everything(site)
    looks = sweeps.run_now(list(SWEEPS), is_dry=True)
    assert [look.sweep for look in looks] == list(SWEEPS)
    assert everything(site) == before


def test_a_lease_that_ended_is_taken_over_and_the_sweep_starts_anew(
    site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]
) -> None:
    long_ago = site.now - timedelta(days=365)
    with site.database.transaction() as connection:
        dead = schedules.claim(connection, "pull_requests", owner="dead", now=long_ago, lease=timedelta(seconds=30))
    assert dead is not None
    run_all_due(sweeps)
    assert (schedule(site, "pull_requests").owner, forges[0].times) == (None, 1)


def test_a_renewed_lease_ends_later(site: Site, sweeps: Sweeps, forges: tuple[Watched, Watched]) -> None:
    leases = []
    timing = replace(site.systems.timing, lease=timedelta(hours=1))

    def renew() -> None:
        sweeps.systems = replace(sweeps.systems, timing=timing)
        leases.append(schedule(site, "pull_requests").lease_until)
        sweeps.renew()
        leases.append(schedule(site, "pull_requests").lease_until)

    forges[0].meanwhile = renew
    run_all_due(sweeps)
    first, second = leases
    assert first is not None
    assert second is not None
    assert second - first > timedelta(minutes=50)


@dataclass
class Mirror:
    """A mirror that counts how often it is packed."""

    packed: int = 0
    meanwhile: Callable[[], None] = lambda: None

    def collect_garbage(self) -> None:
        self.packed += 1
        self.meanwhile()


def process_with_mirror(site: Site, owner: str, **schedules: str) -> tuple[Sweeps, Mirror]:
    """The sweeps of one process, which has a mirror of its own."""
    mirror: Any = Mirror()
    for name in site.systems.config_repos:
        change_repo(site, name, repository=mirror)
    return sweeps_over(site, owner=owner, schedules=schedules or {"mirrors": "0 4 * * 0"}), mirror


def test_each_process_packs_its_own_mirrors_at_its_start_and_by_the_schedule(site: Site) -> None:
    processes = [process_with_mirror(site, name) for name in "ab"]
    for sweeps, _ in processes:
        sweeps.ensure()
    for week in range(1, 4):
        assert [run_all_due(sweeps) for sweeps, _ in processes] == [1, 1]
        assert [run_all_due(sweeps) for sweeps, _ in processes] == [0, 0]
        assert [mirror.packed for _, mirror in processes] == [2 * week, 2 * week]
        site.now += timedelta(days=7)


def test_packing_is_written_down_and_counted_and_told_when_it_is_next_here(site: Site) -> None:
    sweeps, _ = process_with_mirror(site, "a")
    sweeps.ensure()
    assert sweeps.next_at() is not None
    run_all_due(sweeps)
    row = schedule(site, "mirrors")
    assert (row.last_found, row.last_error, row.owner, row.next_at) == (2, None, None, None)
    assert row.last_ended_at is not None
    next_at = sweeps.next_at()
    assert next_at is not None
    assert (next_at.isoweekday(), next_at.hour) == (7, 4)
    with site.database.transaction() as connection:
        assert measures.every(connection)["sweeps"] == {"mirrors:ok": 1}


def test_packing_without_a_schedule_waits_for_a_person_who_has_it_done_here(site: Site) -> None:
    sweeps, mirror = process_with_mirror(site, "a", tags="17 * * * *")
    sweeps.ensure()
    run_all_due(sweeps)
    assert mirror.packed == 0
    sweeps.run_now(["mirrors"])
    assert (mirror.packed, schedule(site, "mirrors").next_at) == (2, None)


def test_a_process_that_stops_packs_no_further(site: Site) -> None:
    sweeps, mirror = process_with_mirror(site, "a")
    mirror.meanwhile = sweeps.stop
    sweeps.ensure()
    assert run_all_due(sweeps) == 0
    assert mirror.packed == 1
    assert schedule(site, "mirrors").last_ended_at is None
