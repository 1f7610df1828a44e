"""A lane over a forge that tells little: who closed is known by what we wrote down, commits by their first digits."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import Unavailable
from app.core.facts import US
from app.core.ports import PullRequest, PullRequestState
from app.db import catalogue, holds, lanes, promotions, pull_requests
from app.db.database import Database
from app.db.promotions import PromotionRow, PromotionState
from app.db.pull_requests import PullRequestRow
from tests.end_to_end.bridge import deployment, policy
from tests.servers.sparse_forge import SparseForge
from tests.services.interruptions import Interrupted, break_off
from tests.services.lanes import IMAGE, LANE, Lane

_FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}


@dataclass
class Site:
    """A lane, and its forge as people use it."""

    lane: Lane
    forge: SparseForge

    def propose(self, tag: str) -> PullRequest:
        """A tag is pushed and the lane runs; returns the one open pull request."""
        self.lane.push(tag)
        self.lane.run()
        (pull,) = self.open_pulls()
        return pull

    def open_pulls(self) -> list[PullRequest]:
        shown = [self.forge.pull_request(number) for number in self.forge.pulls]
        return [one for one in shown if one.state is PullRequestState.OPEN]

    def lose(self, tag: str) -> None:
        """The registry has the tag no more, so that nothing may propose it."""
        with self.lane.telling_of(tag) as connection:
            catalogue.note_missing(connection, IMAGE, tag, is_deleted=True, asked_at=self.lane.now)

    def interrupt(self, method: str, what: Any, *, is_after: bool = False) -> None:
        """Let something happen around the next call of the forge."""
        self.lane.forge = Interrupted(self.forge, method, what, is_after=is_after)

    def break_off(self, method: str, *, is_after: bool) -> None:
        """Run until the process dies around a call of the forge; then it is there again."""
        self.interrupt(method, break_off, is_after=is_after)
        with pytest.raises(Unavailable):
            self.lane.run()
        self.lane.forge = self.forge

    def run_again(self) -> None:
        """Run once more, when the lease of a run that died has ended."""
        self.lane.now += timedelta(minutes=1)
        self.lane.run()

    def held(self) -> list[tuple[str, tuple[str, ...] | None]]:
        """Who holds which tags."""
        with self.lane.database.transaction() as connection:
            return [(hold.who, hold.tags) for hold in holds.active(connection, LANE)]

    def row(self, number: int) -> PullRequestRow:
        with self.lane.database.transaction() as connection:
            found = pull_requests.find(connection, LANE, number)
        assert found is not None
        return found

    def plan(self) -> str:
        """What the run left for people to read, as JSON."""
        with self.lane.database.transaction() as connection:
            row = lanes.find(connection, LANE)
        assert row is not None
        return row.plan or ""

    def promotion(self, tag: str) -> PromotionRow:
        return next(one for one in self.lane.promotions() if one.tag == tag)


@pytest.fixture
def site(tmp_path: Path, database: Database) -> Site:
    lane = Lane.create(tmp_path, database, _FILES)
    forge = SparseForge(lane.config, clock=lambda: lane.now)
    lane.forge = forge
    return Site(lane, forge)


def test_a_pull_request_is_opened_updated_and_merged_and_the_history_has_whole_commits(site: Site) -> None:
    first = site.propose("1.1.0")
    second = site.propose("1.2.0")
    assert (second.number, "1.2.0" in second.title) == (first.number, True)
    head = site.lane.config.head(second.head)
    site.forge.merge(second.number, by="mira")
    site.run_again()
    merged = site.promotion("1.2.0")
    assert (merged.state, merged.merged_by) == (PromotionState.MERGED, "mira")
    assert (merged.head_sha, merged.merge_commit) == (head, site.lane.config.head("main"))
    assert site.row(second.number).head_sha == head
    assert site.lane.config.head(second.head) is None
    site.run_again()
    assert site.open_pulls() == []


def test_one_that_a_person_closed_is_a_no(site: Site) -> None:
    pull = site.propose("1.1.0")
    site.forge.close(pull.number)
    site.run_again()
    assert site.held() == [("unknown", ("1.1.0",))]
    assert site.promotion("1.1.0").state is PromotionState.CLOSED
    assert site.lane.config.head(pull.head) is not None
    site.run_again()
    assert site.open_pulls() == []


def test_one_that_we_closed_is_none(site: Site) -> None:
    pull = site.propose("1.1.0")
    site.lose("1.1.0")
    site.run_again()
    assert site.open_pulls() == []
    assert (site.row(pull.number).ended_by, site.held()) == (US, [])
    assert site.lane.config.head(pull.head) is None
    site.lane.push("1.1.0")
    site.run_again()
    assert [one.number for one in site.open_pulls()] == [pull.number + 1]


def test_one_that_we_closed_just_before_the_run_was_broken_off_is_none(site: Site) -> None:
    pull = site.propose("1.1.0")
    site.lose("1.1.0")
    site.lane.now += timedelta(seconds=1)
    site.break_off("close_pull_request", is_after=True)
    assert site.row(pull.number).state is PullRequestState.OPEN
    site.run_again()
    assert (site.row(pull.number).ended_by, site.held()) == (US, [])
    assert site.lane.config.head(pull.head) is None


def test_after_a_run_that_died_before_it_closed_one_a_person_may_close_it(site: Site) -> None:
    pull = site.propose("1.1.0")
    site.lose("1.1.0")
    site.lane.now += timedelta(seconds=1)
    site.break_off("close_pull_request", is_after=False)
    assert site.row(pull.number).closing_at is not None
    site.lane.push("1.1.0")
    site.run_again()
    assert site.row(pull.number).closing_at is None
    site.forge.close(pull.number)
    site.run_again()
    assert site.held() == [("unknown", ("1.1.0",))]


def test_a_no_that_nobody_wrote_down_is_found_by_the_start_of_its_commit(site: Site) -> None:
    pull = site.propose("1.1.0")
    site.forge.close(pull.number)
    with site.lane.database.transaction() as connection:
        connection.execute(pull_requests.pull_requests.delete())
        its = promotions.promotions
        connection.execute(its.update().values(state="waiting", pull_request=None, branch=None, head_sha=None))
    site.run_again()
    assert (site.open_pulls(), site.held()) == ([], [("unknown", ("1.1.0",))])
    assert '"push a higher tag"' in site.plan()


def test_one_that_was_opened_and_merged_unseen_is_taken_in_by_the_start_of_its_commit(site: Site) -> None:
    site.lane.push("1.1.0")
    site.break_off("open_pull_request", is_after=True)
    (pull,) = site.open_pulls()
    head = site.lane.config.head(pull.head)
    site.forge.merge(pull.number, by="mira")
    site.run_again()
    merged = site.promotion("1.1.0")
    assert (merged.state, merged.merged_by, merged.head_sha) == (PromotionState.MERGED, "mira", head)
    assert merged.merge_commit == site.lane.config.head("main")


def test_a_merge_while_the_run_looks_is_told_with_its_whole_commit(site: Site) -> None:
    pull = site.propose("1.1.0")
    site.interrupt("open_pull_requests", lambda: site.forge.merge(pull.number, by="mira"))
    site.run_again()
    assert site.promotion("1.1.0").merge_commit == site.lane.config.head("main")
