"""The Git repositories that Flux applies, and where their pull requests are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.settings.fields import (
    Branch,
    Count,
    FilePath,
    Flag,
    GitHubRepository,
    GitUrl,
    IdentityPart,
    LoginName,
    Name,
    ProxyUrl,
    Section,
    WebUrl,
    wrong,
)
from app.settings.secrets import Secret

GITHUB_TOKEN_USER = "x-access-token"  # noqa: S105 - a user name, not a token
"""The user name under which GitHub takes any kind of token as the password of git over HTTPS."""


class GitHubForge(Section):
    """GitHub, or a GitHub Enterprise server by its API's URL."""

    kind: Literal["github"]
    repository: GitHubRepository
    token: Secret
    api_url: WebUrl = "https://api.github.com"
    paced: Flag = True
    redeliver: Flag = False
    writes_per_hour: Count = 400


class LocalForge(Section):
    """No forge: pull requests are kept in the bare repository itself."""

    kind: Literal["local"]


class Identity(Section):
    """Who our commits are by."""

    name: IdentityPart = "Fluxbridge"
    email: IdentityPart = "fluxbridge@localhost"


class GitCredentials(Section):
    """The login for git over HTTP; a token is a password whose user name is known."""

    user: LoginName = GITHUB_TOKEN_USER
    password: Secret | None = None
    token: Secret | None = None

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        if (self.password is None) == (self.token is None):
            raise wrong("must have exactly one of password and token")
        if self.password is not None and "user" not in self.model_fields_set:
            raise wrong("must have a user beside its password")
        return self

    @property
    def secret(self) -> Secret | None:
        """The password or the token, whichever is set."""
        return self.password or self.token


class FluxReceiver(Section):
    """A Receiver of type generic-hmac in one cluster, which makes Flux fetch the repository at once."""

    url: WebUrl
    secret: Secret
    ca_file: FilePath | None = None
    proxy: ProxyUrl | None = None


class ConfigRepo(Section):
    """One config repository; each of its base branches is a lane."""

    url: GitUrl
    branch: Branch | None = None
    branches: Annotated[tuple[Branch, ...], Field(min_length=1)] | None = None
    mode: Literal["propose", "observe"] = "propose"
    rules: Literal["optional", "required"] = "optional"
    validate_by: Literal["none", "kustomize"] = Field(default="none", alias="validate")
    prefix: Name = "fluxbridge"
    identity: Identity = Identity()
    credentials: GitCredentials | None = None
    ca_file: FilePath | None = None
    proxy: ProxyUrl | None = None
    receivers: dict[Name, FluxReceiver] = Field(default_factory=dict)
    forge: Annotated[GitHubForge | LocalForge, Field(discriminator="kind")]

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.branch is None) == (self.branches is None):
            raise wrong("must have exactly one of branch and branches")
        if len(set(self.bases)) != len(self.bases):
            raise wrong("must name each of its branches once")
        if any(base.startswith(f"{self.prefix}/") for base in self.bases):
            raise wrong(f"must not have a base branch below {self.prefix}/: that is where our own branches are")
        if self.forge.kind == "local" and not self.is_local:
            raise wrong("must have a path or file:// as its url, since its forge is local")
        if self.credentials is not None and not self.url.startswith(("https://", "http://")):
            raise wrong("must have an https:// url for its credentials to be of use")
        return self

    @property
    def bases(self) -> tuple[str, ...]:
        """The base branches, one or many."""
        return self.branches or tuple(filter(None, [self.branch]))

    @property
    def is_local(self) -> bool:
        """Tell whether the repository is a folder of this machine."""
        return self.url.startswith(("/", "file:///"))

    @property
    def git_login(self) -> tuple[str, Secret] | None:
        """The user and secret for git over HTTP: its credentials, else its forge's token, else none."""
        if self.credentials is not None and self.credentials.secret is not None:
            return self.credentials.user, self.credentials.secret
        if isinstance(self.forge, GitHubForge) and self.url.startswith(("https://", "http://")):
            return GITHUB_TOKEN_USER, self.forge.token
        return None
