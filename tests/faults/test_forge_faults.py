"""A forge that fails, limits, loses its answers or refuses pushes ends up with the right pull requests, each once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.bridge import deployment
from tests.faults import truth
from tests.faults.extent import IS_LONG, on, timeout
from tests.faults.fleets import manifest_path
from tests.faults.forge import BOT, MIRA
from tests.faults.waiting import until
from tests.faults.worlds import World, world
from tests.servers.pulls import Pull
from tests.servers.rest_answers import Answer

pytestmark = timeout
APP = "app-0"
PAUSE_S = 2
_HICCUP = Answer(502, raw=b"<html>Bad gateway</html>")
_TOO_MANY = Answer(429, {"message": "You have exceeded a secondary rate limit"}, {"Retry-After": str(PAUSE_S)})
# Refuses as many pushes as the file beside it says, then none.
_REFUSING = """#!/bin/sh
left=$(cat refusals)
[ "$left" -gt 0 ] || exit 0
echo $((left - 1)) > refusals
echo "error: GH013: Repository rule violations found" >&2
exit 1
"""


@dataclass(slots=True)
class Faulty:
    """A running world of one app in two stages whose forge gets faults; versions are pushed one after another."""

    here: World
    version: int = 0
    asked_at: list[float] = field(default_factory=list)

    def push(self) -> str:
        """Push the next version and report its build; returns its tag."""
        self.version += 1
        self.here.senders.give(self.here.fleet.push_all(self.version))
        return f"1.{self.version}.0"

    def lane(self) -> Any:
        """The lane as the API shows it."""
        (found,) = self.here.fluxbridge.items("/lanes")
        return found

    def wait_for_fault(self) -> Any:
        """Wait until the forge has failed and the lane knows; returns the lane."""
        assert self.here.github.fault_taken.wait(20), "nobody ran into the fault"
        self.here.github.fault_taken.clear()
        return until(
            "the lane to be put off",
            lambda: lane if (lane := self.lane())["last_error"] else None,
            told=self.here.fluxbridge.told,
        )

    def wait_until_told(self, channel: str) -> None:
        """Wait until something was told by this channel, and nothing waits to be."""
        until(
            f"a telling by {channel}",
            lambda: (
                (told := self.here.fluxbridge.get("/status")["outbox"])["told"].get(f"{channel}:sent")
                and not told["waiting"][channel]
            ),
            told=self.here.fluxbridge.told,
        )

    def pull(self, stage: str) -> Pull:
        """The pull request of a stage."""
        (found,) = [one for one in self.here.github.pulls() if one.is_open and one.head.split("/")[2] == stage]
        return found


def _limit_reached() -> Answer:
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + PAUSE_S + 1)}
    return Answer(403, {"message": "API rate limit exceeded for user ID 1."}, headers)


@pytest.fixture
def faulty(tmp_path: Path, database_url: str) -> Iterator[Faulty]:
    """Everything runs, nothing is proposed."""
    with world(tmp_path, database_url, apps=1, branches_s=1.0) as here:
        found = Faulty(here)
        here.github.on_asked = lambda _method, _path: found.asked_at.append(time.monotonic())
        with here.fluxbridge.running_here():
            here.fluxbridge.settle()
            yield found
        here.github.check_exchanges()


@on("postgresql")
def test_a_forge_that_fails_is_tried_again_and_one_that_limits_is_left_alone(faulty: Faulty) -> None:
    github = faulty.here.github
    github.break_next(_HICCUP, method="POST", path_ending="/pulls")
    faulty.push()
    lane = faulty.wait_for_fault()
    assert (lane["attempts"], lane["is_running"]) == (1, False), lane
    faulty.here.check()
    for is_primary in (False, True):
        github.break_next(_limit_reached() if is_primary else _TOO_MANY)
        faulty.push()
        lane = faulty.wait_for_fault()
        asked = len(faulty.asked_at)
        limited_at = faulty.asked_at[-1]
        assert "rate limit" in lane["last_error"], lane
        assert lane["attempts"] == 0, f"a rate limit was counted as a failure: {lane}"
        faulty.here.check()
        rest = faulty.asked_at[asked] - limited_at
        assert rest > PAUSE_S - 0.5, f"GitHub was asked again after {rest:.1f} s"
    assert faulty.lane()["attempts"] == 0


def test_many_faults_in_a_row_end_in_one_pull_request_each(faulty: Faulty) -> None:
    github = faulty.here.github
    github.break_next("lose", method="POST", path_ending="/pulls")
    github.break_next(_TOO_MANY, method="GET")
    github.break_next("lose", method="POST", path_ending="/labels")
    if IS_LONG:
        github.break_next(_HICCUP, method="POST", path_ending="/pulls")
        github.break_next("hang", method="POST", path_ending="/pulls")
    faulty.push()
    faulty.here.check()


@on("sqlite")
def test_an_answer_that_is_lost_after_acting_doubles_nothing(faulty: Faulty) -> None:
    github = faulty.here.github
    github.break_next("lose", method="POST", path_ending="/pulls")
    faulty.push()
    faulty.wait_for_fault()
    faulty.here.check()
    github.break_next("lose", method="PATCH")
    newest = faulty.push()
    faulty.wait_for_fault()
    faulty.here.check()
    staging = faulty.pull("staging")
    assert newest in staging.title
    github.break_next("lose", method="PATCH")
    github.push("main", {manifest_path("staging", APP): _deployed(newest)}, by=MIRA)
    faulty.wait_for_fault()
    faulty.here.fluxbridge.settle()
    _is_closed_by_us_once(faulty, staging.number)


@on("sqlite")
def test_a_comment_whose_answer_is_lost_is_not_made_twice(faulty: Faulty) -> None:
    newest = faulty.push()
    faulty.here.check()
    staging = faulty.pull("staging")
    faulty.here.github.break_next("lose", method="POST", path_ending="/comments")
    faulty.here.github.push("main", {manifest_path("staging", APP): _deployed(newest)}, by=MIRA)
    assert faulty.here.github.fault_taken.wait(20), "nobody ran into the fault"
    faulty.wait_until_told("comment")
    faulty.here.fluxbridge.settle()
    _is_closed_by_us_once(faulty, staging.number)
    assert faulty.lane()["attempts"] == 0, "no lane waits for a comment"


@on("postgresql")
def test_a_push_that_is_refused_in_mid_run_is_made_later(faulty: Faulty) -> None:
    hook = faulty.here.github.repository.path / "hooks" / "pre-receive"
    (hook.parent.parent / "refusals").write_text("3")
    hook.write_text(_REFUSING)
    hook.chmod(0o755)
    faulty.push()
    faulty.here.check()


@on("postgresql")
def test_a_base_that_moves_between_fetch_and_push_is_followed(faulty: Faulty) -> None:
    moved = _at_next_push(faulty, lambda: _move_base(faulty))
    faulty.push()
    faulty.here.check()
    assert moved
    for stage in ("staging", "production"):
        assert faulty.here.github._pulls.is_mergeable(faulty.pull(stage)), f"{stage} is in conflict with main"


@on("sqlite")
def test_a_branch_that_a_person_moves_between_fetch_and_push_stays_theirs(faulty: Faulty) -> None:
    faulty.push()
    faulty.here.check()
    github, pull = faulty.here.github, faulty.pull("staging")
    moved: list[str] = _at_next_push(faulty, lambda: github.push(pull.head, {"notes.md": "mine\n"}, by=MIRA))
    faulty.push()
    faulty.here.senders.wait()
    faulty.here.fluxbridge.settle()
    assert [github.repository.head(pull.head)] == moved
    truth.each_is_opened_once(github)
    faulty.wait_until_told("comment")
    assert [by for by, _ in github.comments(pull.number)] == [BOT]


def _deployed(tag: str) -> str:
    return deployment(tag, name=APP, path=f"team/{APP}")


def _move_base(faulty: Faulty) -> str:
    text = faulty.here.github.repository.text("main", manifest_path("staging", APP))
    changed = text.replace("replicas: 1", "replicas: 7")
    return faulty.here.github.push("main", {manifest_path("staging", APP): changed}, by=MIRA)


def _at_next_push(faulty: Faulty, act: Any) -> list[str]:
    """Do something once, while the next push has asked for the branches and not yet moved one; returns its results."""
    results: list[str] = []

    def on_git() -> None:
        asked = faulty.here.github.git_requests[-1]
        if not results and asked.method == "POST" and asked.path.endswith("/git-receive-pack"):
            results.append("")
            results[0] = act()

    faulty.here.github.on_git = on_git
    return results


def _is_closed_by_us_once(faulty: Faulty, number: int) -> None:
    github = faulty.here.github
    pull = github._pulls.find(number)
    assert (pull.is_open, pull.closed_by) == (False, BOT), pull
    faulty.wait_until_told("comment")
    assert len(pull.comments) == 1, f"pull request {number} was told {pull.comments}"
    assert github.repository.head(pull.head) is None, f"{pull.head} is still there"
    (production,) = [one for one in github.pulls() if one.is_open]
    assert production.head.split("/")[2] == "production"
    truth.each_is_opened_once(github)
