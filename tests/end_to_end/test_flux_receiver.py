"""Flux is told to fetch after a merge, whatever becomes of it; and what it then applies is in the history."""

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from pathlib import Path

import pytest

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import APP, ENVIRONMENT, Bridge, fleet, manifest, settings_text, started
from tests.servers.bare_repository import BareRepository
from tests.servers.flux_receiver import ReceiverServer, receiver_server

TOKENS = {"staging": "staging-receiver-token", "production": "production-receiver-token"}
SECRETS = {"RECEIVER_STAGING": TOKENS["staging"], "RECEIVER_PRODUCTION": TOKENS["production"]}


@contextmanager
def receiving_bridge(folder: Path, database: str, clusters: dict[str, ReceiverServer]) -> Iterator[Bridge]:
    """A bridge that knows the Receivers of these clusters."""
    config = BareRepository.create(folder / "fleet.git")
    config.commit("main", fleet())
    receivers = "".join(
        f'\n      {name}: {{url: "{one.url}", secret: {{env: RECEIVER_{name.upper()}}}}}'
        for name, one in clusters.items()
    )
    with DemoRegistry() as registry:
        registry.put(APP, "1.0.0", manifest(f"{APP}:1.0.0"))
        forge = f"{{kind: local}}\n    receivers:{receivers}"
        settings = settings_text(folder, str(config.path), registry.host, database, forge=forge)
        environment = {**ENVIRONMENT, **SECRETS}
        with started(folder, settings, config=config, registry=registry, environment=environment) as bridge:
            yield bridge


@pytest.fixture
def clusters() -> Iterator[dict[str, ReceiverServer]]:
    """The Receivers of two clusters."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(receiver_server(token)) for name, token in TOKENS.items()}


def merge(bridge: Bridge, tag: str) -> str:
    """Push a tag and merge it into staging; returns the merge commit."""
    bridge.push_image(tag)
    merged = bridge.forge.merge(bridge.wait_for_pull("staging", tag).number, by="mira").merge_commit
    assert merged is not None
    bridge.wait_for_state("staging", tag, "merged")
    return merged


def test_each_cluster_is_told_of_the_merge_and_tells_what_it_applied(
    tmp_path: Path, database_url: str, clusters: dict[str, ReceiverServer]
) -> None:
    with receiving_bridge(tmp_path, database_url, clusters) as bridge:
        commit = merge(bridge, "1.1.0")
        for receiver in clusters.values():
            receiver.wait_for_requests(1)
            assert [json.loads(body) for body in receiver.bodies] == [{"revision": f"main@sha1:{commit}"}]
        bridge.apply("staging", commit)
        [stage] = bridge.wait_for("staging", lambda: bridge.applied_stages("1.1.0"))
        assert stage["stage"] == "staging"
        bridge.settle()
    assert [receiver.requests for receiver in clusters.values()] == [1, 1]


def test_a_receiver_that_refuses_costs_nothing_and_the_log_keeps_its_path_to_itself(
    tmp_path: Path, sqlite_url: str, clusters: dict[str, ReceiverServer], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "fluxbridge.outbox")
    clusters["staging"].answers += [HTTPStatus.NOT_FOUND]
    with receiving_bridge(tmp_path, sqlite_url, clusters) as bridge:
        merge(bridge, "1.1.0")
        for receiver in clusters.values():
            receiver.wait_for_requests(1)
        second = merge(bridge, "1.2.0")
        clusters["staging"].wait_for_requests(2)
        assert bridge.items("/lanes")[0]["attempts"] == 0
        told = bridge.told()
    assert json.loads(clusters["staging"].bodies[-1]) == {"revision": f"main@sha1:{second}"}
    written = caplog.text + told
    assert not any(secret in written for secret in (*TOKENS.values(), clusters["staging"].path))
