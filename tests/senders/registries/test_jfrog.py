"""JFrog Artifactory: manifests of tags and of platforms, its repositories, and both of its proofs."""

from dataclasses import replace

import pytest

from app.core.errors import NotAuthentic
from app.core.facts import ImagePushed
from app.senders import SENDERS
from app.senders.sender import Keys, WebhookRequest
from tests.senders.examples import SIGNED_AT, example, origin_of, read
from tests.senders.registries.tables import changed, said

PUSH, SENDER = "jfrog-docker-pushed.json", SENDERS["jfrog"]
APP, CHILD = "+freight/parcel-api:1.4.2", f"sha256:{'a' * 64}"
HEADER, SECRET = "x-jfrog-event-auth", "lumen-jfrog-secret"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"data__path": "freight/parcel-api/1.4.2/manifest.json"}, [APP], id="one platform"),
        pytest.param({"data__path": f"freight/parcel-api/{CHILD}/manifest.json"}, ["ignored"], id="a platform"),
        pytest.param({"data__tag": CHILD, "data__path": f"x/{CHILD}/manifest.json"}, ["ignored"], id="tag as digest"),
        pytest.param({"data__tag": CHILD.replace(":", "__"), "data__path": ...}, ["ignored"], id="as folders have it"),
        pytest.param({"data__path": ...}, [APP], id="no path"),
        pytest.param({"data__path": "freight/parcel-api/1.4.2/chart.tgz"}, ["ignored"], id="another file"),
        pytest.param({"data__image_name": ...}, [APP], id="by the path"),
        pytest.param({"data__sha256": ...}, [APP], id="no digest"),
        pytest.param({"data__sha256": "4d3e9a23"}, ["unusable"], id="a short digest"),
        pytest.param({"data__image_type": "docker"}, [APP], id="docker"),
        pytest.param({"data__repo_key": "docker-remote-cache", "jpd_origin": ""}, [APP], id="a cache"),
        pytest.param({"event_type": "deleted"}, ["-freight/parcel-api:1.4.2"], id="deleted"),
        pytest.param({"event_type": "promoted"}, ["ignored"], id="promoted"),
        pytest.param({"domain": "artifact", "event_type": "deployed"}, ["ignored"], id="a file"),
        pytest.param({"data": None}, ["unusable"], id="no data"),
    ],
)
def test_events_are_read_in_all_their_forms(change: dict[str, object], expected: list[str]) -> None:
    assert said(PUSH, changed(PUSH, **change)) == expected


def test_a_repository_has_the_path_of_the_settings_and_others_do_not_count() -> None:
    known = replace(origin_of(PUSH), repositories={"docker-lumen-local": "docker/lumen"})
    [push] = read("jfrog", changed(PUSH), origin=known).facts
    assert isinstance(push, ImagePushed)
    assert push.image.path == "docker/lumen/freight/parcel-api"
    other = read("jfrog", changed(PUSH, data__repo_key="docker-other"), origin=known)
    assert other.ignored == ("repository 'docker-other' is none that counts",)


def test_the_secret_in_clear_proves_it_where_that_is_configured() -> None:
    clear = WebhookRequest({HEADER: SECRET}, example(PUSH).body)
    keys = Keys(headers={HEADER: (SECRET,)})
    SENDER.verify(clear, keys, SIGNED_AT)
    assert SENDER.prove_head(clear, keys, SIGNED_AT)
    for wrong in ("", "other", f"{SECRET}, {SECRET}"):
        with pytest.raises(NotAuthentic):
            SENDER.verify(WebhookRequest({HEADER: wrong}, clear.body), keys, SIGNED_AT)


def test_the_secret_in_clear_is_no_signature_even_if_it_looks_like_one() -> None:
    secret = "ab" * 32
    with pytest.raises(NotAuthentic):
        SENDER.verify(WebhookRequest({HEADER: secret}, example(PUSH).body), Keys(secrets=(secret,)), SIGNED_AT)
