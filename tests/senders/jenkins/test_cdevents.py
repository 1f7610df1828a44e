"""CDEvents of a Jenkins: every version of pipelinerun.finished, and which build it mentions."""

import json
from typing import Any

import pytest

from app.core.facts import BuildMentioned
from app.senders.sender import Origin, Parsed, Unusable
from tests.senders.examples import example, read

KIND = "jenkins-cdevents"
EVENT: dict[str, Any] = json.loads(example("cdevents-pipelinerun-finished-0.3.0.json").body)
MENTIONED = (BuildMentioned(controller="main", job="lumen/parcel-api/main", number=318),)
PAGE = "https://ci.lumen.example/job/lumen/job/parcel-api/job/main/318/"


def typed(type_: str, key: str = "specversion") -> dict[str, Any]:
    return {**EVENT, "context": {"id": "1", "source": "/ci", "type": type_, key: "0.5.1"}}


def told(subject: object, source: object = "/ci") -> dict[str, Any]:
    return {"context": {**EVENT["context"], "source": source}, "subject": subject}


@pytest.mark.parametrize("version", ["0.1.0", "0.1.1", "0.2.0", "0.3.0", "0.4.0-draft"])
@pytest.mark.parametrize("key", ["version", "specversion"])
def test_every_version_is_read_in_both_modes(version: str, key: str) -> None:
    event = typed(f"dev.cdevents.pipelinerun.finished.{version}", key)
    structured = {"specversion": "1.0", "id": "1", "source": "/x", "type": event["context"]["type"], "data": event}
    assert read(KIND, event).facts == read(KIND, structured).facts == MENTIONED


@pytest.mark.parametrize("outcome", ["success", "failure", "cancel", "canceled", "error", None])
def test_a_run_is_mentioned_whatever_its_outcome(outcome: str | None) -> None:
    assert read(KIND, told({"content": {"uri": PAGE, "outcome": outcome}})).facts == MENTIONED


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(told({"id": "318", "content": {"url": PAGE}}), id="url, as before 0.3.0"),
        pytest.param(told({"id": "/job/lumen/job/parcel-api/job/main/318"}), id="its id"),
        pytest.param(told({"id": PAGE, "content": {"uri": "https://ci.lumen.example/blue/"}}), id="its id as a page"),
        pytest.param(told({"id": "318", "source": PAGE, "content": None}), id="its source"),
        pytest.param(told({"id": "318"}, "job/lumen/job/parcel-api/job/main/318/"), id="the event's source"),
    ],
)
def test_the_build_is_found_by_what_is_told_of_it(event: object) -> None:
    assert read(KIND, event).facts == MENTIONED


def test_an_id_may_begin_with_the_path_of_jenkins() -> None:
    origin = Origin("ci", jenkins="main", jenkins_url="https://ci.lumen.example/jenkins")
    event = told({"id": "/jenkins/job/lumen/job/parcel-api/job/main/318"})
    assert read(KIND, event, origin=origin).facts == MENTIONED


@pytest.mark.parametrize(
    "type_",
    [
        "dev.cdevents.pipelinerun.started.0.3.0",
        "dev.cdevents.pipelinerun.queued.0.1.0",
        "dev.cdevents.taskrun.finished.0.3.0",
        "dev.cdevents.artifact.published.0.3.0",
        "dev.cdevents.pipelinerun.finished.1.0.0",
        "dev_cdevents_pipelinerun_finished_0_3_0",
    ],
)
def test_any_other_event_is_ignored(type_: str) -> None:
    assert read(KIND, typed(type_)) == Parsed(ignored=(f"event {type_!r} is not that a pipeline run finished",))


def test_a_run_elsewhere_is_a_problem_also_where_its_id_is_a_build_here() -> None:
    found = read(KIND, told({**EVENT["subject"], "content": {"uri": "https://evil.example/job/app/1/"}}))
    assert not found.facts
    assert "'https://evil.example/job/app/1/' is not below https://ci.lumen.example" in found.problems[0]


@pytest.mark.parametrize(
    "subject",
    [None, [], {}, {"id": "318"}, {"id": 318}, {"id": "https://evil.example/job/app/1/"}, {"content": {"uri": 7}}],
)
def test_a_run_that_names_no_build_is_unusable(subject: object) -> None:
    with pytest.raises(Unusable, match="subject"):
        read(KIND, told(subject))


def test_what_the_plugin_posts_itself_is_unusable_and_says_why() -> None:
    text = b"CloudEvent{id='1', source=job/app/1/, type='dev.cdevents.pipelinerun.finished.0.1.0', data=...}"
    with pytest.raises(Unusable, match="HTTP sink of Jenkins' CDEvents plugin"):
        read(KIND, text)
