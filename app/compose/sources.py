"""Sources from their settings: what proves each kind, and for which system it speaks."""

from collections.abc import Callable, Mapping
from typing import assert_never

from app.clients.tls import CertificatesUnusable
from app.compose.id_tokens import google_tokens, jenkins_tokens
from app.core.errors import Refused
from app.senders import SENDERS
from app.senders.sender import IdTokens, KeyKind, Keys, Origin
from app.services.systems import Source
from app.settings import sources as settings_sources
from app.settings.models import Settings
from app.settings.secrets import Secret
from app.settings.sources.bitbucket import BitbucketSource
from app.settings.sources.flux import FluxSource
from app.settings.sources.gitea import GiteaSource
from app.settings.sources.github import GitHubSource
from app.settings.sources.gitlab import GitLabSource
from app.settings.sources.jenkins import JenkinsHintProof, JenkinsHintSource, JenkinsSource
from app.settings.sources.proofs import BasicLogin
from app.settings.sources.registries import RegistryProof, RegistrySource

_PROVES: Mapping[RegistryProof | JenkinsHintProof, KeyKind] = {
    "header": "headers",
    "hmac": "secrets",
    "url_token": "url_tokens",
    "basic": "basic",
    "oidc": "id_tokens",
}
"""The kind of key that each key of a source's settings is."""


class NoKeys(Refused):
    """A source has nothing by which its senders could prove themselves."""

    def __init__(self, name: str, wanted: str) -> None:
        super().__init__(f"sources.{name} has no usable {wanted}: anyone could post; set it and start again")


class RepositoriesNotTaken(Refused):
    """A source lists repositories of a registry, and what its kind sends names none."""

    def __init__(self, name: str, kind: str) -> None:
        super().__init__(
            f"sources.{name}.repositories: what a {kind} sends names no repository of its own; take it out"
        )


class ProofNotTaken(Refused):
    """A source is to prove itself in a way that its kind does not have."""

    def __init__(self, name: str, kind: str, given: str, taken: str) -> None:
        super().__init__(f"sources.{name}.{given} is nothing that a {kind} sends: write {taken} in its place")


def compose_sources(settings: Settings) -> Mapping[str, Source]:
    """Every source; each has what proves its senders.

    Raises ProofNotTaken, RepositoriesNotTaken, NoKeys, SecretUnreadable.
    """
    found = {name: compose_source(name, settings) for name in settings.sources}
    for name, source in found.items():
        _require_keys(name, source)
    return found


def unfit_sources(settings: Settings) -> Mapping[str, str]:
    """What is wrong with each source that is to prove itself otherwise than its kind can, by its key."""
    problems = {}
    for name in settings.sources:
        try:
            compose_source(name, settings)
        except (CertificatesUnusable, ProofNotTaken, RepositoriesNotTaken) as error:
            problems[f"sources.{name}"] = str(error)
    return problems


def has_id_tokens(one: settings_sources.Source) -> bool:
    """Tell whether what a source is sent is proven by tokens of an issuer."""
    return isinstance(one, RegistrySource | JenkinsSource) and one.oidc is not None


def compose_source(name: str, settings: Settings) -> Source:
    """One source; its secrets are read when they are used. Raises ProofNotTaken, RepositoriesNotTaken."""
    match one := settings.sources[name]:
        case JenkinsSource():
            tokens = jenkins_tokens(one.oidc, settings.jenkins[one.jenkins].url) if one.oidc is not None else None
            return _of_jenkins(name, one, settings, lambda: Keys(secrets=_read(one.secret), id_tokens=tokens))
        case JenkinsHintSource():
            _require_proof_taken(name, one.kind, one.proof)
            return _of_jenkins(
                name, one, settings, lambda: Keys(url_tokens=_read(one.url_token), basic=_pairs(one.basic))
            )
        case RegistrySource():
            _require_taken(name, one)
            return _of_registry(name, one, settings)
        case GiteaSource():
            return _of_gitea(name, one, settings)
        case BitbucketSource() | GitHubSource() | GitLabSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name),
                keys=lambda: _forge_keys(one),
                config_repo=one.config_repo,
            )
        case FluxSource():
            return Source(
                name=name,
                kind=one.kind,
                origin=Origin(name, cluster=one.cluster),
                keys=lambda: Keys(secrets=_read(one.secret)),
                config_repo=one.config_repo,
                root=one.root,
            )
        case _:
            assert_never(one)


