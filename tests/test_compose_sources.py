"""Sources are put together by their shape; what proves a kind is said beside its sender."""

from pathlib import Path
from typing import get_args

import pytest

from app.compose.sources import ProofNotTaken, RepositoriesNotTaken, compose_sources, unfit_sources
from app.senders import SENDERS
from app.settings.loading import InvalidSettings, load
from app.settings.models import Settings
from app.settings.sources.registries import RegistryKind

SECRET = "a-secret-that-is-long-enough"
LOGIN = "{user: hub, password: {env: S}}"


def settings(folder: Path, proof: str, kind: str = "distribution") -> Settings:
    path = folder / "fluxbridge.yaml"
    path.write_text(
        "registries: {acme: {host: registry.acme.example, aliases: [registry.old.example]}}\n"
        f"sources: {{hub: {{kind: {kind}, registry: acme, {proof}}}}}\n",
        encoding="utf-8",
    )
    return load(path, {"S": SECRET})


def test_a_registry_proves_itself_by_what_its_kind_sends(tmp_path: Path) -> None:
    [source] = compose_sources(settings(tmp_path, "header: {Authorization: {env: S}}")).values()
    assert source.keys().headers == {"authorization": (SECRET,)}
    assert (source.kind, source.origin.registry) == ("distribution", "registry.acme.example")


@pytest.mark.parametrize(
    "proof",
    [
        pytest.param("hmac: {env: S}", id="hmac"),
        pytest.param("url_token: {env: S}", id="url_token"),
        pytest.param(f"basic: {LOGIN}", id="basic"),
    ],
)
def test_a_proof_that_its_kind_does_not_have_is_refused_by_its_key(tmp_path: Path, proof: str) -> None:
    read = settings(tmp_path, proof)
    with pytest.raises(ProofNotTaken) as refused:
        compose_sources(read)
    key = proof.partition(":")[0]
    assert str(refused.value) == f"sources.hub.{key} is nothing that a distribution sends: write header in its place"
    assert unfit_sources(read) == {"sources.hub": str(refused.value)}


def test_each_kind_of_registry_has_a_sender_that_speaks_for_one() -> None:
    assert {kind for kind, sender in SENDERS.items() if sender.speaks_for == "registry"} == set(get_args(RegistryKind))


@pytest.mark.parametrize("kind", get_args(RegistryKind))
def test_each_kind_takes_what_its_sender_says_and_nothing_else(tmp_path: Path, kind: str) -> None:
    proofs = {
        "headers": "header: {X-Key: {env: S}}",
        "secrets": "hmac: {env: S}",
        "url_tokens": "url_token: {env: S}",
        "basic": f"basic: {LOGIN}",
    }
    taken = {each for each, proof in proofs.items() if not unfit_sources(settings(tmp_path, proof, kind))}
    assert taken == set(SENDERS[kind].needs)


def test_a_source_knows_its_registry_by_all_its_names_and_where_its_repositories_are(tmp_path: Path) -> None:
    read = settings(tmp_path, 'hmac: {env: S}, repositories: {docker-local: team/docker, docker-hosted: ""}', "jfrog")
    [source] = compose_sources(read).values()
    assert source.origin.registry_aliases == ("registry.old.example",)
    assert source.origin.repositories == {"docker-local": "team/docker", "docker-hosted": ""}


def test_repositories_are_refused_where_what_is_sent_names_none(tmp_path: Path) -> None:
    read = settings(tmp_path, "header: {X-Key: {env: S}}, repositories: {a: b}", "harbor")
    with pytest.raises(RepositoriesNotTaken, match=r"sources\.hub\.repositories"):
        compose_sources(read)
    assert list(unfit_sources(read)) == ["sources.hub"]


@pytest.mark.parametrize("path", ["/a", "a/", "A", "a//b", "../a"])
def test_a_path_below_a_registry_is_such_as_images_have(tmp_path: Path, path: str) -> None:
    with pytest.raises(InvalidSettings, match="must be a path such as docker-local"):
        settings(tmp_path, f"hmac: {{env: S}}, repositories: {{a: {path}}}", "jfrog")
