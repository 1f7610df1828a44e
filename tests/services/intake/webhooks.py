"""Webhooks to interpret by hand, one after the other, against a real registry, a real Jenkins and a real database."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select

from app.clients.jenkins.controller import Jenkins
from app.clients.registry.oci import OCIRegistry
from app.core.images import ImageName
from app.core.policies.advance import choice_among
from app.core.policies.selection import compile_policy
from app.core.policies.spec import Alphabetical, PolicySpec, SemVer
from app.core.ports import Registry
from app.core.promotion.consent import is_candidate
from app.db import builds, catalogue, deliveries, lanes, pushes, selections
from app.db.catalogue import KnownTag
from app.db.database import Database
from app.db.deliveries import DeliveryRow, NewDelivery
from app.db.delivery_claims import ClaimedDelivery
from app.demo.registry import DemoRegistry
from app.senders.sender import Keys, Origin
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.catalogue.tag_states import states_of_all
from app.services.heads.judge import Judge
from app.services.intake.interpret import Interpreter
from app.services.systems import ConfigRepo, Source, Systems
from tests.db.facts import claim_next, reports_of
from tests.servers.jenkins import JenkinsServer

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)
ALIAS = "registry.acme.example"
COMMIT = "a" * 40
MAIN, NEXT, OTHER = "fleet:main", "fleet:next", "other:main"
CHOICES = (PolicySpec(SemVer("*-0")), PolicySpec(Alphabetical()))
JSON = {"content-type": "application/json", "x-signature-timestamp": "1760000123"}
_NOTIFICATION = Path(__file__).parents[2] / "payloads" / "webhooks" / "jenkins-notification-completed.json"


@dataclass
class Site:
    """Fluxbridge's facts and what surrounds them; `wakes` counts how often lanes were told to be due."""

    database: Database
    registry: DemoRegistry
    jenkins: JenkinsServer
    systems: Systems
    now: datetime = NOW
    wakes: int = 0
    _sent: int = field(default=0)

    @property
    def image(self) -> ImageName:
        """The app, under its registry's own host."""
        return ImageName(self.registry.host, "team/app")

    def swap_registry(self, registry: Registry) -> None:
        """Let another registry answer in place of the real one."""
        self.systems = replace(self.systems, registries={self.registry.host: registry})

    def change_source(self, name: str, **changes: Any) -> None:
        """Say something else of a source."""
        changed = replace(self.systems.sources[name], **changes)
        self.systems = replace(self.systems, sources={**self.systems.sources, name: changed})

    def keep(self, source: str, body: bytes, headers: Mapping[str, str] = JSON, *, external_id: str = "") -> str:
        """Keep a delivery, by default as one that was never sent before; returns its id."""
        self._sent += 1
        kind = self.systems.sources[source].kind if source in self.systems.sources else "jenkins"
        new = NewDelivery(
            source=source,
            kind=kind,
            external_id=external_id or f"delivery {self._sent}",
            headers=headers,
            body=body,
            received_at=self.now,
        )
        wakes = self.wakes
        with self.database.transaction() as connection:
            kept = deliveries.keep(connection, new)
        self.wakes = wakes
        return kept

    def claim(self, owner: str = "tests") -> ClaimedDelivery:
        """Take the delivery that is due."""
        with self.database.transaction() as connection:
            claim = claim_next(connection, owner=owner, now=self.now, lease=LEASE)
        assert claim is not None
        return claim

    def interpreter(self, database: Database | None = None) -> Interpreter:
        """What interprets, over this database or another view of it."""
        return Interpreter(database or self.database, self.systems, lambda: self.now, ReadyPolicies())

    def interpret(self) -> DeliveryRow:
        """Interpret the delivery that is due and tell what became of it."""
        claim = self.claim()
        self.interpreter().interpret(claim)
        self.check_choices()
        return self.delivery(claim.id)

    def send(self, source: str, body: bytes, headers: Mapping[str, str] = JSON) -> DeliveryRow:
        """Keep a delivery and interpret it."""
        self.keep(source, body, headers)
        return self.interpret()

    def check_choices(self) -> None:
        """What is kept of the app's choices is what a full evaluation chooses."""
        states = states_of_all(self.database, self.image)
        with self.database.transaction() as connection:
            stored = {row.spec_hash: row.stored_choice for row in selections.of_image(connection, self.image)}
        tags = [tag for tag, state in states.items() if is_candidate(state)]
        for spec in CHOICES:
            assert stored[spec.fingerprint()] in {None, choice_among(compile_policy(spec), tags)}

    def delivery(self, delivery_id: str) -> DeliveryRow:
        """How a delivery stands."""
        with self.database.transaction() as connection:
            row = deliveries.find(connection, delivery_id)
        assert row is not None
        return row

    def put_image(self, tag: str, content: str = "") -> str:
        """Put an image into the registry, or replace it, without telling anyone; returns its digest."""
        return self.registry.put("team/app", tag, manifest(content or tag))

    def tag(self, tag: str, image: ImageName | None = None) -> KnownTag | None:
        """What the catalogue knows of a tag."""
        with self.database.transaction() as connection:
            return catalogue.find_tag(connection, image or self.image, tag)

    def wanted(self) -> dict[str, int]:
        """How often each lane was wanted since it became known."""
        with self.database.transaction() as connection:
            return {row.key: row.wanted - 1 for row in lanes.every(connection)}

    def builds(self) -> Sequence[builds.BuildRow]:
        """Every build, newest first."""
        with self.database.transaction() as connection:
            return builds.page(connection, limit=100).items

    def facts(self) -> dict[str, object]:
        """Everything that is stored of builds, tags and pushes, without who told it and when."""
        told = pushes.pushes.c
        with self.database.transaction() as connection:
            repositories = catalogue.page_of_repositories(connection, limit=100).items
            images = [ImageName.of_repository(one.image) for one in repositories]
            return {
                "builds": [
                    (one.controller, one.job, one.number, one.result.value, one.commit, one.is_ours)
                    for one in builds.page(connection, limit=100).items
                ],
                "artifacts": {
                    (one.job, one.number, str(image), one.tag, one.digest)
                    for image in images
                    for one in reports_of(connection, image)
                },
                "tags": {
                    (one.image, one.tag, one.digest, one.is_gone)
                    for image in images
                    for one in catalogue.tags_after(connection, image, "", limit=10_000)
                },
                "pushes": sorted(tuple(row) for row in connection.execute(select(told.image, told.tag, told.digest))),
            }

    def _wake(self) -> None:
        self.wakes += 1


