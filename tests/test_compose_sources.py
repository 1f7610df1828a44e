"""Sources are put together by their shape; what proves a kind is said beside its sender."""

from pathlib import Path
from typing import get_args

import pytest

from app.compose.id_tokens import KeysFileUnusable
from app.compose.sources import (
    ProofNotTaken,
    RepositoriesNotTaken,
    compose_sources,
    unfit_sources,
)
from app.core.errors import FluxbridgeError
from app.senders import SENDERS
from app.senders.sender import IdTokens
from app.services.systems import Source
from app.settings.loading import InvalidSettings, load
from app.settings.models import Settings
from app.settings.sources.jenkins import JenkinsHintKind
from app.settings.sources.registries import RegistryKind
from tests.senders.id_tokens import KEY_ID, key_set

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
        "id_tokens": "oidc: {audience: a, account: b@acme.iam.gserviceaccount.com}",
    }
    body = ", body: {image: image, tag: tag}" if kind == "generic" else ""
    taken = {each for each, proof in proofs.items() if not unfit_sources(settings(tmp_path, f"{proof}{body}", kind))}
    assert taken == set(SENDERS[kind].needs)


def hint(folder: Path, proof: str, kind: str) -> Settings:
    path = folder / "fluxbridge.yaml"
    path.write_text(
        "jenkins: {main: {url: https://ci.acme.example/}}\n"
        f"sources: {{hub: {{kind: {kind}, jenkins: main, jobs: [team/*], {proof}}}}}\n",
        encoding="utf-8",
    )
    return load(path, {"S": SECRET})


def test_each_plugin_of_jenkins_has_a_sender_of_its_own() -> None:
    kinds = {kind for kind, sender in SENDERS.items() if sender.speaks_for == "jenkins"}
    assert kinds == {"jenkins", *get_args(JenkinsHintKind)}


@pytest.mark.parametrize("kind", get_args(JenkinsHintKind))
def test_each_plugin_of_jenkins_takes_what_its_sender_says(tmp_path: Path, kind: str) -> None:
    proofs = {"url_tokens": "url_token: {env: S}", "basic": f"basic: {LOGIN}"}
    taken = {each for each, proof in proofs.items() if not unfit_sources(hint(tmp_path, proof, kind))}
    assert taken == set(SENDERS[kind].needs)


@pytest.mark.parametrize("kind", get_args(JenkinsHintKind))
def test_a_plugin_speaks_for_its_jenkins_and_its_jobs(tmp_path: Path, kind: str) -> None:
    source = compose_sources(hint(tmp_path, "url_token: {env: S}", kind))["hub"]
    assert (source.kind, source.keys().url_tokens) == (kind, (SECRET,))
    assert (source.origin.jenkins, source.origin.jenkins_url) == ("main", "https://ci.acme.example")
    assert [source.may_report_job(job) for job in ("team/app", "other/app")] == [True, False]


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


def composed(folder: Path, source: str) -> Source:
    path = folder / "fluxbridge.yaml"
    path.write_text(
        "registries: {acme: {host: registry.acme.example, aliases: ['mirror.acme.example:5000']}}\n"
        "jenkins: {main: {url: https://ci.acme.example/}}\n"
        f"sources: {{hub: {{registry: acme, {source}}}}}\n",
        encoding="utf-8",
    )
    return compose_sources(load(path, {"S": SECRET}))["hub"]


@pytest.mark.parametrize(("proof", "is_signed"), [("hmac: {env: S}", True), ("url_token: {env: S}", False)])
def test_a_described_body_is_read_by_its_paths_and_its_builds_count_by_its_proof(
    tmp_path: Path, proof: str, *, is_signed: bool
) -> None:
    body = "{image: \"$.push['re.po']\", tag: 'tags[-1]', build: ci.build, jenkins: main, jobs: [team/*]}"
    source = composed(tmp_path, f"kind: generic, {proof}, body: {body}")
    origin = source.origin
    assert origin.paths == {"image": ("push", "re.po"), "tag": ("tags", -1), "build": ("ci", "build")}
    assert (origin.jenkins, origin.jenkins_url, origin.is_signed) == ("main", "https://ci.acme.example", is_signed)
    assert (origin.registry, origin.registry_aliases) == ("registry.acme.example", ("mirror.acme.example:5000",))
    assert [source.may_report_job(job) for job in ("team/app", "other/app")] == [True, False]


def google(place: str) -> str:
    return f"kind: google, oidc: {{audience: https://us.example/hook, account: push@acme.example, {place}}}"


