"""Quay: one tag or many, and other events that come in the same form."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.core.facts import ImagePushed
from app.senders import SENDERS
from app.services.intake.accept import accept
from app.services.systems import Source
from tests.senders.examples import KEYS, ORIGIN, example, origin_of, read
from tests.senders.registries.tables import changed, said

PUSH = "quay-repo_push.json"
NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"updated_tags": ["1"]}, ["+lumen/parcel-api:1"], id="one"),
        pytest.param({"updated_tags": ["1", 7, "-x"]}, ["+lumen/parcel-api:1", "unusable", "unusable"], id="bad ones"),
        pytest.param({"updated_tags": ...}, ["ignored"], id="another event"),
        pytest.param({"updated_tags": []}, ["ignored"], id="none"),
        pytest.param({"updated_tags": ..., "message": "TEST NOTIFICATION"}, ["ignored"], id="a test"),
        pytest.param({"updated_tags": "latest"}, ["unusable"], id="no list"),
        pytest.param({"updated_tags": ["1"], "name": "masked"}, ["+lumen/parcel-api:1"], id="a name that disagrees"),
        pytest.param({"updated_tags": ["1"], "repository": ...}, ["+lumen/parcel-api:1"], id="by namespace and name"),
        pytest.param(
            {"updated_tags": ["1"], "repository": ..., "namespace": ...}, ["+lumen/parcel-api:1"], id="by docker_url"
        ),
        pytest.param({"updated_tags": ["1"], "docker_url": None}, ["+lumen/parcel-api:1"], id="no docker_url"),
        pytest.param({"updated_tags": ["1"], "docker_url": "quay.io/lumen/x"}, ["ignored"], id="another registry"),
        pytest.param({"updated_tags": ["1"], "pruned_image_count": 3}, ["+lumen/parcel-api:1"], id="an old version"),
    ],
)
def test_pushes_are_read_in_all_their_forms(change: dict[str, object], expected: list[str]) -> None:
    assert said(PUSH, changed(PUSH, **change)) == expected


def test_the_next_push_of_a_tag_is_another_delivery_though_its_body_is_the_same() -> None:
    source = Source(name="quay", kind="quay", origin=ORIGIN, keys=lambda: KEYS["quay"])
    first, next_one = (
        accept(source, SENDERS["quay"], example(PUSH), NOW + after).external_id
        for after in (timedelta(0), timedelta(seconds=2))
    )
    assert first != next_one


def test_an_alias_of_the_registry_is_the_registry() -> None:
    body = changed(PUSH, docker_url="quay.old.example/lumen/parcel-api", updated_tags=["1"])
    origin = origin_of(PUSH)
    assert not read("quay", body, origin=origin).facts
    [push] = read("quay", body, origin=replace(origin, registry_aliases=("quay.old.example",))).facts
    assert isinstance(push, ImagePushed)
    assert str(push.image) == "quay.lumen.example/lumen/parcel-api"
