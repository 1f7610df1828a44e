"""Sources are put together by their shape; what proves a kind is said beside its sender."""

from pathlib import Path
from typing import get_args

import pytest

from app.compose.sources import ProofNotTaken, compose_sources, unfit_sources
from app.senders import SENDERS
from app.settings.loading import load
from app.settings.models import Settings
from app.settings.sources.registries import RegistryKind

SECRET = "a-secret-that-is-long-enough"
LOGIN = "{user: hub, password: {env: S}}"


def settings(folder: Path, proof: str) -> Settings:
    path = folder / "fluxbridge.yaml"
    path.write_text(
        "registries: {acme: {host: registry.acme.example}}\n"
        f"sources: {{hub: {{kind: distribution, registry: acme, {proof}}}}}\n",
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
