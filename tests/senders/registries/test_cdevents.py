"""CDEvents: every version of artifact.published, and what its package URL names."""

import json
from typing import Any

import pytest

from app.core.facts import ImagePushed
from app.senders.sender import Parsed
from tests.senders.examples import DIGEST, example, origin_of, read

FILE = "cdevents-artifact-published-0.3.0.json"
EVENT = json.loads(example(FILE).body)
ORIGIN = origin_of(FILE)
HOST, ENCODED = "registry.lumen.example", DIGEST.replace(":", "%3A")


def published(purl: str) -> dict[str, Any]:
    return {**EVENT, "subject": {**EVENT["subject"], "id": purl}}


def parsed(purl: str) -> Parsed:
    return read("cdevents", published(purl), origin=ORIGIN)


@pytest.mark.parametrize("version", ["0.1.0", "0.1.1", "0.2.0", "0.3.0", "0.4.0-draft"])
@pytest.mark.parametrize("key", ["version", "specversion"])
def test_every_version_is_read_in_both_modes(version: str, key: str) -> None:
    context = {**EVENT["context"], "type": f"dev.cdevents.artifact.published.{version}", key: "0.5.1"}
    event = {**EVENT, "context": context}
    structured = {"specversion": "1.0", "id": "1", "source": "/x", "type": context["type"], "data": event}
    facts = read("cdevents", event, origin=ORIGIN).facts
    assert len(facts) == 1
    assert read("cdevents", structured, origin=ORIGIN).facts == facts


@pytest.mark.parametrize(
    ("purl", "tag", "digest"),
    [
        pytest.param(f"pkg:oci/app@{DIGEST}?repository_url={HOST}/team/app&tag=1", "1", DIGEST, id="not encoded"),
        pytest.param(f"pkg:oci/app@{ENCODED}?tag=1&repository_url={HOST}%2Fteam", "1", DIGEST, id="without its name"),
        pytest.param(f"pkg:oci/app?repository_url=https://{HOST}/team/app/&tag=1", "1", None, id="without a digest"),
        pytest.param(f"pkg:oci/app@1.4.2?repository_url={HOST}/team/app", "1.4.2", None, id="a tag as the version"),
        pytest.param(f"pkg:OCI/app@{ENCODED}?tag=1&repository_url={HOST}/team/app#x", "1", DIGEST, id="odd, and valid"),
    ],
)
def test_a_package_url_names_image_tag_and_digest(purl: str, tag: str, digest: str | None) -> None:
    [fact] = parsed(purl).facts
    assert isinstance(fact, ImagePushed)
    assert (str(fact.image), fact.tag, fact.digest) == (f"{HOST}/team/app", tag, digest)


@pytest.mark.parametrize(
    ("purl", "reason"),
    [
        pytest.param("pkg:golang/mygit.com/myorg/myapp@234fd47e07d1004f0aed9c", "'golang'", id="no image"),
        pytest.param(f"pkg:oci/myapp@{ENCODED}", "no repository_url", id="the spec's own example"),
        pytest.param(f"pkg:oci/app@{ENCODED}?repository_url={HOST}/team/app", "names no tag", id="no tag"),
        pytest.param("pkg:oci/app?repository_url=ghcr.io/team/app&tag=1", "ghcr.io/team/app", id="another registry"),
        pytest.param("pkg:oci/app?repository_url=team/app&tag=1", "docker.io/team/app", id="no registry"),
    ],
)
def test_a_package_url_of_anything_else_is_ignored_with_the_reason(purl: str, reason: str) -> None:
    found = parsed(purl)
    assert (found.facts, found.problems) == ((), ())
    assert reason in found.ignored[0]


@pytest.mark.parametrize(
    "purl",
    [
        pytest.param("registry.lumen.example/team/app:1", id="no package URL"),
        pytest.param(f"pkg:oci/app@sha256%3A1?repository_url={HOST}/team/app&tag=1", id="a short digest"),
        pytest.param(f"pkg:oci/app?repository_url={HOST}/team/app&tag=%00", id="NUL as the tag"),
        pytest.param(f"pkg:oci/app?repository_url={HOST}/team/app&tag=1&tag=2", id="two tags"),
        pytest.param(f"pkg:oci/?repository_url={HOST}/team/&tag=1", id="no name"),
        pytest.param(f"pkg:oci/app?repository_url={HOST}/../app&tag=1", id="a path that climbs"),
    ],
)
def test_a_package_url_that_could_not_be_pulled_is_a_problem(purl: str) -> None:
    found = parsed(purl)
    assert not found.facts
    assert len(found.problems) == 1


def test_another_event_is_ignored_by_its_name() -> None:
    other = {**EVENT, "context": {**EVENT["context"], "type": "dev.cdevents.pipelinerun.finished.0.3.0"}}
    found = read("cdevents", {**other, "subject": {"id": 1}}, origin=ORIGIN)
    assert found.facts == ()
    assert "pipelinerun.finished" in found.ignored[0]
