"""Jenkins' CloudEvents plugin: which builds it mentions."""

import json
from typing import Any

import pytest

from app.core.facts import BuildMentioned
from app.senders.sender import Parsed, Unusable
from tests.senders.examples import example, read

KIND = "jenkins-cloudevents"
JOB: dict[str, Any] = json.loads(example("jenkins-cloudevents-completed.json").body)
MENTIONED = (BuildMentioned(controller="main", job="lumen/parcel-api/main", number=318),)


def parsed(body: object = JOB, type_: str = "org.jenkinsci.job.completed") -> Parsed:
    return read(KIND, body, ce_type=type_)


def built(**build: object) -> dict[str, Any]:
    return {**JOB, "build": {**JOB["build"], **build}}


@pytest.mark.parametrize("stage", ["completed", "finalized", "finalzed", "failed"])
def test_the_end_of_a_build_is_mentioned_in_both_modes(stage: str) -> None:
    type_ = f"org.jenkinsci.job.{stage}"
    structured = {"specversion": "1.0", "id": "1", "source": "job/main", "type": type_, "data": JOB}
    assert parsed(type_=type_).facts == MENTIONED
    assert read(KIND, structured).facts == MENTIONED


@pytest.mark.parametrize(
    "type_",
    [
        "org.jenkinsci.job.started",
        "org.jenkinsci.job.created",
        "org.jenkinsci.job.updated",
        "org.jenkinsci.queue.left",
        "org.jenkinsci.node.online",
        "org.jenkinsci.job.completed.x",
        "",
    ],
)
@pytest.mark.parametrize("body", [JOB, {"status": "CREATED"}, [], None])
def test_any_other_event_is_ignored(type_: str, body: object) -> None:
    assert parsed(body, type_) == Parsed(ignored=(f"event {type_!r} is not the end of a build",))


def test_a_build_is_mentioned_without_its_page_or_any_result() -> None:
    assert parsed(built(fullUrl=None, status=None, phase=None)).facts == MENTIONED


def test_a_build_of_another_jenkins_is_a_problem() -> None:
    found = parsed(built(fullUrl="https://evil.example/job/main/318/"))
    assert not found.facts
    assert "build.fullUrl: 'https://evil.example/job/main/318/' is not below" in found.problems[0]


@pytest.mark.parametrize(
    "body",
    [[], None, {}, {**JOB, "build": None}, {**JOB, "url": "main"}, built(number="318"), built(number=0)],
)
def test_an_end_that_names_no_build_is_unusable(body: object) -> None:
    with pytest.raises(Unusable):
        parsed(body)
