"""Charts of a classic Helm repository: a new version in its index.yaml becomes a pull request, by list or by hint."""

import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from app.core.manifests.kinds.chart_lock import Dependency, lock_digest
from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import ENVIRONMENT, Bridge, settings_text, started
from tests.end_to_end.databases import both_databases
from tests.servers.bare_repository import BareRepository
from tests.servers.helm_repository import HelmRepository, digest_of

SECRET = "secret-of-the-nexus"
SHOP = Dependency(name="shop", version="1.2.0", repository="https://charts.acme.example/stable/")
COMMON = Dependency(name="common", version="2.31.4", repository="https://charts.bitnami.example/all")
RELEASE, CHART, LOCK = (f"apps/staging/{name}" for name in ("release.yaml", "shop/Chart.yaml", "shop/Chart.lock"))
RULES = """\
stages:
  staging: {paths: [apps/staging]}
policies:
  - {name: shop, chart: "https://charts.acme.example/stable/shop", policy: {semver: {range: 1.x}}}
fields:
  - {policy: flux-system/shop, files: apps/staging/release.yaml, helm_release: spec.chart.spec.version}
  - policy: flux-system/shop
    files: apps/staging/shop/Chart.yaml
    dependency: https://charts.acme.example/stable/shop
"""
SOURCE = """\
apiVersion: source.toolkit.fluxcd.io/v1
kind: HelmRepository
metadata: {name: acme, namespace: flux-system}
spec: {interval: 1h, url: "https://charts.acme.example/stable"}
"""


def release(version: str) -> str:
    return f"""\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {{name: shop, namespace: shop}}
spec:
  interval: 10m
  chart:
    spec:
      chart: shop
      version:   {version}  # the one that runs
      sourceRef: {{kind: HelmRepository, name: acme, namespace: flux-system}}
"""


def umbrella(version: str) -> str:
    listed = "".join(
        f"  - name: {one.name}\n    version: {one.version}\n    repository: {one.repository}\n"
        for one in (COMMON, replace(SHOP, version=version))
    )
    return f"apiVersion: v2\nname: all\nversion: 0.1.0\ndependencies:\n{listed}"


def lock(version: str) -> str:
    both = [COMMON, replace(SHOP, version=version)]
    listed = "".join(f"- name: {one.name}\n  repository: {one.repository}\n  version: {one.version}\n" for one in both)
    return f"dependencies:\n{listed}digest: {lock_digest(both, both)}\n"


@contextmanager
def world(folder: Path, database: str, charts: HelmRepository) -> Iterator[Bridge]:
    config = BareRepository.create(folder / "fleet.git")
    files = {RELEASE: release("1.2.0"), CHART: umbrella("1.2.0"), LOCK: lock("1.2.0"), "sources/acme.yaml": SOURCE}
    config.commit("main", {".fluxbridge.yaml": RULES, **files})
    settings = (
        settings_text(
            folder,
            str(config.path),
            "registry.acme.example:1",
            database,
            more_sources=(
                "  nexus: {kind: nexus, registry: charts, hmac: {env: NEXUS}, repositories: {helm-hosted: stable}}\n"
            ),
        )
        .replace(
            "registries: {",
            f'registries: {{charts: {{kind: helm, host: "{charts.host}", aliases: [charts.acme.example], '
            "plain_http: true}, ",
        )
        .replace("aliases: [registry.acme.example]", "aliases: []")
    )
    with (
        DemoRegistry() as unasked,
        started(
            folder, settings, config=config, registry=unasked, environment={**ENVIRONMENT, "NEXUS": SECRET}
        ) as bridge,
    ):
        yield bridge


@pytest.fixture
def charts() -> Iterator[HelmRepository]:
    """A Helm repository with one version of a chart."""
    with HelmRepository() as server:
        server.put("stable", {"shop": ("1.2.0",), "other": ("7.0.0",)})
        yield server


@both_databases
def test_a_new_version_in_the_index_moves_release_chart_and_lock(
    tmp_path: Path, database_url: str, charts: HelmRepository
) -> None:
    with world(tmp_path, database_url, charts) as bridge:
        assert [one["status"] for one in bridge.items("/policies")] == ["selected"]
        charts.put("stable", {"shop": ("2.0.0", "1.3.0+build.5", "1.2.0")})
        assert bridge.api.post("/api/v1/sweeps?name=tags").status_code == 200
        pull = bridge.wait_for_pull("staging", "1.3.0_build.5")
        assert bridge.text(RELEASE, pull.head) == release("1.3.0+build.5")
        assert bridge.text(CHART, pull.head) == umbrella("1.3.0+build.5")
        assert bridge.text(LOCK, pull.head) == lock("1.3.0+build.5")


@both_databases
def test_what_nexus_tells_of_a_chart_is_a_hint(tmp_path: Path, database_url: str, charts: HelmRepository) -> None:
    with world(tmp_path, database_url, charts) as bridge:
        charts.put("stable", {"shop": ("1.3.0", "1.2.0")})
        body = json.dumps(
            {
                "timestamp": "2026-10-09T08:55:19.219+0000",
                "repositoryName": "helm-hosted",
                "action": "CREATED",
                "component": {"format": "helm", "name": "shop", "version": "1.3.0"},
            }
        ).encode()
        signature = hmac.new(SECRET.encode(), body, "sha1").hexdigest()
        headers = {"X-Nexus-Webhook-ID": "rm:repository:component", "X-Nexus-Webhook-Signature": signature}
        assert bridge.post("nexus", body, headers).status_code == 202
        pull = bridge.wait_for_pull("staging", "1.3.0")
        assert bridge.text(RELEASE, pull.head) == release("1.3.0")
        promotion = bridge.promotion("staging", "1.3.0")
        assert promotion is not None
        assert promotion["digest"] == f"sha256:{digest_of('shop', '1.3.0')}"
        assert promotion["image"] == "https://charts.acme.example/stable/shop"