@contextmanager
def running_site(database: Database) -> Iterator[Site]:
    """Such a site with a registry and a Jenkins of its own."""
    with DemoRegistry() as registry, JenkinsServer() as jenkins:
        opened = open_site(database, registry, jenkins)
        with closing(opened.systems):
            yield opened


def open_site(database: Database, registry: DemoRegistry, jenkins: JenkinsServer) -> Site:
    """Two config repositories, of which `fleet` uses the app's image on both of its base branches."""
    oci = OCIRegistry(registry.host, plain_http=True)
    kinds = {
        "jenkins": Origin("ci", jenkins="main", jenkins_url=jenkins.url),
        "jenkins-notification": Origin("plugin", jenkins="main", jenkins_url=jenkins.url),
        "distribution": Origin("registry", registry=registry.host),
        "github": Origin("github"),
        "flux": Origin("prod-eu", cluster="prod-eu"),
    }
    sources = {
        origin.source: Source(
            name=origin.source,
            kind=kind,
            origin=origin,
            keys=Keys,
            jobs=("team/*",) if "jenkins" in kind else (),
            images=(f"{registry.host}/team/*",),
            config_repo="fleet" if kind == "flux" else None,
            root="clusters/prod-eu" if kind == "flux" else "",
        )
        for kind, origin in kinds.items()
    }
    systems = Systems(
        sources=sources,
        jenkins={"main": Jenkins("main", jenkins.url)},
        registries={registry.host: oci},
        aliases={ALIAS: registry.host},
        config_repos={"fleet": config_repo("fleet", ("main", "next")), "other": config_repo("other", ("main",))},
        closers=(oci.close,),
    )
    site = Site(database, registry, jenkins, systems)
    with database.transaction() as connection:
        for repo in systems.config_repos.values():
            for branch in repo.branches:
                lanes.ensure(connection, repo.name, branch, NOW)
        lanes.replace_images(connection, MAIN, [site.image])
    judge = Judge(database=database, systems=systems, ready=ReadyPolicies(), clock=lambda: NOW)
    judge.evaluate(site.image, CHOICES)
    database.when_told(site._wake)
    return site