def test_tokens_are_checked_with_the_keys_of_a_file_as_they_are_now(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    tokens = composed(tmp_path, google("keys_file: keys.json")).keys().id_tokens
    assert tokens is not None
    assert (tokens.audience, tokens.account) == ("https://us.example/hook", "push@acme.example")
    with pytest.raises(KeysFileUnusable, match="cannot be read"):
        tokens.signing_keys.current()
    file.write_bytes(b"{}")
    with pytest.raises(KeysFileUnusable, match="keys"):
        tokens.signing_keys.current()
    file.write_bytes(key_set("a-key"))
    assert set(tokens.signing_keys.current() or ()) == {KEY_ID}


def test_composing_asks_no_issuer_for_its_keys(tmp_path: Path) -> None:
    # Nothing may be reached from here: asking at once would fail loudly.
    assert composed(tmp_path, google("keys_url: 'http://192.0.2.1/certs'")).keys().holds("id_tokens")


def keyless(folder: Path, oidc: str, *, jenkins: str = "https://ci.acme.example/jenkins/") -> IdTokens:
    path = folder / "fluxbridge.yaml"
    path.write_text(
        f"jenkins: {{main: {{url: '{jenkins}'}}}}\n"
        f"sources: {{ci: {{kind: jenkins, jenkins: main, oidc: {{audience: a, {oidc}}}}}}}\n",
        encoding="utf-8",
    )
    tokens = compose_sources(load(path, {}))["ci"].keys().id_tokens
    assert tokens is not None
    return tokens


@pytest.mark.parametrize(
    ("issuer", "below"),
    [
        pytest.param("https://ci.acme.example/jenkins/oidc", "", id="of Jenkins"),
        pytest.param("https://ci.acme.example/jenkins/oidc/job/a/job/b", "/job/a/job/b", id="of a folder"),
        pytest.param("https://id.acme.example/, alternative_issuer: true", "", id="another that is named as such"),
    ],
)
def test_an_issuer_of_jenkins_speaks_for_the_jobs_below_it(tmp_path: Path, issuer: str, below: str) -> None:
    tokens = keyless(tmp_path, f"issuer: {issuer}")
    root = "https://ci.acme.example/jenkins"
    assert (tokens.issuer, tokens.jenkins_url) == (issuer.partition(",")[0], root)
    assert tokens.jobs_below == root + below


@pytest.mark.parametrize(
    "issuer",
    [
        "https://ci.acme.example/jenkins/oidc/",
        "https://ci.acme.example/oidc",
        "https://ci.acme.example/jenkins/oidc/x",
        "https://ci.acme.example/jenkins",
        "https://id.acme.example",
    ],
)
def test_an_issuer_that_is_none_of_that_jenkins_is_named_as_such_or_a_mistake(tmp_path: Path, issuer: str) -> None:
    with pytest.raises(InvalidSettings, match=r"is no issuer of jenkins\.main, whose are https://ci"):
        keyless(tmp_path, f"issuer: {issuer}")


def test_the_keys_of_jenkins_may_be_in_a_file_whatever_its_address_is(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_bytes(key_set("a-key"))
    tokens = keyless(tmp_path, "issuer: http://ci.example/oidc, keys_file: keys.json", jenkins="http://ci.example")
    assert set(tokens.signing_keys.current() or ()) == {KEY_ID}
    assert not tokens.signing_keys.doubt()


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param("kind: generic, hmac: {env: S}", "body", id="generic without a body"),
        pytest.param("kind: zot, basic: {user: u, password: {env: S}}, body: {image: a, tag: b}", "body", id="zot"),
        pytest.param("kind: generic, hmac: {env: S}, body: {image: a, tag: 'b[*]'}", "JSON path", id="a wildcard"),
        pytest.param("kind: generic, hmac: {env: S}, body: {image: a, tag: '.b'}", "JSON path", id="a leading dot"),
        pytest.param("kind: generic, hmac: {env: S}, body: {image: a, tag: 'b..c'}", "JSON path", id="two dots"),
        pytest.param("kind: generic, hmac: {env: S}, body: {image: a, tag: $}", "JSON path", id="no step"),
        pytest.param("kind: generic, hmac: {env: S}, body: {image: a, tag: 1}", "tag", id="a number"),
        pytest.param(
            "kind: generic, hmac: {env: S}, body: {image: a, tag: b, jenkins: mian}", "body.jenkins", id="no Jenkins"
        ),
        pytest.param(google("keys_file: k, proxy: http://p.example"), "keys_file", id="keys in two places"),
    ],
)
def test_what_contradicts_itself_is_refused_by_its_key(tmp_path: Path, source: str, problem: str) -> None:
    with pytest.raises(FluxbridgeError, match=problem):
        composed(tmp_path, source)


@pytest.mark.parametrize(
    ("more", "registry", "config_repo"),
    [
        pytest.param("", None, None, id="neither"),
        pytest.param(", registry: acme", "registry.acme.example", None, id="packages"),
    ],
)
def test_a_gitea_names_what_it_speaks_for_where_it_has_it(
    tmp_path: Path, more: str, registry: str | None, config_repo: str | None
) -> None:
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(
        "registries: {acme: {host: registry.acme.example}}\n"
        f"sources: {{hook: {{kind: gitea, hmac: {{env: S}}, images: ['a/*']{more}}}}}\n",
        encoding="utf-8",
    )
    [source] = compose_sources(load(path, {"S": SECRET})).values()
    assert (source.kind, source.keys().secrets, source.images) == ("gitea", (SECRET,), ("a/*",))
    assert (source.origin.registry, source.config_repo) == (registry, config_repo)


@pytest.mark.parametrize("proof", ["", ", hmac: {env: S}, header: {Authorization: {env: S}}", ", url_token: {env: S}"])
def test_a_gitea_proves_itself_in_one_of_its_two_ways(tmp_path: Path, proof: str) -> None:
    path = tmp_path / "fluxbridge.yaml"
    path.write_text(f"sources: {{hook: {{kind: gitea{proof}}}}}\n", encoding="utf-8")
    with pytest.raises(InvalidSettings, match=r"sources\.hook"):
        load(path, {"S": SECRET})
