"""Harbor: both formats, all versions, deletions, and events that change no tag."""

import pytest

from tests.senders.examples import DIGEST
from tests.senders.registries.tables import changed, said

DEFAULT, CLOUD = "harbor-default-push.json", "harbor-cloudevents-push.json"
APP, GONE = "+freight/parcel-api:1.4.2", "-freight/parcel-api:1.4.2"
URL = "harbor.lumen.example/freight/parcel-api"
TAGGED = {"tag": "1.4.2", "digest": DIGEST, "resource_url": f"{URL}:1.4.2"}


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("PUSH_ARTIFACT", [APP]),
        ("pushImage", [APP]),
        ("DELETE_ARTIFACT", [GONE]),
        ("deleteImage", [GONE]),
        ("PULL_ARTIFACT", ["ignored"]),
        ("SCANNING_COMPLETED", ["ignored"]),
        ("QUOTA_EXCEED", ["ignored"]),
        ("REPLICATION", ["ignored"]),
        ("TAG_RETENTION", ["ignored"]),
        ("UPLOAD_CHART", ["ignored"]),
        ("uploadChart", ["ignored"]),
        ("", ["unusable"]),
        (7, ["unusable"]),
    ],
)
def test_a_type_says_what_became_of_it(kind: object, expected: list[str]) -> None:
    assert said(DEFAULT, changed(DEFAULT, type=kind)) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("harbor.artifact.deleted", [GONE]),
        ("harbor.artifact.pulled", ["ignored"]),
        ("harbor.scan.completed", ["ignored"]),
    ],
)
def test_a_type_of_a_cloudevent_says_it_too(kind: str, expected: list[str]) -> None:
    assert said(CLOUD, changed(CLOUD, type=kind)) == expected


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        pytest.param([TAGGED, {**TAGGED, "tag": "1.4"}], [APP, "+freight/parcel-api:1.4"], id="two tags"),
        pytest.param(
            [{"tag": DIGEST, "digest": DIGEST, "resource_url": f"{URL}@{DIGEST}"}], ["ignored"], id="by digest"
        ),
        pytest.param([{"tag": "1.4.2", "resource_url": f"{URL}:1.4.2"}], [APP], id="no digest"),
        pytest.param([{**TAGGED, "digest": "sha256:12"}, TAGGED], [APP, "unusable"], id="one bad digest"),
        pytest.param(["text", TAGGED], [APP, "unusable"], id="one that is no object"),
        pytest.param([{**TAGGED, "resource_url": "localhost/freight/x:1"}], ["ignored"], id="another host"),
        pytest.param([], ["ignored"], id="none"),
        pytest.param(None, ["ignored"], id="null"),
        pytest.param({}, ["unusable"], id="no list"),
    ],
)
def test_each_resource_counts_for_itself(resources: object, expected: list[str]) -> None:
    assert said(DEFAULT, changed(DEFAULT, event_data__resources=resources)) == expected


@pytest.mark.parametrize(
    ("repository", "expected"),
    [
        pytest.param({"namespace": "freight", "name": "team/api"}, "+freight/team/api:1.4.2", id="nested"),
        pytest.param(None, APP, id="by the URL"),
        pytest.param({"name": "parcel-api"}, APP, id="a name without its project"),
        pytest.param({"repo_full_name": "Freight/X"}, "unusable", id="upper case"),
    ],
)
def test_the_repository_is_named_in_one_of_three_places(repository: object, expected: str) -> None:
    assert said(DEFAULT, changed(DEFAULT, event_data__repository=repository)) == [expected]


def test_a_deletion_by_digest_is_one_of_its_tags() -> None:
    resource = {"tag": DIGEST, "digest": DIGEST, "resource_url": f"{URL}@{DIGEST}"}
    body = changed(DEFAULT, type="DELETE_ARTIFACT", event_data__resources=[resource])
    assert said(DEFAULT, body) == [f"-freight/parcel-api:{DIGEST[:10]}"]
