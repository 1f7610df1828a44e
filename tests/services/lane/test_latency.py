"""The way from a webhook to the pull request that it led to is timed once, by the newest that told of the tag."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from app.core.ports import PullRequestState
from app.db import catalogue, deliveries
from app.db.database import Database
from app.db.deliveries import NewDelivery
from app.services.reading.status import PullRequestLatency, read_status
from tests.db.facts import record_push
from tests.services.lanes import IMAGE, NOW, Lane, digest

FILES: Mapping[str, str] = {
    "images/app.yaml": (
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageRepository\nmetadata: {name: app, namespace: flux-system}\n"
        f"spec: {{image: {IMAGE}}}\n---\n"
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImagePolicy\nmetadata: {name: app, namespace: flux-system}\n"
        "spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: 1.x}}}\n"
    ),
    "apps/app.yaml": (
        "kind: Deployment\nspec:\n  template:\n    spec:\n      containers:\n"
        f'        - image: {IMAGE}:1.0.0 # {{"$imagepolicy": "flux-system:app"}}\n'
    ),
}


@pytest.fixture
def lane(tmp_path: Path, database: Database) -> Lane:
    """A lane with one field at 1.0.0."""
    return Lane.create(tmp_path, database, FILES)


def told(lane: Lane) -> PullRequestLatency:
    return read_status(lane.database, lambda: lane.now).webhook_to_pull_request


def send_push(lane: Lane, tag: str) -> None:
    """A registry tells of a push, now."""
    new = NewDelivery(source="r", kind="distribution", external_id=tag, headers={}, body=b"{}", received_at=lane.now)
    with lane.telling_of(tag) as connection:
        delivery_id = deliveries.keep(connection, new)
        record_push(connection, IMAGE, tag, digest(tag), at=None, now=lane.now, source="r", delivery_id=delivery_id)
        catalogue.set_digest(connection, IMAGE, tag, digest(tag), asked_at=lane.now)


def test_a_pull_request_is_timed_when_it_is_opened_and_never_again(lane: Lane) -> None:
    send_push(lane, "1.1.0")
    lane.now = NOW + timedelta(seconds=4)
    lane.run()
    assert (told(lane).count, told(lane).sum_s, told(lane).at_most["2.5"], told(lane).at_most["5"]) == (1, 4, 0, 1)
    send_push(lane, "1.2.0")  # the same pull request gets the newer tag
    lane.now = NOW + timedelta(seconds=60)
    lane.run()
    assert len(lane.open_pulls()) == 1
    assert told(lane).count == 1


def test_a_tag_that_no_webhook_told_of_is_not_timed(lane: Lane) -> None:
    lane.push("1.1.0")
    lane.run()
    assert [pull.state for pull in lane.open_pulls()] == [PullRequestState.OPEN]
    assert told(lane).count == 0
