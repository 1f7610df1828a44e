"""Azure Container Registry: pushes, deletions, and actions that change no tag of an image."""

import pytest

from tests.senders.examples import DIGEST
from tests.senders.registries.tables import changed, said

PUSH, CHART = "acr-push.json", "acr-chart_push.json"
APP = "+lumen/parcel-api:1.4.2"
MASKED = "sha256:xxxxd5c8786bb9e621a45ece0dbxxxx1cdc624ad20da9fe62e9d25490f33xxxx"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"timestamp": "2025-10-09T08:55:19.123456789Z"}, [APP], id="nine digits"),
        pytest.param({"timestamp": ...}, [APP], id="no time"),
        pytest.param({"timestamp": "soon"}, ["unusable"], id="a time that is none"),
        pytest.param({"request": ...}, [APP], id="no request"),
        pytest.param({"request__host": "other.azurecr.io"}, ["ignored"], id="another registry"),
        pytest.param({"target__tag": ...}, ["ignored"], id="by digest"),
        pytest.param({"target__digest": MASKED}, ["unusable"], id="the masked digest of the docs"),
        pytest.param(
            {"target__mediaType": "application/vnd.oci.artifact.manifest.v1+json"}, ["ignored"], id="artifact"
        ),
        pytest.param({"action": "delete", "target__tag": ...}, [f"-lumen/parcel-api:{DIGEST[:10]}"], id="delete"),
        pytest.param({"action": "delete", "target__tag": ..., "target__digest": ...}, ["ignored"], id="of what?"),
        pytest.param({"action": "quarantine"}, ["ignored"], id="quarantine"),
        pytest.param({"action": "ping", "target": ..., "request": ...}, ["ignored"], id="ping"),
        pytest.param({"target": None}, ["unusable"], id="no target"),
    ],
)
def test_events_are_read_in_all_their_forms(change: dict[str, object], expected: list[str]) -> None:
    assert said(PUSH, changed(PUSH, **change)) == expected


def test_charts_of_helm_2_and_events_of_event_grid_tell_of_no_image() -> None:
    assert said(CHART, changed(CHART, action="chart_delete")) == ["ignored"]
    grid = {"eventType": "Microsoft.ContainerRegistry.ImagePushed", "data": changed(PUSH)}
    assert said(PUSH, [grid]) == ["unusable"]
