"""A real docker-registry: what it notifies of by itself becomes pull requests, and takes them back."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.core.ports import PullRequestState
from tests.end_to_end.bridge import APP, deployment, registry_event
from tests.end_to_end.worlds import RegistryWorld, registry_world
from tests.parts import require_program
from tests.servers.registry import INSTALL

EARLIER = ("0.9.0", "1.0.0", "1.0.0-rc.1", "latest")


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[RegistryWorld]:
    """A registry that held four tags before Fluxbridge came."""
    with registry_world(tmp_path, database_url, tags=EARLIER) as running:
        yield running


def _open(world: RegistryWorld) -> list[str]:
    return [pull.head for pull in world.bridge.forge.list_pull_requests(state=PullRequestState.OPEN)]


def test_the_catalogue_is_listed_in_full_before_anything_is_proposed(world: RegistryWorld) -> None:
    assert set(world.catalogue()) == set(EARLIER)
    assert {gone for _, gone in world.catalogue().values()} == {False}
    assert {one["status"] for one in world.bridge.items("/policies")} == {"selected"}
    assert world.bridge.items("/deliveries") == []
    assert _open(world) == []


def test_a_push_by_skopeo_becomes_a_pull_request_with_the_registrys_digest(world: RegistryWorld) -> None:
    digest = world.registry.push_with_skopeo(APP, "1.1.0", "new")
    pull = world.bridge.wait_for_pull("staging", "1.1.0")
    assert world.bridge.text("apps/staging/app.yaml", pull.head) == deployment("1.1.0")
    promotion = world.bridge.promotion("staging", "1.1.0")
    assert promotion is not None
    assert promotion["digest"] == digest
    assert world.catalogue()["1.1.0"] == (digest, False)
    waiting = world.bridge.wait_for_state("production", "1.1.0", "waiting")
    assert "no build has reported digest" in waiting["reason"]


def test_an_image_of_many_platforms_that_is_copied_over_counts_by_its_index(world: RegistryWorld) -> None:
    skopeo = require_program("skopeo", INSTALL)
    index = world.registry.push_index("team/built", "1.1.0", ["amd64", "arm64"])
    source, target = (f"docker://{world.registry.host}/{path}:1.1.0" for path in ("team/built", APP))
    options = ["--all", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"]
    subprocess.run([skopeo, "--insecure-policy", "copy", *options, source, target], check=True, timeout=60)
    world.bridge.wait_for_pull("staging", "1.1.0")
    world.bridge.settle()
    promotion = world.bridge.promotion("staging", "1.1.0")
    assert promotion is not None
    assert promotion["digest"] == index
    assert world.catalogue()["1.1.0"] == (index, False)
    assert len(_open(world)) == 1
    assert {one["state"] for one in world.bridge.items("/deliveries")} == {"done"}


def test_deleting_the_manifest_of_a_tag_closes_its_pull_request(world: RegistryWorld) -> None:
    digest = world.registry.push_with_skopeo(APP, "1.1.0", "new")
    pull = world.bridge.wait_for_pull("staging", "1.1.0")
    world.registry.delete(APP, digest)
    world.bridge.wait_for("the pull request to be closed", lambda: _open(world) == [])
    world.bridge.settle()
    closed = world.bridge.forge.pull_request(pull.number)
    assert (closed.state, closed.closed_by) == (PullRequestState.CLOSED, "fluxbridge")
    assert world.bridge.config.head(pull.head) is None
    assert world.catalogue()["1.1.0"] == (digest, True)
    assert world.bridge.text("apps/staging/app.yaml") == deployment("1.0.0")


def test_a_tag_that_came_back_after_its_deletion_is_proposed_again(world: RegistryWorld) -> None:
    first = world.registry.push_with_skopeo(APP, "1.1.0", "first")
    world.bridge.wait_for_pull("staging", "1.1.0")
    world.registry.delete(APP, first)
    world.bridge.wait_for("the pull request to be closed", lambda: _open(world) == [])
    second = world.registry.push_with_skopeo(APP, "1.1.0", "second")
    world.bridge.wait_for_pull("staging", "1.1.0")
    promotion = world.bridge.promotion("staging", "1.1.0")
    assert promotion is not None
    assert promotion["digest"] == second


def test_deleting_what_a_tag_no_longer_names_changes_nothing(world: RegistryWorld) -> None:
    first = world.registry.push_with_skopeo(APP, "1.1.0", "first")
    world.bridge.wait_for_pull("staging", "1.1.0")
    second = world.registry.push_with_skopeo(APP, "1.1.0", "second")
    world.bridge.wait_for("the tag to move", lambda: world.catalogue()["1.1.0"] == (second, False))
    world.registry.delete(APP, first)
    world.bridge.wait_for("the deletion to be read", lambda: _has_read_deletion(world))
    world.bridge.settle()
    assert world.catalogue()["1.1.0"] == (second, False)
    assert len(_open(world)) == 1


def _has_read_deletion(world: RegistryWorld) -> bool:
    return any("TagDeleted" in one["outcome"] for one in world.bridge.items("/deliveries", state="done"))


def test_a_deletion_that_names_only_a_digest_takes_its_tags_along(tmp_path: Path, database_url: str) -> None:
    with registry_world(tmp_path, database_url, is_silent=True) as world:
        digest = world.registry.push_with_skopeo(APP, "1.1.0", "new")
        push, headers = registry_event(APP, "1.1.0", digest, host=world.registry.host)
        world.bridge.post("registry", push, headers)
        world.bridge.wait_for_pull("staging", "1.1.0")
        world.registry.delete(APP, digest)
        target = {"repository": APP, "digest": digest}
        deletion = {"events": [{"id": "of-the-digest", "action": "delete", "target": target}]}
        world.bridge.post("registry", json.dumps(deletion).encode(), headers)
        world.bridge.wait_for("the pull request to be closed", lambda: _open(world) == [])
        assert world.catalogue()["1.1.0"] == (digest, True)
