"""A real server process, killed at the worst moment: between the push of a branch and its pull request."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from app.demo.registry import DemoRegistry
from app.settings.loading import load
from app.settings.own_files import address_file, token_file
from tests.cli.console import read_until, start
from tests.end_to_end.bridge import APP, ENVIRONMENT, fleet, manifest, registry_event, settings_text
from tests.end_to_end.databases import both_databases
from tests.servers.github import github_server

_BOT, _TOKEN = "fluxbridge-bot", "ghp_bot"


@contextmanager
def _process(settings_file: Path, folder: Path) -> Iterator[tuple["subprocess.Popen[str]", httpx.Client]]:
    """A server process that listens, and its API."""
    process = start("serve", settings_file=settings_file, folder=folder)
    try:
        read_until(process.stderr, "listening")
        settings = load(settings_file, ENVIRONMENT)
        headers = {"Authorization": f"Bearer {token_file(settings).read_text()}"}
        url = address_file(settings).read_text().strip()
        with httpx.Client(base_url=url, headers=headers, trust_env=False) as api:
            yield process, api
    finally:
        process.kill()
        process.communicate()


@both_databases
def test_killed_between_push_and_opening_it_opens_exactly_one_pull_request(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, secret in {**ENVIRONMENT, "GITHUB_TOKEN": _TOKEN}.items():
        monkeypatch.setenv(name, secret)
    with DemoRegistry() as registry, github_server(tmp_path, {_BOT: _TOKEN}) as github:
        registry.put(APP, "1.0.0", manifest("1.0.0"))
        digest = registry.put(APP, "1.1.0", manifest("1.1.0"))
        github.push("main", fleet(), by=_BOT)
        at_once = "paced: false, update_every_s: 0"
        where = f'repository: acme/fleet, api_url: "{github.api_url}", token: {{env: GITHUB_TOKEN}}, {at_once}'
        forge = f"{{kind: github, {where}}}"
        settings_file = tmp_path / "fluxbridge.yaml"
        settings = settings_text(tmp_path, github.git_url, registry.host, database_url, forge=forge)
        settings_file.write_text(settings.replace("workers: 4", "workers: 4, lease_s: 2.0"))
        github.break_next("hang", method="POST", path_ending="/pulls")
        with _process(settings_file, tmp_path) as (process, api):
            body, headers = registry_event(APP, "1.1.0", digest, host=registry.host)
            assert api.post("/webhooks/registry", content=body, headers=headers).status_code == 202
            assert github.fault_taken.wait(20)
            process.kill()
        assert github._pulls.every() == []
        pushed = github.repository.git("for-each-ref", "refs/heads/fluxbridge")
        assert pushed
        with _process(settings_file, tmp_path) as (process, _):
            read_until(process.stderr, "lane reconciled")
        assert len(github._pulls.every()) == 1
        assert github._pulls.find(1).title == "Promote app 1.0.0 to 1.1.0 in staging"
        assert github.repository.git("for-each-ref", "refs/heads/fluxbridge") == pushed
