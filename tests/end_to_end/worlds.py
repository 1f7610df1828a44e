"""Surroundings beyond the local forge and the demo's registry: a real registry, Jenkins itself, and GitHub."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from app.demo.registry import DemoRegistry
from tests.end_to_end.bridge import (
    APP,
    ENVIRONMENT,
    IMAGE,
    REGISTRY_SECRET,
    Bridge,
    fleet,
    manifest,
    settings_text,
    started,
)
from tests.servers.bare_repository import BareRepository
from tests.servers.github import GitHubServer, github_server
from tests.servers.jenkins import JenkinsServer, build_body
from tests.servers.pulls import Pull
from tests.servers.registry import DockerRegistry, Notified, docker_registry

JENKINS_ACCOUNT = ("fluxbridge", "api-token")
URL_TOKEN, HOOK_LOGIN = "notification-token", ("jenkins", "password-of-the-hook")
PLUGIN_SOURCES = """\
  plugin: {kind: jenkins-notification, jenkins: main, url_token: {env: URL_TOKEN}, jobs: ["team/*"]}
  plugin-basic:
    {kind: jenkins-notification, jenkins: main, basic: {user: jenkins, password: {env: HOOK_PASSWORD}}}
"""
BOT, BOT_TOKEN, MIRA, GITHUB_SECRET = "fluxbridge-bot", "ghp_never-to-be-seen", "mira", "It's a Secret to Everybody"
LABELLED_RULES = """\
stages:
  staging: {paths: [apps/staging], labels: [staging, automated]}
  production: {paths: [apps/production], labels: [production], requires: {build: success}}
"""
# Writes down each ref that somebody tries to move by git, whether it is then protected or not.
_WITNESS = """#!/bin/sh
tee -a attempts | hooks/protection
"""
_EXAMPLE = Path(__file__).parent.parent / "payloads" / "webhooks" / "jenkins-notification-completed.json"


@dataclass(frozen=True, slots=True)
class RegistryWorld:
    """Fluxbridge over a real docker-registry, which tells it of each push by itself."""

    bridge: Bridge
    registry: DockerRegistry

    def catalogue(self) -> dict[str, tuple[str | None, bool]]:
        """Each known tag of the app with its digest and whether it is gone."""
        listed = self.bridge.items("/images/tags", image=IMAGE)
        return {one["tag"]: (one["digest"], one["is_gone"]) for one in listed}


@contextmanager
def registry_world(
    folder: Path, database: str, *, tags: tuple[str, ...] = ("1.0.0",), is_silent: bool = False
) -> Iterator[RegistryWorld]:
    """Run both. `tags` are pushed before, and nobody tells Fluxbridge of those; a silent registry never notifies.

    Each must know the other's address first: the registry stops, and comes back on its port with its notifications.
    """
    config = BareRepository.create(folder / "fleet.git")
    config.commit("main", fleet())
    # The bridge's own registry stays empty and nobody asks it.
    with DemoRegistry() as unasked, ExitStack() as earlier:
        silent = earlier.enter_context(docker_registry(folder))
        for tag in tags:
            silent.push_with_skopeo(APP, tag, f"{APP}:{tag}")
        settings = settings_text(folder, str(config.path), silent.host, database)
        with started(folder, settings, config=config, registry=unasked) as bridge:
            earlier.close()
            notified = Notified(f"{bridge.url}/webhooks/registry", {"Authorization": REGISTRY_SECRET})
            port = int(silent.host.rpartition(":")[2])
            with docker_registry(folder, notified=None if is_silent else notified, port=port) as registry:
                yield RegistryWorld(bridge, registry)


@dataclass(frozen=True, slots=True)
class JenkinsWorld:
    """Fluxbridge beside a Jenkins whose Notification plugin posts to it."""

    bridge: Bridge
    jenkins: JenkinsServer

    def build(self, tag: str, *, job: str = "team/app/main", number: int = 1, result: str | None = "SUCCESS") -> None:
        """Put a build into Jenkins that names the image of a tag; with `result` None it still runs."""
        parameters = {"IMAGE": IMAGE, "IMAGE_TAG": tag, "IMAGE_DIGEST": self.bridge.digest(tag)}
        branch = job.rpartition("/")[2].replace("%2F", "/")
        self.jenkins.put_build(job, build_body(number, result=result, branch=branch, parameters=parameters))

    def notify(self, *, job: str = "team/app/main", number: int = 1, **changes: Any) -> httpx.Response:
        """Post what the plugin sends; `changes` replace keys of its `build`."""
        body = self.notification(job=job, number=number, **changes)
        return self.bridge.post(f"plugin?token={URL_TOKEN}", body, {"Content-Type": "application/json"})

    def notification(self, *, job: str, number: int, **changes: Any) -> bytes:
        """The plugin's own example, made to be about a build of ours."""
        example = json.loads(_EXAMPLE.read_text())
        path = "".join(f"job/{name.replace('%', '%25')}/" for name in job.split("/"))
        build = {"number": number, "url": f"{path}{number}/", "full_url": f"{self.jenkins.url}/{path}{number}/"}
        name = job.rpartition("/")[2]
        told = {"name": name, "display_name": name.replace("%2F", "/"), "url": path}
        return json.dumps({**example, **told, "build": {**example["build"], **build, **changes}}).encode()

    def delivery(self, state: str = "done") -> Mapping[str, Any]:
        """The newest delivery of the plugin once it is done, or waits because it was put off."""

        def look() -> Mapping[str, Any] | None:
            newest = next(iter(self.bridge.items("/deliveries", source="plugin")), None)
            is_there = newest is not None and newest["state"] == state and (state == "done" or newest["error"])
            return newest if is_there else None

        return self.bridge.wait_for(f"a delivery of the plugin to be {state}", look)


