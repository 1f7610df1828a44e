"""A forge's budget and the real client: what is spent is never spent in vain."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from app.clients.forges.github.forge import GitHub
from app.core.ports import RateLimited
from app.db.database import Database
from app.services.work.spend import spend
from tests.clients.forges.forge_contract import HEAD, draft
from tests.clients.forges.github_worlds import GitHubWorld, connect, github_world
from tests.db.facts import NOW, SECOND

PER_HOUR = 400


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHubWorld]:
    with github_world(tmp_path) as world:
        yield world


class Bridge:
    """A forge whose writes come out of the budget, at a time that a test turns on."""

    def __init__(self, database: Database, github: GitHubWorld) -> None:
        self.database, self.github, self.now = database, github, NOW
        self.forge: GitHub = connect(github.server.api_url, spend=self.spend)

    def clock(self) -> datetime:
        return self.now

    def spend(self, count: int) -> None:
        spend(self.database, self.clock, "github", PER_HOUR, count)

    def open_until_done(self, *labels: str) -> int:
        """Open it as a lane does, which comes back when it is told to; returns how often that took."""
        for tries in range(1, 10):
            try:
                pull = self.forge.open_pull_request(draft(labels=labels))
            except RateLimited as error:
                self.now += error.retry_after or timedelta(0)
            else:
                assert pull.labels == labels
                return tries
        raise AssertionError(self.now)

    def writes(self) -> list[str]:
        return [each.path.rsplit("/", 1)[-1] for each in self.github.server.exchanges if each.method != "GET"]


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_pull_request_with_labels_is_opened_with_what_is_left_of_a_budget(
    database: Database, github: GitHubWorld, left: int
) -> None:
    bridge = Bridge(database, github)
    bridge.spend(60 - left)
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    assert bridge.open_until_done("staging") == (1 if left == 2 else 2)
    assert bridge.writes() == ["pulls", "labels"]
    assert bridge.now - NOW == (2 - left) * 9 * SECOND


def test_one_without_its_labels_needs_one_write(database: Database, github: GitHubWorld) -> None:
    bridge = Bridge(database, github)
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    bridge.open_until_done()
    bridge.spend(59)
    assert bridge.open_until_done("staging") == 2
    assert bridge.writes() == ["pulls", "labels"]
    assert bridge.now - NOW == timedelta(hours=1) / PER_HOUR


def test_what_was_taken_for_an_answer_that_never_came_is_not_kept_for_the_next(
    database: Database, github: GitHubWorld
) -> None:
    bridge = Bridge(database, github)
    github.push(HEAD, {"app.yaml": "tag: 1.2.0\n"})
    github.server.break_next("lose", method="POST", path_ending="/pulls")
    with pytest.raises(Exception, match="acme/fleet"):
        bridge.forge.open_pull_request(draft(labels=("staging",)))
    bridge.spend(58)
    assert bridge.open_until_done("staging") == 2
