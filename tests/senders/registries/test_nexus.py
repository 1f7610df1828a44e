"""Sonatype Nexus: components and assets of images, and what is of other formats."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import ImagePushed
from app.senders import SENDERS
from tests.senders.examples import DIGEST, KEYS, SIGNED_AT, example, origin_of, read, with_headers
from tests.senders.registries.tables import changed, said

PUSH = "nexus-component-created.json"
APP, GONE = "+lumen/parcel-api:1.4.2", "-lumen/parcel-api:1.4.2"


def asset(name: str, **changes: object) -> dict[str, object]:
    """The event of an asset."""
    return {**changed(PUSH, component=...), "asset": {"format": "docker", "name": name}, **changes}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"action": "UPDATED"}, [APP], id="pushed again"),
        pytest.param({"action": "DELETED"}, [GONE], id="deleted"),
        pytest.param({"action": "PURGED", "component": ..., "components": ["1"]}, ["ignored"], id="purged"),
        pytest.param({"component__format": "helm"}, ["ignored"], id="helm"),
        pytest.param({"component__group": None}, [APP], id="a group that is null"),
        pytest.param({"component__version": DIGEST}, ["ignored"], id="by digest"),
        pytest.param({"component__version": ...}, ["ignored"], id="no version"),
        pytest.param({"component__name": ...}, ["unusable"], id="no name"),
        pytest.param({"component": ...}, ["ignored"], id="no component"),
        pytest.param({"timestamp": "2020-04-05T21:49:44.219+0200"}, [APP], id="another zone"),
        pytest.param({"timestamp": "yesterday"}, ["unusable"], id="no time"),
    ],
)
def test_components_are_read_in_all_their_forms(change: dict[str, object], expected: list[str]) -> None:
    assert said(PUSH, changed(PUSH, **change)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(asset("v2/lumen/parcel-api/manifests/1.4.2"), [APP], id="the manifest of a tag"),
        pytest.param(asset("/v2/lumen/parcel-api/manifests/1.4.2"), [APP], id="with a slash"),
        pytest.param(asset("v2/lumen/parcel-api/manifests/1.4.2", action="DELETED"), [GONE], id="deleted"),
        pytest.param(asset(f"v2/lumen/parcel-api/manifests/{DIGEST}"), ["ignored"], id="by digest"),
        pytest.param(asset(f"v2/-/blobs/{DIGEST}"), ["ignored"], id="a blob"),
        pytest.param({"timestamp": "2025-10-09T08:55:19.219+0000", "audit": {}}, ["ignored"], id="the audit"),
    ],
)
def test_assets_are_read_as_their_names_say(body: object, expected: list[str]) -> None:
    assert said(PUSH, body) == expected


def test_a_repository_has_the_path_of_the_settings_and_others_do_not_count() -> None:
    known = replace(origin_of(PUSH), repositories={"docker-hosted": ""})
    assert len(read("nexus", changed(PUSH), origin=known).facts) == 1
    other = read("nexus", changed(PUSH, repositoryName="docker-proxy"), origin=known)
    assert other.ignored == ("repository 'docker-proxy' is none that counts",)
    [push] = read("nexus", changed(PUSH), origin=replace(known, repositories={"docker-hosted": "hosted"})).facts
    assert isinstance(push, ImagePushed)
    assert push.image.path == "hosted/lumen/parcel-api"
    assert push.at == datetime(2025, 10, 9, 8, 55, 19, 219000, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "repositories", "expected"),
    [
        pytest.param({}, None, "repository/helm-hosted/Shop:1.3.0_b.5", id="below Nexus' own path"),
        pytest.param({}, {"helm-hosted": "charts"}, "charts/Shop:1.3.0_b.5", id="the path of the settings"),
        pytest.param({}, {"helm-hosted": ""}, "Shop:1.3.0_b.5", id="no path"),
        pytest.param({}, {"other": ""}, None, id="a repository that does not count"),
        pytest.param({"component__format": "docker"}, None, None, id="an image"),
    ],
)
def test_charts_count_where_the_registry_is_of_helm(
    change: dict[str, object], repositories: dict[str, str] | None, expected: str | None
) -> None:
    its = {"repositoryName": "helm-hosted", "component__format": "helm", "component__name": "Shop"}
    body = changed(PUSH, **{**its, "component__version": "1.3.0+b.5", **change})
    origin = replace(origin_of(PUSH), registry="https://nexus.acme.example", repositories=repositories)
    parsed = read("nexus", body, origin=origin)
    told = [one for one in parsed.facts if isinstance(one, ImagePushed)]
    assert [f"{one.image}:{one.tag}" for one in told] == (
        [] if expected is None else [f"https://nexus.acme.example/{expected}"]
    )
    assert all(one.is_chart for one in told)


@pytest.mark.parametrize("form", ["sha1={}", "{}00", "{}x", " {}"])
def test_a_signature_is_its_hex_digits_alone(form: str) -> None:
    sent = example(PUSH).headers["x-nexus-webhook-signature"]
    with pytest.raises(NotAuthentic, match="is malformed"):
        SENDERS["nexus"].verify(
            with_headers(example(PUSH), x_nexus_webhook_signature=form.format(sent)), KEYS["nexus"], SIGNED_AT
        )