@contextmanager
def jenkins_world(folder: Path, database: str, *, more_sources: str = PLUGIN_SOURCES) -> Iterator[JenkinsWorld]:
    """Run both; Jenkins asks for an account and for crumbs."""
    user, token = JENKINS_ACCOUNT
    environment = {**ENVIRONMENT, "JENKINS_TOKEN": token, "URL_TOKEN": URL_TOKEN, "HOOK_PASSWORD": HOOK_LOGIN[1]}
    config = BareRepository.create(folder / "fleet.git")
    config.commit("main", fleet())
    with DemoRegistry() as registry, JenkinsServer(account=JENKINS_ACCOUNT, has_crumbs=True) as jenkins:
        registry.put(APP, "1.0.0", manifest(f"{APP}:1.0.0"))
        settings = settings_text(
            folder,
            str(config.path),
            registry.host,
            database,
            jenkins=f'{{url: "{jenkins.url}", user: {user}, token: {{env: JENKINS_TOKEN}}}}',
            more_sources=more_sources,
        )
        with started(folder, settings, config=config, registry=registry, environment=environment) as bridge:
            yield JenkinsWorld(bridge, jenkins)


@dataclass(frozen=True, slots=True)
class GitHubWorld:
    """Fluxbridge over a GitHub whose webhooks it gets, and the people there."""

    bridge: Bridge
    github: GitHubServer

    def pulls(self) -> list[Pull]:
        """Every pull request, newest first."""
        return self.github._pulls.every()

    def open_pulls(self, stage: str = "staging") -> list[int]:
        """The numbers of those that are open from our branch of a stage."""
        return [pull.number for pull in self.pulls() if pull.is_open and pull.head.split("/")[2:3] == [stage]]

    def wait_for_pull(self, stage: str, tag: str) -> Pull:
        """Wait until a tag is proposed for a stage, and the history knows it."""

        def look() -> Pull | None:
            promotion = self.bridge.promotion(stage, tag, "proposed")
            return self.github._pulls.find(promotion["pull_request"]["number"]) if promotion else None

        return self.bridge.wait_for(f"a pull request for {tag} in {stage}", look)

    def tried_refs(self) -> set[str]:
        """Every ref that anyone tried to move by git, whether it was let or not."""
        lines = (self.github.repository.path / "attempts").read_text().splitlines()
        return {line.split(" ", 2)[2] for line in lines}


@contextmanager
def github_world(folder: Path, database: str) -> Iterator[GitHubWorld]:
    """Run both; main is protected, and at the end every exchange must be as GitHub describes it."""
    environment = {**ENVIRONMENT, "GITHUB_TOKEN": BOT_TOKEN, "GITHUB_HOOK": GITHUB_SECRET}
    with DemoRegistry() as registry, github_server(folder, {BOT: BOT_TOKEN, MIRA: "ghp_mira"}) as github:
        registry.put(APP, "1.0.0", manifest(f"{APP}:1.0.0"))
        github.push("main", {**fleet(), ".fluxbridge.yaml": LABELLED_RULES}, by=MIRA)
        _protect_main(github)
        forge = f'kind: github, repository: acme/fleet, api_url: "{github.api_url}", token: {{env: GITHUB_TOKEN}}'
        settings = settings_text(
            folder,
            github.git_url,
            registry.host,
            database,
            forge=f"{{{forge}, paced: false, update_every_s: 0}}",
            more_sources="  github: {kind: github, secret: {env: GITHUB_HOOK}}\n",
        )
        with started(folder, settings, config=github.repository, registry=registry, environment=environment) as bridge:
            github.send_webhooks_to(f"{bridge.url}/webhooks/github", GITHUB_SECRET)
            yield GitHubWorld(bridge, github)
        github.check_exchanges()


def _protect_main(github: GitHubServer) -> None:
    github.protect_main()
    hooks = github.repository.path / "hooks"
    (hooks / "pre-receive").rename(hooks / "protection")
    (hooks / "pre-receive").write_text(_WITNESS)
    (hooks / "pre-receive").chmod(0o755)
