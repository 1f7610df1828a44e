"""A rollback at GitHub: merged there by people, in the place of what is open, also where that was approved."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.bridge import deployment
from tests.end_to_end.test_rollback import asked, request, wait_for_end
from tests.end_to_end.worlds import MIRA, GitHubWorld, github_world
from tests.servers.github import GitHubServer
from tests.servers.pulls import Pull


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[GitHubWorld]:
    """One app in two stages, at 1.1.0 in staging."""
    with github_world(tmp_path, database_url) as running:
        running.bridge.push_image("1.1.0")
        running.github.merge(running.wait_for_pull("staging", "1.1.0").number, by=MIRA)
        running.bridge.wait_for_state("staging", "1.1.0", "merged")
        running.bridge.settle()
        yield running


def its_pull(world: GitHubWorld, request_id: str) -> Pull:
    """Wait until a request has its pull request."""

    def look() -> Pull | None:
        number = request(world.bridge, request_id)["pull_request"]
        return world.github.shown(number) if number is not None else None

    return world.bridge.wait_for("its pull request", look)


def test_a_rollback_is_merged_at_github_as_everything_is(world: GitHubWorld) -> None:
    found = asked(world.bridge)
    pull = its_pull(world, found["id"])
    assert (pull.title, pull.labels) == ("Roll back app 1.1.0 to 1.0.0 in staging", ["staging", "automated"])
    assert request(world.bridge, found["id"])["pull_request_url"].endswith(f"/acme/fleet/pull/{pull.number}")
    world.github.merge(pull.number, by=MIRA, method="squash")
    ended = wait_for_end(world.bridge, found["id"], "merged")
    assert (ended["ended_by"], world.bridge.text("apps/staging/app.yaml")) == (MIRA, deployment("1.0.0"))
    world.bridge.settle()
    assert world.open_pulls() == []


def test_what_is_open_becomes_the_rollback_in_place(world: GitHubWorld) -> None:
    world.bridge.push_image("1.2.0")
    newer = world.wait_for_pull("staging", "1.2.0")
    found = asked(world.bridge)
    assert its_pull(world, found["id"]).number == newer.number
    assert world.bridge.text("apps/staging/app.yaml", newer.head) == deployment("1.0.0")


def approve(github: GitHubServer, number: int) -> None:
    github.approve(number, by=MIRA)


def set_to_merge(github: GitHubServer, number: int) -> None:
    github.enable_auto_merge(number, by=MIRA)


@pytest.mark.parametrize("commit", [approve, set_to_merge])
def test_what_was_approved_for_something_else_is_closed_and_the_rollback_gets_its_own(
    world: GitHubWorld, commit: Callable[[GitHubServer, int], Any]
) -> None:
    world.bridge.push_image("1.2.0")
    newer = world.wait_for_pull("staging", "1.2.0")
    commit(world.github, newer.number)
    found = asked(world.bridge)
    pull = its_pull(world, found["id"])
    assert pull.number != newer.number
    world.bridge.settle()
    assert world.open_pulls() == [pull.number]
    [(_, comment)] = world.github.comments(newer.number)
    assert "something else takes its place: local asked for a rollback: loses orders" in comment
    assert [one["kind"] for one in world.bridge.items("/holds", active="true")] == ["rolled back"]
    world.github.merge(pull.number, by=MIRA)
    wait_for_end(world.bridge, found["id"], "merged")
    assert world.bridge.text("apps/staging/app.yaml") == deployment("1.0.0")


def test_closing_it_there_ends_the_request(world: GitHubWorld) -> None:
    found = asked(world.bridge)
    pull = its_pull(world, found["id"])
    world.github.close(pull.number, by=MIRA)
    assert wait_for_end(world.bridge, found["id"], "closed")["ended_by"] == MIRA
    world.bridge.settle()
    assert (world.bridge.items("/holds", active="true"), world.open_pulls()) == ([], [])
    world.github.reopen(pull.number, by=MIRA)
    wait_for_end(world.bridge, found["id"], "open")
