"""The settings of a registry that tells of pushes, one shape for every kind of registry."""

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from app.settings.secrets import Secrets
from app.settings.sources.generic import BodyPaths
from app.settings.sources.id_tokens import IdTokenProof
from app.settings.sources.proofs import BasicLogin, require_one_proof
from app.settings.values import HeaderName, Name, Patterns, RegistryPath, Section, Text, wrong

RegistryKind = Literal[
    "distribution",
    "docker-hub",
    "ghcr",
    "harbor",
    "quay",
    "acr",
    "jfrog",
    "nexus",
    "cdevents",
    "ecr",
    "generic",
    "gitlab-registry",
    "google",
    "zot",
]
"""The kinds of registry that send webhooks; each has its sender in `app/senders/registries/`."""
RegistryProof = Literal["header", "hmac", "url_token", "basic", "oidc"]


class RegistrySource(Section):
    """A registry that tells of pushes. What of these its kind can prove itself by, its sender says."""

    kind: RegistryKind
    registry: Name
    """The entry under `registries` that the pushes are to."""
    header: Annotated[dict[HeaderName, Secrets], Field(min_length=1)] | None = None
    """The whole value of this header, `Bearer …` included. With several headers each must match. One of `header`,
    `hmac`, `url_token`, `basic` and `oidc` is needed, as the kind of registry has it.
    """
    hmac: Secrets | None = None
    """The key of the HMAC, of a registry that signs what it sends."""
    url_token: Secrets | None = None
    """The token in the query of the URL that the registry is given: `?token=…`."""
    basic: BasicLogin | None = None
    oidc: IdTokenProof | None = None
    body: BodyPaths | None = None
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""
    repositories: Annotated[dict[Text, RegistryPath], Field(min_length=1)] | None = None
    """For `jfrog` and `nexus`: their repositories that count, each with its path below the registry's host; empty where
    images are pulled without one. Without it, all of them count, with none.
    """

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        require_one_proof(self, get_args(RegistryProof))
        if (self.body is None) == (self.kind == "generic"):
            raise wrong("must have body with kind: generic, and with no other kind")
        return self

    @property
    def proof(self) -> RegistryProof:
        """The one key of these that is there."""
        return next(name for name in get_args(RegistryProof) if getattr(self, name) is not None)
