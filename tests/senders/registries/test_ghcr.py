"""GitHub's container registry: packages of both events, and those that are no tagged image."""

import json
from urllib.parse import urlencode

import pytest

from app.core.facts import ImagePushed
from tests.senders.examples import DIGEST, origin_of, read
from tests.senders.registries.tables import changed, said

PACKAGE, APPS = "ghcr-package-published.json", "ghcr-registry_package-published.json"
APP = "+lumen-freight/parcel-api:1.4.2"
SHORT = "sha256:6c62fb45fe66bfb1ea9a66abc38f6a0cc974292b"


def of_version(**values: object) -> dict[str, object]:
    """A change of the package's version."""
    return {f"package__package_version__{key}": value for key, value in values.items()}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"action": "updated"}, [APP], id="updated"),
        pytest.param({"action": "create"}, [APP], id="the beta's action"),
        pytest.param({"action": "deleted"}, ["ignored"], id="another action"),
        pytest.param({"package__package_type": "container"}, [APP], id="lower case"),
        pytest.param({"package__package_type": ..., "package__ecosystem": "CONTAINER"}, [APP], id="ecosystem only"),
        pytest.param({"package__package_type": "npm", "package__ecosystem": "docker"}, ["ignored"], id="npm"),
        pytest.param({"package__package_version": None}, ["ignored"], id="no version"),
        pytest.param(of_version(container_metadata__tag={"name": "", "digest": SHORT}), ["ignored"], id="a child"),
        pytest.param(
            of_version(container_metadata__tag={"name": "1", "digest": SHORT}), ["unusable"], id="short digest"
        ),
        pytest.param(of_version(container_metadata=None), ["ignored"], id="no metadata, a digest as version"),
        pytest.param(
            of_version(container_metadata__tag={"name": f"sha256-{'a' * 64}.sig"}), ["ignored"], id="signature"
        ),
        pytest.param(
            {"package__package_type": "docker", **of_version(container_metadata=..., version="1.4.1")},
            ["+lumen-freight/parcel-api:1.4.1"],
            id="the registry of before",
        ),
        pytest.param({"package__name": "Parcel/API"}, ["+lumen-freight/parcel/api:1.4.2"], id="nested, upper case"),
        pytest.param({"package__owner": None, "package__name": ...}, [APP], id="by its URL"),
        pytest.param({"package__owner": None, **of_version(package_url="")}, ["unusable"], id="neither owner nor URL"),
        pytest.param(of_version(package_url="containers.ghe.example/a/b:1"), ["ignored"], id="another registry"),
        pytest.param({"repository": None}, [APP], id="linked to no repository"),
    ],
)
def test_packages_are_read_in_all_their_forms(change: dict[str, object], expected: list[str]) -> None:
    assert said(PACKAGE, changed(PACKAGE, **change)) == expected


@pytest.mark.parametrize("event", ["package", "registry_package", "ping", ""])
def test_the_body_tells_the_event_and_not_the_header(event: str) -> None:
    assert said(APPS, changed(APPS), x_github_event=event) == [APP]


def test_other_events_of_the_hook_are_ignored() -> None:
    assert said(PACKAGE, {"zen": "Keep it logically awesome.", "hook_id": 1}, x_github_event="ping") == ["ignored"]


def test_a_form_is_read_as_its_json() -> None:
    form = urlencode({"payload": json.dumps(changed(PACKAGE))}).encode()
    assert said(PACKAGE, form, content_type="application/x-www-form-urlencoded") == [APP]


def test_neither_the_repositorys_head_nor_a_label_is_a_commit_and_a_chart_is_told_by_its_config() -> None:
    helm = "application/vnd.cncf.helm.config.v1+json"
    body = changed(PACKAGE, **of_version(container_metadata__manifest__config={"media_type": helm}))
    [push] = read("ghcr", body, origin=origin_of(PACKAGE)).facts
    assert push == ImagePushed(image=push.image, tag="1.4.2", digest=DIGEST, is_chart=True)  # type: ignore[union-attr]
