"""Docker Hub: old captures, official images, charts, and what is no image."""

from datetime import UTC, datetime

import pytest

from app.core.facts import ImagePushed
from tests.senders.examples import origin_of, read
from tests.senders.registries.tables import changed, said

PUSH = "dockerhub-push.json"
APP = "+lumenfreight/parcel-api:1.4.2"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"push_data__pushed_at": 1.417566161e09}, [APP], id="a time as a float"),
        pytest.param({"push_data__pushed_at": 0}, [APP], id="a time that was never set"),
        pytest.param({"push_data__pushed_at": 1e300}, ["unusable"], id="no time"),
        pytest.param({"push_data__pushed_at": True}, ["unusable"], id="a time that is true"),
        pytest.param({"push_data__media_type": ...}, [APP], id="no media type"),
        pytest.param({"push_data__media_type": None}, [APP], id="media type null"),
        pytest.param({"push_data__media_type": "application/vnd.oci.image.config.v1+json"}, [APP], id="of the config"),
        pytest.param({"push_data__media_type": "application/vnd.docker.plugin.v1+json"}, ["ignored"], id="a plugin"),
        pytest.param({"push_data__tag": ...}, ["ignored"], id="a capture of 2015, without a tag"),
        pytest.param({"push_data__tag": "1.4+2"}, ["unusable"], id="no tag"),
        pytest.param(
            {"repository__repo_name": "busybox", "repository__namespace": "library"}, ["+library/busybox:1.4.2"]
        ),
        pytest.param({"repository__repo_name": "library/busybox"}, ["+library/busybox:1.4.2"], id="official"),
        pytest.param({"repository__repo_name": ...}, [APP], id="by namespace and name"),
        pytest.param({"repository__repo_name": "../x"}, ["unusable"], id="a path that climbs"),
        pytest.param({"repository": {}}, ["unusable"], id="no repository"),
        pytest.param({"push_data": None}, ["unusable"], id="no push"),
    ],
)
def test_pushes_are_read_in_all_their_forms(change: dict[str, object], expected: list[str]) -> None:
    assert said(PUSH, changed(PUSH, **change)) == expected


def test_a_chart_is_told_by_its_media_type_and_a_float_is_a_time() -> None:
    config = "application/vnd.cncf.helm.config.v1+json"
    body = changed(PUSH, push_data__media_type=config, push_data__pushed_at=1.417566161e09)
    [push] = read("docker-hub", body, origin=origin_of(PUSH)).facts
    assert isinstance(push, ImagePushed)
    assert (push.is_chart, push.at) == (True, datetime(2014, 12, 3, 0, 22, 41, tzinfo=UTC))
