"""The Notification plugin's posts: a hint only, for what counts is what Jenkins itself says of the build."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.ports import PullRequestState
from tests.end_to_end.bridge import IMAGE, deployment
from tests.end_to_end.worlds import HOOK_LOGIN, JenkinsWorld, jenkins_world
from tests.servers.jenkins import Odd

BRANCH_JOB = "team/app/release%2F1.1"


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[JenkinsWorld]:
    """A tag 1.1.0 that staging has a pull request for, and production awaits a build of."""
    with jenkins_world(tmp_path, database_url) as running:
        running.bridge.push_image("1.1.0")
        running.bridge.wait_for_state("production", "1.1.0", "waiting")
        yield running


def _is_proposed(world: JenkinsWorld) -> bool:
    pulls = world.bridge.forge.list_pull_requests(state=PullRequestState.OPEN)
    return any(pull.head.split("/")[2] == "production" for pull in pulls)


def test_a_build_that_the_plugin_mentions_is_read_back_and_lets_the_tag_in(world: JenkinsWorld) -> None:
    world.build("1.1.0", number=7)
    assert world.notify(number=7).status_code == 202
    pull = world.bridge.wait_for_pull("production", "1.1.0")
    assert world.bridge.text("apps/production/app.yaml", pull.head) == deployment("1.1.0")
    promotion = world.bridge.promotion("production", "1.1.0")
    assert promotion is not None
    build = world.bridge.get(f"/builds/{promotion['build']['id']}")
    assert (build["job"], build["number"], build["result"]) == ("team/app/main", 7, "SUCCESS")
    assert build["commit"] == "7dfc862b8579841240b9941ff32518535a9d7917", "as Jenkins has it, not the post"
    assert build["artifacts"][0]["digest"] == world.bridge.digest("1.1.0")


def test_the_plugin_may_prove_itself_by_basic_instead(world: JenkinsWorld) -> None:
    world.build("1.1.0")
    body = world.notification(job="team/app/main", number=1)
    login = base64.b64encode(":".join(HOOK_LOGIN).encode()).decode()
    wrong = base64.b64encode(f"{HOOK_LOGIN[0]}:guess".encode()).decode()
    assert world.bridge.post("plugin-basic", body, {"Authorization": f"Basic {wrong}"}).status_code == 401
    assert world.bridge.post("plugin-basic", body, {}).status_code == 401
    assert world.bridge.post("plugin-basic", body, {"Authorization": f"Basic {login}"}).status_code == 202
    assert world.bridge.wait_for_pull("production", "1.1.0")


def test_a_wrong_token_is_not_authentic(world: JenkinsWorld) -> None:
    body = world.notification(job="team/app/main", number=1)
    assert world.bridge.post("plugin?token=guess", body, {}).status_code == 401
    assert world.bridge.items("/deliveries", source="plugin") == []


def test_a_build_that_still_runs_at_jenkins_is_waited_for(world: JenkinsWorld) -> None:
    world.build("1.1.0", result=None)
    world.notify()
    waiting = world.delivery("waiting")
    assert (waiting["attempts"], waiting["error"]) == (
        0,
        "build team/app/main #1 is still running; it is looked at again",
    )
    assert not _is_proposed(world)
    world.jenkins.finish("team/app/main", 1)
    assert world.bridge.wait_for_pull("production", "1.1.0")
    done = world.delivery()
    assert (done["id"], done["attempts"]) == (waiting["id"], 0)


def test_a_post_that_lies_about_the_result_lets_nothing_in(world: JenkinsWorld) -> None:
    world.build("1.1.0", result="FAILURE")
    world.notify(status="SUCCESS")
    refused = world.bridge.wait_for_state("production", "1.1.0", "refused")
    assert refused["reason"] == "build team/app/main #1 ended FAILURE"
    world.bridge.settle()
    assert not _is_proposed(world)


def test_a_post_that_lies_about_the_image_lets_nothing_in(world: JenkinsWorld) -> None:
    world.build("1.0.0")
    world.notify(parameters={"IMAGE": IMAGE, "IMAGE_TAG": "1.1.0", "IMAGE_DIGEST": world.bridge.digest("1.1.0")})
    world.delivery()
    world.bridge.settle()
    assert not _is_proposed(world)
    assert world.bridge.promotion("production", "1.1.0", "waiting")


def test_a_post_about_a_build_that_jenkins_does_not_have_lets_nothing_in(world: JenkinsWorld) -> None:
    world.notify(number=99)
    world.delivery()
    world.bridge.settle()
    assert [one["result"] for one in world.bridge.items("/builds")] == ["UNKNOWN"]
    assert not _is_proposed(world)


def test_a_job_that_the_source_may_not_speak_for_lets_nothing_in(world: JenkinsWorld) -> None:
    world.build("1.1.0", job="others/app")
    world.notify(job="others/app")
    done = world.delivery()
    assert "source plugin may not speak for job others/app" in done["outcome"]
    world.bridge.settle()
    assert not _is_proposed(world)


def test_a_phase_before_the_end_asks_jenkins_nothing(world: JenkinsWorld) -> None:
    world.build("1.1.0", result=None)
    world.notify(phase="STARTED")
    assert "'STARTED' is not the end of a build" in world.delivery()["outcome"]
    assert world.jenkins.requests == []


def test_a_branch_of_a_multibranch_job_is_one_name_with_its_slash_encoded(world: JenkinsWorld) -> None:
    world.build("1.1.0", job=BRANCH_JOB, number=3)
    world.notify(job=BRANCH_JOB, number=3)
    world.bridge.wait_for_pull("production", "1.1.0")
    promotion = world.bridge.promotion("production", "1.1.0")
    assert promotion is not None
    build = world.bridge.get(f"/builds/{promotion['build']['id']}")
    assert (build["job"], build["branch"]) == (BRANCH_JOB, "release/1.1")
    asked = [one.target.partition("?")[0] for one in world.jenkins.requests if one.target.startswith("/job/")]
    assert asked == ["/job/team/job/app/job/release%252F1.1/3/api/json"]


def test_a_jenkins_that_is_down_is_asked_again_until_it_is_back(world: JenkinsWorld) -> None:
    world.build("1.1.0")
    world.jenkins.odd = Odd(502, "Bad Gateway")
    world.notify()
    waiting = world.delivery("waiting")
    assert (waiting["attempts"], waiting["error"]) == (0, "jenkins main answered 502")
    world.jenkins.odd = None
    assert world.bridge.wait_for_pull("production", "1.1.0")
    assert world.delivery()["attempts"] == 0


def test_a_token_that_jenkins_no_longer_takes_is_told_and_tried_again(world: JenkinsWorld) -> None:
    world.build("1.1.0")
    known, world.jenkins.account = world.jenkins.account, ("fluxbridge", "another")
    world.notify()
    waiting = world.delivery("waiting")
    assert waiting["attempts"] == 0
    assert "jenkins main refuses us: it answered 401; check user and token" in waiting["error"]
    world.jenkins.account = known
    assert world.bridge.wait_for_pull("production", "1.1.0")


def test_the_same_post_about_a_build_again_changes_nothing(world: JenkinsWorld) -> None:
    world.build("1.1.0")
    first, again = world.notify(), world.notify()
    assert first.json() == again.json()
    pull = world.bridge.wait_for_pull("production", "1.1.0")
    # Another phase of the same build is another post.
    world.notify(phase="COMPLETED")
    world.bridge.settle()
    assert len(world.bridge.items("/deliveries", source="plugin")) == 2
    assert len(world.bridge.items("/builds")) == 1
    assert world.bridge.forge.pull_request(pull.number) == pull
