"""Before anything is written down Jenkins and the registries are asked, and only those that are configured."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.clients.jenkins.controller import Jenkins
from app.clients.registry.oci import OCIRegistry
from app.core.errors import Refused, Unavailable
from app.core.facts import (
    Artifact,
    BranchMoved,
    BuildFinished,
    BuildMentioned,
    BuildResult,
    Fact,
    ImagePushed,
    TagDeleted,
    TestCounts,
)
from app.core.images import ImageName
from app.demo.registry import DemoRegistry
from app.senders.sender import Keys, Origin
from app.services.intake.gather import Gathered, Question, StillRunning, gather
from app.services.systems import Source, Systems
from tests.servers.jenkins import JenkinsServer, Odd, build_body
from tests.services.intake.webhooks import ALIAS, NOW, config_repo, digest_of, manifest

SOURCE = Source(
    name="ci",
    kind="jenkins",
    origin=Origin("ci", jenkins="main"),
    keys=Keys,
    jobs=("team/*",),
    images=("*/team/*",),
)
MENTIONED = BuildMentioned(controller="main", job="team/app", number=7)
DIGEST = digest_of("1.1.0")


@pytest.fixture
def registry() -> Iterator[DemoRegistry]:
    """A registry with one tag."""
    with DemoRegistry() as server:
        server.put("team/app", "1.1.0", manifest("1.1.0"))
        yield server


@pytest.fixture
def jenkins() -> Iterator[JenkinsServer]:
    with JenkinsServer() as server:
        yield server


@pytest.fixture
def systems(registry: DemoRegistry, jenkins: JenkinsServer) -> Iterator[Systems]:
    """One of each, the registry known under an alias too."""
    with closing(OCIRegistry(registry.host, plain_http=True)) as client:
        yield Systems(
            jenkins={"main": Jenkins("main", jenkins.url)},
            registries={registry.host: client},
            aliases={ALIAS: registry.host},
        )


def settle(systems: Systems, *facts: Fact, source: Source = SOURCE, age: timedelta = timedelta(0)) -> Gathered:
    """Gather what these facts come to, `age` after they were received."""
    whole = Gathered()
    for part in gather(facts, source, systems, received_at=NOW - age, now=NOW):
        whole.join(part)
    return whole


def built(gathered: Gathered) -> BuildFinished:
    """The one build among the facts."""
    [fact] = gathered.facts
    assert isinstance(fact, BuildFinished)
    return fact


def test_a_build_that_was_mentioned_is_what_jenkins_tells_of_it(
    systems: Systems, jenkins: JenkinsServer, registry: DemoRegistry
) -> None:
    named = {"IMAGE": f"{ALIAS}/team/app", "IMAGE_TAG": "1.1.0", "IMAGE_DIGEST": DIGEST}
    jenkins.put_build("team/app", build_body(7, result="FAILURE", parameters=named))
    gathered = settle(systems, MENTIONED)
    image = ImageName(registry.host, "team/app")
    assert built(gathered).result is BuildResult.FAILURE
    assert built(gathered).artifacts == (Artifact("image", image, "1.1.0", DIGEST),)
    assert gathered.questions == [Question(image, "1.1.0")]


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param({}, id="none"),
        pytest.param({"IMAGE": f"{ALIAS}/team/app"}, id="no tag"),
        pytest.param({"IMAGE_TAG": "1.1.0"}, id="no image"),
        pytest.param({"IMAGE": "", "IMAGE_TAG": ""}, id="empty"),
        pytest.param({"IMAGE": "https://x/y", "IMAGE_TAG": "1.1.0"}, id="no image name"),
        pytest.param({"IMAGE": f"{ALIAS}/team/app", "IMAGE_TAG": "1.1/0"}, id="no tag at all"),
        pytest.param({"IMAGE": f"{ALIAS}/team/app", "IMAGE_TAG": "1.1.0", "IMAGE_DIGEST": "sha256:1"}, id="no digest"),
    ],
)
def test_a_build_whose_parameters_name_no_image_counts_without_one(
    systems: Systems, jenkins: JenkinsServer, parameters: dict[str, str]
) -> None:
    jenkins.put_build("team/app", build_body(7, parameters=parameters))
    gathered = settle(systems, MENTIONED)
    assert (built(gathered).artifacts, gathered.questions) == ((), [])


def test_an_image_that_a_parameter_names_beyond_the_source_is_left_out(
    systems: Systems, jenkins: JenkinsServer, registry: DemoRegistry
) -> None:
    named = {"IMAGE": f"{ALIAS}/payroll/app", "IMAGE_TAG": "1.1.0"}
    jenkins.put_build("team/app", build_body(7, parameters=named))
    gathered = settle(systems, MENTIONED)
    assert built(gathered).artifacts == ()
    assert gathered.ignored == [f"source ci may not speak for image {registry.host}/payroll/app:1.1.0"]


def test_a_build_that_jenkins_does_not_show_is_unknown(systems: Systems) -> None:
    assert built(settle(systems, MENTIONED)).result is BuildResult.UNKNOWN


def test_a_build_that_runs_is_waited_for_a_day_and_then_unknown(systems: Systems, jenkins: JenkinsServer) -> None:
    jenkins.put_build("team/app", build_body(7, result=None))
    with pytest.raises(StillRunning, match="team/app #7 is still running"):
        settle(systems, MENTIONED, age=timedelta(hours=23))
    assert built(settle(systems, MENTIONED, age=timedelta(hours=24))).result is BuildResult.UNKNOWN


def reported(**changes: Any) -> BuildMentioned:
    """What a build says of itself that only a token proves."""
    told: dict[str, Any] = {
        "result": BuildResult.SUCCESS,
        "commit": "b" * 40,
        "branch": "release",
        "started_at": NOW,
        "tests": TestCounts(total=3, passed=3, failed=0, skipped=0),
        "parameters": {"NOTE": "ours", "PLACE": "theirs"},
        "artifacts": (Artifact("image", ImageName.parse(f"{ALIAS}/team/app"), "1.1.0", DIGEST),),
        **changes,
    }
    return replace(MENTIONED, report=BuildFinished(controller="main", job="team/app", number=7, **told))


def test_of_a_report_that_a_token_proves_only_what_jenkins_cannot_know_counts(
    systems: Systems, jenkins: JenkinsServer, registry: DemoRegistry
) -> None:
    named = {"IMAGE": f"{ALIAS}/team/other", "IMAGE_TAG": "1", "PLACE": "jenkins"}
    jenkins.put_build("team/app", build_body(7, result="FAILURE", parameters=named))
    told = settle(systems, reported())
    as_jenkins_has_it = built(settle(systems, MENTIONED))
    image = ImageName(registry.host, "team/app")
    assert built(told) == replace(
        as_jenkins_has_it,
        tests=TestCounts(total=3, passed=3, failed=0, skipped=0),
        parameters={**named, "NOTE": "ours"},
        artifacts=(Artifact("image", image, "1.1.0", DIGEST),),
    )
    assert built(told).result is BuildResult.FAILURE
    assert told.questions == [Question(image, "1.1.0")]


def test_a_change_request_that_jenkins_shows_is_one_whatever_the_report_says(
    systems: Systems, jenkins: JenkinsServer
) -> None:
    jenkins.put_build("team/app", build_body(7, parameters={"ghprbPullId": "42"}))
    told = reported(parameters={"ghprbPullId": "", "GERRIT_EVENT_TYPE": "change-merged"})
    assert built(settle(systems, told)).change_id == "42"


def test_a_change_request_that_only_the_report_tells_bars_as_well(systems: Systems, jenkins: JenkinsServer) -> None:
    jenkins.put_build("team/app", build_body(7))
    assert built(settle(systems, reported(change_id="12"))).change_id == "12"


def test_a_report_of_a_build_that_jenkins_does_not_show_passes_no_gate(systems: Systems) -> None:
    found = built(settle(systems, reported()))
    assert (found.result, found.commit, found.branch, found.started_at) == (BuildResult.UNKNOWN, None, None, None)
    assert len(found.artifacts) == 1


def test_a_report_with_a_result_waits_for_the_end_at_jenkins_and_one_without_waits_for_nothing(
    systems: Systems, jenkins: JenkinsServer
) -> None:
    jenkins.put_build("team/app", build_body(7, result=None))
    with pytest.raises(StillRunning):
        settle(systems, reported())
    found = built(settle(systems, reported(result=BuildResult.UNKNOWN)))
    assert (found.result, len(found.artifacts)) == (BuildResult.UNKNOWN, 1)


def test_a_report_that_a_token_proves_speaks_for_the_images_and_jobs_of_its_source(
    systems: Systems, jenkins: JenkinsServer
) -> None:
    jenkins.put_build("team/app", build_body(7))
    other = settle(systems, reported(), source=replace(SOURCE, images=("registry.acme.example/*",)))
    assert built(other).artifacts == ()
    beyond = settle(systems, reported(), source=replace(SOURCE, jobs=("others/*",)))
    assert beyond.facts == []
    assert "so not for" in beyond.ignored[0]


def test_a_job_beyond_the_source_is_told_and_jenkins_is_not_asked(systems: Systems, jenkins: JenkinsServer) -> None:
    gathered = settle(systems, replace(MENTIONED, job="payroll/app"))
    assert (gathered.facts, gathered.ignored) == ([], ["source ci may not speak for job payroll/app"])
    assert jenkins.requests == []


def test_a_source_without_lists_may_speak_for_everything(systems: Systems, registry: DemoRegistry) -> None:
    source = replace(SOURCE, jobs=(), images=())
    image = ImageName(registry.host, "payroll/app")
    told = BuildFinished(
        controller="main",
        job="payroll/app",
        number=1,
        result=BuildResult.SUCCESS,
        artifacts=(Artifact("image", image, "1.1.0", None),),
    )
    assert built(settle(systems, told, source=source)) == told


def test_an_image_of_a_registry_that_is_not_configured_is_not_looked_up(systems: Systems) -> None:
    push = ImagePushed(image=ImageName("elsewhere.example", "team/app"), tag="1.1.0", digest=DIGEST)
    gathered = settle(systems, push)
    assert (gathered.facts, gathered.questions) == ([push], [])


def test_a_push_is_looked_up_under_the_name_of_its_registry(systems: Systems, registry: DemoRegistry) -> None:
    push = ImagePushed(image=ImageName(ALIAS, "team/app"), tag="1.1.0", digest="sha256:" + "0" * 64)
    gathered = settle(systems, push)
    image = ImageName(registry.host, "team/app")
    assert gathered.facts == [replace(push, image=image)]
    assert gathered.questions == [Question(image, "1.1.0")]


@pytest.mark.parametrize(
    ("tag", "digest", "reference"),
    [
        pytest.param("1.1.0", None, "1.1.0", id="a tag"),
        pytest.param(None, DIGEST, DIGEST, id="a digest"),
        pytest.param(None, None, "", id="a repository"),
    ],
)
def test_a_deletion_is_what_the_registry_says_of_it(
    systems: Systems, registry: DemoRegistry, tag: str | None, digest: str | None, reference: str
) -> None:
    gathered = settle(systems, TagDeleted(image=ImageName(ALIAS, "team/app"), tag=tag, digest=digest))
    assert gathered.facts == []
    image = ImageName(registry.host, "team/app")
    assert gathered.questions == [Question(image, reference, is_deletion=True)]


def test_a_deletion_in_a_registry_that_cannot_be_asked_does_not_count(systems: Systems) -> None:
    deletion = TagDeleted(image=ImageName("elsewhere.example", "team/app"), tag=None, digest=None)
    assert settle(systems, deletion).facts == []


def test_what_needs_no_asking_passes_as_it_is(systems: Systems) -> None:
    moved = BranchMoved(repository="acme/fleet", branch="main", commit=None)
    knowing = replace(systems, config_repos={"fleet": config_repo("fleet", ("main",))})
    assert settle(knowing, moved).facts == [moved]
    assert settle(systems, moved).facts == []


@pytest.mark.parametrize(("status", "error"), [(503, Unavailable), (403, Refused)], ids=["down", "refused"])
def test_nothing_of_a_delivery_counts_while_a_system_does_not_answer(
    systems: Systems, jenkins: JenkinsServer, status: int, error: type[Exception]
) -> None:
    jenkins.odd = Odd(status)
    with pytest.raises(error):
        settle(systems, BranchMoved(repository="acme/fleet", branch="main", commit=None), MENTIONED)
