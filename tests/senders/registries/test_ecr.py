"""ECR: what EventBridge tells of the one registry of an account and region, in each form in which it arrives."""

import json
from typing import Any

import pytest

from app.core.facts import ImagePushed, TagDeleted
from app.senders.sender import Unusable
from tests.senders.examples import DIGEST, example, origin_of, read

FILE = "ecr-eventbridge-push.json"
EVENT = json.loads(example(FILE).body)
ORIGIN = origin_of(FILE)
CLOUD_EVENT = {
    "specversion": "1.0",
    "id": EVENT["id"],
    "type": "com.amazon.ecr.image.push",
    "source": "urn:aws:ecr:eu-west-1:210987654321:repository/lumen/parcel-api",
    "subject": "lumen/parcel-api:1.4.2",
    "time": EVENT["time"],
    "data": {"repositoryName": "lumen/parcel-api", "imageDigest": DIGEST, "imageTag": "1.4.2", "registryId": "2109"},
}


def detail(**changed: object) -> dict[str, Any]:
    told = {**EVENT["detail"], **{name.replace("_", "-"): value for name, value in changed.items()}}
    return {**EVENT, "detail": {name: value for name, value in told.items() if value is not None}}


def pushed(body: object = EVENT) -> ImagePushed:
    [fact] = read("ecr", body, origin=ORIGIN).facts
    assert isinstance(fact, ImagePushed)
    return fact


def test_what_a_transformer_makes_of_it_and_what_sns_wraps_it_in_say_the_same() -> None:
    notification = {"Type": "Notification", "MessageId": "1", "Message": json.dumps(EVENT), "Signature": "…"}
    assert pushed() == pushed(CLOUD_EVENT) == pushed(notification)


def test_a_chart_is_told_by_its_artifact_and_an_image_by_any_other() -> None:
    chart = "application/vnd.cncf.helm.config.v1+json"
    others = ["application/vnd.docker.container.image.v1+json", "application/vnd.cncf.flux.config.v1+json"]
    assert pushed(detail(artifact_media_type=chart)).is_chart
    assert not any(pushed(detail(artifact_media_type=one)).is_chart for one in others)


def test_a_deletion_is_of_a_tag_or_of_a_digest() -> None:
    for tag in ("1.4.2", None):
        [fact] = read("ecr", detail(action_type="DELETE", image_tag=tag), origin=ORIGIN).facts
        assert isinstance(fact, TagDeleted)
        assert (fact.tag, fact.digest) == (tag, DIGEST)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(detail(image_tag=None), "names no tag", id="pushed by digest"),
        pytest.param(detail(result="FAILURE"), "'FAILURE'", id="a push that failed"),
        pytest.param(detail(action_type="REPLICATE"), "'REPLICATE'", id="another action"),
        pytest.param({**EVENT, "detail-type": "ECR Image Scan"}, "'ECR Image Scan'", id="a scan"),
        pytest.param({**EVENT, "region": "eu-central-1"}, "eu-central-1", id="another region"),
        pytest.param({**EVENT, "region": "cn-north-1"}, "amazonaws.com.cn", id="in China"),
        pytest.param({"Type": "SubscriptionConfirmation", "SubscribeURL": "https://x"}, "SubscribeURL", id="SNS asks"),
        pytest.param({"Type": "Notification", "Message": "[]"}, "without an event", id="SNS without an event"),
        pytest.param({"version": "0"}, "changes no tag", id="nothing"),
    ],
)
def test_what_is_no_push_of_a_tag_to_this_registry_is_ignored_with_the_reason(body: object, reason: str) -> None:
    parsed = read("ecr", body, origin=ORIGIN)
    assert (parsed.facts, parsed.problems) == ((), ())
    assert reason in parsed.ignored[0]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        pytest.param(detail(image_digest="sha256:" + "4d" * 30), "digest", id="the documentation's short digest"),
        pytest.param({**EVENT, "account": "evil.example/1"}, "account", id="an account that is a host"),
        pytest.param({**CLOUD_EVENT, "source": "https://ecr"}, "ARN", id="no ARN"),
        pytest.param({**CLOUD_EVENT, "data": {"repositoryName": "other"}}, "another repository", id="two repositories"),
    ],
)
def test_what_ecr_never_writes_is_a_problem(body: object, problem: str) -> None:
    parsed = read("ecr", body, origin=ORIGIN)
    assert not parsed.facts
    assert problem in parsed.problems[0]


def test_what_is_no_object_is_unusable() -> None:
    with pytest.raises(Unusable, match="no JSON object"):
        read("ecr", [EVENT])