def config_repo(name: str, branches: tuple[str, ...]) -> ConfigRepo:
    """A config repository whose Git and forge nobody asks."""
    nothing: Any = None
    return ConfigRepo(
        name=name,
        repository=nothing,
        forge=nothing,
        forge_repository=f"acme/{name}",
        refs=dict,
        refs_every=timedelta(seconds=1),
        branches=branches,
        prefix="fluxbridge",
    )


def manifest(content: str) -> bytes:
    """A manifest with a digest of its own."""
    return json.dumps({"schemaVersion": 2, "config": {"digest": content}, "layers": []}).encode()


def digest_of(content: str) -> str:
    """The digest of that manifest."""
    return f"sha256:{hashlib.sha256(manifest(content)).hexdigest()}"


def build_report(image: ImageName | str, tag: str, digest: str | None, *, number: int = 1, **changes: Any) -> bytes:
    """The signed report of a build that names one image; `changes` replace keys, those of `git` one by one."""
    git = {"url": "https://git.acme.example/team/app.git", "commit": COMMIT, "branch": "main"}
    report = {
        "schema": 1,
        "job": "team/app/main",
        "build_number": number,
        "result": "SUCCESS",
        "finished_at": "2026-11-21T11:59:00Z",
        "images": [{"repository": str(image), "tag": tag, "digest": digest}],
        **{name: value for name, value in changes.items() if name != "git"},
        "git": {**git, **changes.get("git", {})},
    }
    return json.dumps(report).encode()


def push_event(tag: str, digest: str | None, *, path: str = "team/app", **target: Any) -> dict[str, Any]:
    """One push as the registry tells it; `target` adds to what it is about."""
    return {
        "id": "1",
        "timestamp": "2026-11-21T11:58:00Z",
        "action": "push",
        "target": {"repository": path, "tag": tag, "digest": digest, **target},
    }


def delete_event(*, path: str = "team/app", **target: Any) -> dict[str, Any]:
    """One deletion as the registry tells it."""
    return {"id": "1", "action": "delete", "target": {"repository": path, **target}}


def envelope(*events: Any) -> bytes:
    """A notification of the registry."""
    return json.dumps({"events": events}).encode()


def notification(number: int = 1, *, job: str = "team/app/main", **build: Any) -> bytes:
    """What the Jenkins plugin sends at the end of a build, after the plugin's own example."""
    example = json.loads(_NOTIFICATION.read_text())
    url = "".join(f"job/{name.replace('%', '%25')}/" for name in job.split("/"))
    told = {name: value for name, value in example["build"].items() if name != "full_url"}
    return json.dumps({**example, "url": url, "build": {**told, "number": number, **build}}).encode()


def branch_event(branch: str, *, repository: str = "acme/fleet", after: str = COMMIT) -> bytes:
    """GitHub tells that a branch moved."""
    return json.dumps({"ref": f"refs/heads/{branch}", "after": after, "repository": {"full_name": repository}}).encode()


def pull_request_event(base: str, *, repository: str = "acme/fleet", head: str = "fluxbridge/main/all/app") -> bytes:
    """GitHub tells that a pull request was closed."""
    sides = {"head": {"ref": head, "repo": {"full_name": repository}}, "base": {"ref": base}}
    told = {"action": "closed", "number": 4, "pull_request": sides, "repository": {"full_name": repository}}
    return json.dumps(told).encode()


def github(event: str) -> dict[str, str]:
    """The headers that GitHub sends along."""
    return {**JSON, "x-github-event": event}


def flux_event(
    commit: str = COMMIT,
    *,
    at: datetime = NOW,
    name: str = "apps",
    kind: str = "Kustomization",
    is_failure: bool = False,
) -> bytes:
    """Flux tells how it fared with a commit."""
    success = {"Kustomization": "ReconciliationSucceeded", "HelmRelease": "UpgradeSucceeded"}[kind]
    return json.dumps(
        {
            "involvedObject": {"kind": kind, "namespace": "flux-system", "name": name},
            "severity": "error" if is_failure else "info",
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "reason": "HealthCheckFailed" if is_failure else success,
            "message": "health check failed" if is_failure else "done",
            "metadata": {"revision": f"main@sha1:{commit}"},
        }
    ).encode()