def _of_jenkins(
    name: str, one: JenkinsSource | JenkinsHintSource, settings: Settings, keys: Callable[[], Keys]
) -> Source:
    return Source(
        name=name,
        kind=one.kind,
        origin=Origin(name, jenkins=one.jenkins, jenkins_url=settings.jenkins[one.jenkins].url, cluster=one.cluster),
        keys=keys,
        jobs=one.jobs or (),
        images=one.images or (),
        config_repo=one.config_repo,
        root=one.root,
        branch=one.branch,
    )


def _of_registry(name: str, one: RegistrySource, settings: Settings) -> Source:
    registry, body = settings.registries[one.registry], one.body
    id_tokens = google_tokens(one.oidc) if one.oidc is not None else None
    return Source(
        name=name,
        kind=one.kind,
        origin=Origin(
            name,
            jenkins=body.jenkins if body else None,
            jenkins_url=settings.jenkins[body.jenkins].url if body and body.jenkins else None,
            registry=registry.called,
            registry_aliases=registry.told_as,
            repositories=one.repositories,
            paths=body.paths if body else {},
            is_signed=one.proof == "hmac",
        ),
        keys=lambda: _registry_keys(one, id_tokens),
        jobs=(body.jobs if body else None) or (),
        images=one.images or (),
    )


def _of_gitea(name: str, one: GiteaSource, settings: Settings) -> Source:
    registry = settings.registries[one.registry] if one.registry is not None else None
    return Source(
        name=name,
        kind=one.kind,
        origin=Origin(
            name,
            registry=registry.called if registry else None,
            registry_aliases=registry.told_as if registry else (),
            is_signed=one.proof == "hmac",
        ),
        keys=lambda: Keys(headers=_headers(one.header), secrets=_read(one.hmac)),
        images=one.images or (),
        config_repo=one.config_repo,
    )


def _registry_keys(one: RegistrySource, id_tokens: IdTokens | None) -> Keys:
    return Keys(
        id_tokens=id_tokens,
        headers=_headers(one.header),
        secrets=_read(one.hmac),
        url_tokens=_read(one.url_token),
        basic=_pairs(one.basic),
    )


def _forge_keys(one: BitbucketSource | GitHubSource | GitLabSource) -> Keys:
    if isinstance(one, GitLabSource):
        token = {"X-Gitlab-Token": one.token} if one.token is not None else None
        return Keys(headers=_headers(token), secrets=_read(one.signing_token))
    return Keys(secrets=_read(one.secret))


def _headers(given: Mapping[str, tuple[Secret, ...]] | None) -> Mapping[str, tuple[str, ...]]:
    return {name.lower(): _read(values) for name, values in (given or {}).items()}


def _pairs(login: BasicLogin | None) -> tuple[tuple[str, str], ...]:
    return tuple((login.user, password) for password in _read(login.password)) if login is not None else ()


def _read(secrets: tuple[Secret, ...] | None) -> tuple[str, ...]:
    return tuple(secret.read() for secret in secrets or ())


def _require_proof_taken(name: str, kind: str, proof: RegistryProof | JenkinsHintProof) -> None:
    """What proves a kind is said beside its sender."""
    needs = SENDERS[kind].needs
    if _PROVES[proof] not in needs:
        raise ProofNotTaken(name, kind, proof, " or ".join(each for each, key in _PROVES.items() if key in needs))


def _require_taken(name: str, one: RegistrySource) -> None:
    """Whether a kind of registry names repositories of its own is said beside its sender, too."""
    _require_proof_taken(name, one.kind, one.proof)
    if one.repositories is not None and not SENDERS[one.kind].names_repositories:
        raise RepositoriesNotTaken(name, one.kind)


def _require_keys(name: str, source: Source) -> None:
    wanted = SENDERS[source.kind].needs
    keys = source.keys()
    if not any(keys.holds(kind) for kind in wanted):
        raise NoKeys(name, " or ".join(wanted))
