"""What people do in the config repository stays as they did it: their commits, merges, reverts and refusals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from app.core.ports import PullRequest, PullRequestState
from app.db import catalogue, holds
from app.db.database import Database
from app.db.promotions import PromotionState
from tests.end_to_end.bridge import deployment, policy
from tests.services.interruptions import Interrupted
from tests.services.lanes import IMAGE, LANE, Lane

_ADA = "Ada <ada@acme.example>"
_FILES = {"images/app.yaml": policy(), "apps/app.yaml": deployment("1.0.0")}


@dataclass
class People:
    """A lane and those who work in its config repository."""

    lane: Lane

    @property
    def forge(self) -> Any:
        """The forge with the methods by which people merge, close and read comments."""
        return self.lane.forge

    def propose(self, tag: str) -> PullRequest:
        """A tag is pushed and the lane runs; returns the one open pull request."""
        self.lane.push(tag)
        self.lane.run()
        (pull,) = self.lane.open_pulls()
        return pull

    def merge_main_into(self, pull: PullRequest, *, resolved: dict[str, str]) -> str:
        """Merge main into the branch of a pull request, with files as somebody resolved them by hand."""
        config = self.lane.config
        main = config.commit("main", {"README": "moved on"})
        drafted = config.commit(pull.head, {"README": "moved on", **resolved})
        tree = config.git("rev-parse", drafted + "^{tree}").decode().strip()
        parents = ("-p", pull.head_sha, "-p", main)
        merge = config.git("commit-tree", tree, *parents, stdin=b"Merge main\n").decode().strip()
        config.git("update-ref", f"refs/heads/{pull.head}", merge)
        return merge

    def run_twice(self) -> None:
        """Run until nothing is left to do, as the lane does by itself; time passes between the runs."""
        self.lane.run()
        self.lane.now += timedelta(seconds=1)
        self.lane.run()

    def states(self) -> dict[str, PromotionState]:
        """Where the newest promotion of each tag stands."""
        return {one.tag: one.state for one in reversed(self.lane.promotions())}

    def held(self) -> list[tuple[str, tuple[str, ...] | None]]:
        """Who holds which tags."""
        with self.lane.database.transaction() as connection:
            return [(hold.who, hold.tags) for hold in holds.active(connection, LANE)]


@pytest.fixture
def people(tmp_path: Path, database: Database) -> People:
    """One app without stages."""
    return People(Lane.create(tmp_path, database, _FILES))


def test_a_branch_that_somebody_pushed_to_stays_open_when_its_tag_goes_away(people: People) -> None:
    pull = people.propose("1.1.0")
    theirs = people.lane.config.commit(pull.head, {"mine.yaml": "a: 1\n"})
    with people.lane.telling_of("1.1.0") as connection:
        catalogue.note_missing(connection, IMAGE, "1.1.0", is_deleted=True, asked_at=people.lane.now)
    people.run_twice()
    assert [one.number for one in people.lane.open_pulls()] == [pull.number]
    assert people.lane.config.head(pull.head) == theirs


@pytest.mark.parametrize(
    "resolved",
    [
        pytest.param({"apps/mine.yaml": "important: 1\n"}, id="a-file-of-their-own"),
        pytest.param({"apps/app.yaml": deployment("1.1.0", replicas=3)}, id="our-file-changed"),
    ],
)
def test_a_merge_of_main_with_work_of_their_own_in_it_is_never_overwritten(
    people: People, resolved: dict[str, str]
) -> None:
    pull = people.propose("1.1.0")
    theirs = people.merge_main_into(pull, resolved=resolved)
    people.propose("1.2.0")
    people.lane.run()
    assert people.lane.config.head(pull.head) == theirs


def test_a_plain_merge_of_main_leaves_the_branch_ours(people: People) -> None:
    pull = people.propose("1.1.0")
    people.merge_main_into(pull, resolved={})
    assert people.propose("1.2.0").number == pull.number
    assert people.lane.config.text(pull.head, "apps/app.yaml") == deployment("1.2.0")
    assert people.forge.comments(pull.number) == ()


def test_a_branch_that_became_theirs_is_told_so_once_however_many_tags_come(people: People) -> None:
    pull = people.propose("1.1.0")
    people.lane.config.commit(pull.head, {"mine.yaml": "a: 1\n"})
    for tag in ("1.2.0", "1.3.0", "1.4.0"):
        people.propose(tag)
    assert len(people.forge.comments(pull.number)) == 1


def test_each_pull_request_whose_branch_became_theirs_is_told_so(people: People) -> None:
    for tag in ("1.1.0", "1.2.0"):
        pull = people.propose(tag)
        people.lane.config.commit(pull.head, {f"for-{tag}.yaml": "a: 1\n"})
        people.run_twice()
        assert len(people.forge.comments(pull.number)) == 1
        people.forge.merge(pull.number, by="mira")
        people.run_twice()


def test_a_tag_set_by_hand_while_ours_is_open_is_theirs_and_ours_closes(people: People) -> None:
    people.propose("1.1.0")
    people.lane.config.commit("main", {"apps/app.yaml": deployment("1.1.0", replicas=2)})
    people.run_twice()
    assert people.lane.open_pulls() == []
    assert [(one.tag, one.state, one.merged_by) for one in people.lane.promotions()] == [
        ("1.1.0", PromotionState.MERGED, _ADA)
    ]


def test_a_file_added_with_an_older_tag_is_no_revert_and_is_brought_up(people: People) -> None:
    people.forge.merge(people.propose("1.1.0").number, by="mira")
    people.lane.run()
    people.lane.config.commit("main", {"apps/other.yaml": deployment("1.0.0")})
    people.run_twice()
    people.lane.config.commit("main", {"README": "moved on"})
    people.run_twice()
    (pull,) = people.lane.open_pulls()
    assert people.lane.config.text(pull.head, "apps/other.yaml") == deployment("1.1.0")
    assert people.held() == []


def test_a_revert_to_a_text_that_the_policy_cannot_order_stays_reverted(people: People) -> None:
    people.lane.config.commit("main", {"apps/app.yaml": deployment("main-abc")})
    people.lane.run()
    people.forge.merge(people.propose("1.1.0").number, by="mira")
    people.lane.run()
    people.lane.config.commit("main", {"apps/app.yaml": deployment("main-abc")}, message="Revert")
    people.run_twice()
    assert people.lane.open_pulls() == []
    assert people.states()["1.1.0"] is PromotionState.REVERTED
    assert people.held() == [(_ADA, ("1.1.0",))]


def test_who_closes_while_a_newer_tag_is_being_pushed_has_said_no_to_the_tag_they_saw(people: People) -> None:
    pull = people.propose("1.1.0")
    people.lane.push("1.2.0")
    real = people.lane.repository
    people.lane.repository = Interrupted(real, "push", lambda: people.forge.close(pull.number, by="mira"))
    people.lane.run()
    people.run_twice()
    assert ("mira", ("1.1.0",)) in people.held()


def test_one_that_somebody_closes_just_before_we_do_is_their_no(people: People) -> None:
    pull = people.propose("1.1.0")
    with people.lane.telling_of("1.1.0") as connection:
        catalogue.note_missing(connection, IMAGE, "1.1.0", is_deleted=True, asked_at=people.lane.now)
    people.lane.now += timedelta(seconds=1)
    real = people.lane.forge
    people.lane.forge = Interrupted(real, "close_pull_request", lambda: people.forge.close(pull.number, by="mira"))
    people.lane.run()
    people.lane.forge = real
    people.run_twice()
    assert people.held() == [("mira", ("1.1.0",))]


@dataclass
class Retargeted:
    """A forge at which mira gave one pull request another base and merged it there."""

    real: Any
    merged: PullRequest

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def pull_request(self, number: int) -> PullRequest:
        found: PullRequest = self.real.pull_request(number)
        return self.merged if number == self.merged.number else found

    def find_pull_requests(self, *, head: str) -> Sequence[PullRequest]:
        found: Sequence[PullRequest] = self.real.find_pull_requests(head=head)
        return [self.merged if one.number == self.merged.number else one for one in found]


def test_a_pull_request_that_was_merged_into_another_branch_let_nothing_in(people: People) -> None:
    pull = people.propose("1.1.0")
    merged = replace(pull, state=PullRequestState.MERGED, merged_by="mira", merge_commit=pull.head_sha)
    people.forge.close(pull.number, by="mira")
    people.lane.forge = Retargeted(people.forge, replace(merged, base="other"))
    people.lane.now += timedelta(seconds=1)
    people.run_twice()
    people.lane.config.commit("main", {"README": "moved on"})
    people.run_twice()
    assert [(one.state, one.pull_request) for one in people.lane.promotions()] == [
        (PromotionState.PROPOSED, pull.number + 1),
        (PromotionState.SUPERSEDED, pull.number),
    ]
    assert people.held() == []
