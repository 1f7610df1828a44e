"""The Outbound WebHook plugin: which builds it mentions."""

import json
from typing import Any

import pytest

from app.core.facts import BuildMentioned
from app.senders.sender import Origin, Parsed, Unusable
from tests.senders.examples import ORIGIN, example, read

EVENT: dict[str, Any] = json.loads(example("jenkins-outbound-webhook.json").body)


def parsed(origin: Origin = ORIGIN, **changes: object) -> Parsed:
    return read("jenkins-outbound-webhook", {**EVENT, **changes}, origin=origin)


@pytest.mark.parametrize("event", ["success", "failure", "unstable"])
def test_the_end_of_a_build_is_mentioned_whatever_its_result(event: str) -> None:
    assert parsed(event=event).facts == (BuildMentioned(controller="main", job="parcel-api-release", number=57),)


@pytest.mark.parametrize("event", ["start", "aborted <b>"])
def test_any_other_event_is_ignored(event: str) -> None:
    assert parsed(event=event) == Parsed(ignored=(f"event {event!r} is not the end of a build",))


def test_job_and_number_are_those_of_the_page_whatever_the_names_say() -> None:
    facts = parsed(
        buildUrl="https://ci.lumen.example/job/team/job/test%20job/16/", buildName="#17", projectName="other"
    ).facts
    assert facts == (BuildMentioned(controller="main", job="team/test job", number=16),)


def test_variables_are_not_read() -> None:
    assert parsed(buildVars="{A=1, B=x, C=2}") == parsed(buildVars=None) == parsed()


def test_a_build_of_another_jenkins_is_a_problem() -> None:
    found = parsed(buildUrl="https://evil.example/job/app/57/")
    assert not found.facts
    assert found.problems == ("buildUrl: 'https://evil.example/job/app/57/' is not below https://ci.lumen.example",)


@pytest.mark.parametrize("url", ["https://ci.lumen.example/job/app/", "https://ci.lumen.example/", None, 57, ""])
def test_an_end_without_the_page_of_a_build_is_unusable(url: object) -> None:
    with pytest.raises(Unusable, match="buildUrl"):
        parsed(buildUrl=url)
