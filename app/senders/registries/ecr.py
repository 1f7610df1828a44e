"""Amazon ECR by EventBridge: one event a body, to an API destination, by SNS, or transformed into a CloudEvent."""

import re

from pydantic import BaseModel, Field, JsonValue

from app.senders.payload import PAYLOAD, Line, Moment, OptionalLine, read_body, read_model
from app.senders.proof_kinds import SHARED_SECRET
from app.senders.registries.tellings import Telling, read_one
from app.senders.sender import MOST_BYTES, Origin, Parsed, Sender, Unusable, WebhookRequest, body_id
from app.senders.strict_json import read_json

_CHART = "application/vnd.cncf.helm."
_CHANGES = "ECR Image Action"
_CLOUD_PUSH = "com.amazon.ecr.image.push"
_ARN = re.compile(r"[a-z]{3}:aws[a-z-]*:ecr:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):repository/(?P<path>.+)")
_ACCOUNT, _REGION = re.compile(r"[0-9]{12}"), re.compile(r"[a-z0-9-]{1,40}")


class _Detail(BaseModel):
    """What became of an image; what was pushed by digest has no tag."""

    model_config = PAYLOAD
    result: Line
    action_type: Line = Field(alias="action-type")
    repository: Line = Field(alias="repository-name")
    tag: OptionalLine = Field(default=None, alias="image-tag")
    digest: OptionalLine = Field(default=None, alias="image-digest")
    media_type: OptionalLine = Field(default=None, alias="manifest-media-type")
    config: OptionalLine = Field(default=None, alias="artifact-media-type")


class _Event(BaseModel):
    """EventBridge's envelope; account and region are those of the registry."""

    model_config = PAYLOAD
    account: Line
    region: Line
    time: Moment = None
    detail: _Detail


class _CloudPush(BaseModel):
    """What an input transformer is known to make of a push."""

    model_config = PAYLOAD
    repository: Line = Field(alias="repositoryName")
    tag: OptionalLine = Field(default=None, alias="imageTag")
    digest: OptionalLine = Field(default=None, alias="imageDigest")


class _CloudEvent(BaseModel):
    """The same as a CloudEvent, whose source names account and region."""

    model_config = PAYLOAD
    source: Line
    time: Moment = None
    data: _CloudPush


class _EventId(BaseModel):
    """The id of an event, the same over all retries."""

    model_config = PAYLOAD
    id: Line


def external_id(request: WebhookRequest) -> str | None:
    """Name the delivery by its body, in which the event has an id; None where it has none."""
    try:
        read_body(request, _EventId)
    except Unusable:
        return None
    return body_id(request)


def parse(request: WebhookRequest, origin: Origin) -> Parsed:
    """Read which tag was pushed or deleted; scans, replications and what failed are ignored. Raises Unusable."""
    body = _unwrapped(read_json(request.body, most_bytes=MOST_BYTES))
    if isinstance(body, str):
        return Parsed(ignored=(body,))
    if body.get("type") == _CLOUD_PUSH:
        return read_one(origin, lambda: _read_cloud_push(read_model(body, _CloudEvent)))
    if body.get("detail-type") != _CHANGES:
        return Parsed(ignored=(f"{_shown(body.get('detail-type', body.get('type')))} changes no tag",))
    return read_one(origin, lambda: _read_change(read_model(body, _Event)))


def _read_change(event: _Event) -> Telling | str:
    detail = event.detail
    if detail.result != "SUCCESS" or detail.action_type not in {"PUSH", "DELETE"}:
        return f"{_shown(detail.action_type)} with result {_shown(detail.result)} changes no tag"
    return Telling(
        host=_host(event.account, event.region),
        path=detail.repository,
        tag=detail.tag,
        digest=detail.digest,
        media_type=detail.config if (detail.config or "").startswith(_CHART) else detail.media_type,
        at=event.time,
        is_deletion=detail.action_type == "DELETE",
    )


def _unwrapped(body: JsonValue) -> dict[str, JsonValue] | str:
    """The event, taken out of what SNS sends it in, or why there is none. Raises Unusable."""
    if not isinstance(body, dict):
        raise Unusable("it is no JSON object")
    message = body.get("Message")
    if body.get("Type") != "Notification" or not isinstance(message, str):
        subscribes = body.get("Type") == "SubscriptionConfirmation"
        return "SNS asks whether it may send: open the SubscribeURL of its message yourself" if subscribes else body
    event = read_json(message.encode(), most_bytes=MOST_BYTES)
    return event if isinstance(event, dict) else "a notification of SNS without an event"


def _read_cloud_push(event: _CloudEvent) -> Telling:
    source = _ARN.fullmatch(event.source)
    if source is None:
        raise Unusable("source: is no ARN of a repository of ECR")
    if source["path"] != event.data.repository:
        raise Unusable("source: names another repository than data.repositoryName")
    return Telling(
        host=_host(source["account"], source["region"]),
        path=event.data.repository,
        tag=event.data.tag,
        digest=event.data.digest,
        at=event.time,
    )


def _host(account: str, region: str) -> str:
    if not _ACCOUNT.fullmatch(account) or not _REGION.fullmatch(region):
        raise Unusable("account and region: are none of AWS")
    return f"{account}.dkr.ecr.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _shown(value: JsonValue) -> str:
    return repr(value[:60] if isinstance(value, str) else type(value).__name__)


ECR = Sender(
    kind="ecr",
    verify=SHARED_SECRET.verify,
    prove_head=SHARED_SECRET.prove_head,
    external_id=external_id,
    parse=parse,
    kept_headers=("content-type", "user-agent"),
    needs=("headers", "basic"),
    tells={"push": ("image", "tag", "digest", "time"), "delete": ("image", "tag", "digest", "time")},
    speaks_for="registry",
)
