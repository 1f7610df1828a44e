"""The Git repositories that Flux applies, and where their pull requests are."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.settings.forges import Forge
from app.settings.secrets import Secret
from app.settings.values import (
    Branch,
    Called,
    FilePath,
    GitUrl,
    IdentityPart,
    LoginName,
    Name,
    ProxyUrl,
    Section,
    WebUrl,
    wrong,
)


class Identity(Section):
    """Who our commits are by."""

    name: IdentityPart = "Fluxbridge"
    """Author and committer of our commits."""
    email: IdentityPart = "fluxbridge@localhost"
    """Their address."""


class GitCredentials(Section):
    """The login for git over HTTP; a token is a password whose user name is known."""

    user: LoginName | None = None
    """The user for git over HTTP. Beside a `token` it is by default the one with which the forge takes any token, for
    GitHub `x-access-token`; to a Bitbucket Data Center a token without a user is shown as Bearer.
    """
    password: Secret | None = None
    """Its password, with a `user` beside it. One of `password` and `token` is needed."""
    token: Secret | None = None
    """A token instead. Without `credentials` the forge's token is used."""

    @model_validator(mode="after")
    def _has_one_secret(self) -> Self:
        if (self.password is None) == (self.token is None):
            raise wrong("must have exactly one of password and token")
        if self.password is not None and self.user is None:
            raise wrong("must have a user beside its password")
        return self

    @property
    def secret(self) -> Secret | None:
        """The password or the token, whichever is set."""
        return self.password or self.token


class DeployKey(Section):
    """The login for git over SSH."""

    key: Secret
    """The private key, as OpenSSH has it and without a passphrase."""
    known_hosts: FilePath
    """The file with the host keys of the git server, as `ssh-keyscan` writes them; no others are believed."""


class FluxReceiver(Section):
    """A Receiver of type generic-hmac in one cluster, which makes Flux fetch the repository at once."""

    url: WebUrl
    """Where the Receiver is reached: your host for it, and its `status.webhookPath`."""
    secret: Secret
    """The `token` in the Receiver's Secret, with which calls are signed."""
    ca_file: FilePath | None = None
    """Certificates to trust, as PEM, in place of the system's."""
    proxy: ProxyUrl | None = None
    """HTTP proxy."""


class ConfigRepo(Section):
    """One config repository; each of its base branches is a lane."""

    url: GitUrl
    """`https://…`, `ssh://…`, `git@host:path`, `file:///path` or a path; without user and password."""
    branch: Branch | None = None
    """The base branch that pull requests go into. One of `branch` and `branches` is needed."""
    branches: Annotated[tuple[Branch, ...], Called("list of branches"), Field(min_length=1)] | None = None
    """The same where there are several."""
    mode: Literal["propose", "observe"] = "propose"
    """`observe` plans and keeps history, and pushes nothing."""
    rules: Literal["optional", "required"] = "optional"
    """`required` stops proposals where the repo has no `.fluxbridge.yaml`, so that deleting the file does not open the
    gates.
    """
    validate_by: Literal["none", "kustomize"] = Field(default="none", alias="validate")
    """`kustomize`: before a commit is pushed, `kubectl kustomize` builds each path of Flux's Kustomizations that holds
    an edited file. A build that the edit breaks keeps the proposal back; the pull request tells how the builds ended.
    Wants kubectl on the PATH.
    """
    prefix: Name = "fluxbridge"
    """The first part of our branches' names. Two installations on one repo need two prefixes."""
    identity: Identity = Identity()
    credentials: GitCredentials | None = None
    ssh: DeployKey | None = None
    ca_file: FilePath | None = None
    """Certificates to trust for git and the forge, as PEM, in place of the system's."""
    proxy: ProxyUrl | None = None
    """HTTP proxy for git and the forge."""
    receivers: dict[Name, FluxReceiver] = Field(default_factory=dict)
    forge: Forge

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.branch is None) == (self.branches is None):
            raise wrong("must have exactly one of branch and branches")
        if len(set(self.bases)) != len(self.bases):
            raise wrong("must name each of its branches once")
        if any(base.startswith(f"{self.prefix}/") for base in self.bases):
            raise wrong(f"must not have a base branch below {self.prefix}/: that is where our own branches are")
        if self.forge.is_in_repository and not self.is_local:
            raise wrong(f"must have a path or file:// as its url, since its forge is {self.forge.kind}")
        if self.credentials is not None and not self.is_on_web:
            raise wrong("must have an https:// url for its credentials to be of use")
        if self.ssh is not None and (self.is_on_web or self.is_local):
            raise wrong("must have an ssh:// or git@host:path url for its ssh to be of use")
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
    def git_login(self) -> tuple[str | None, Secret] | None:
        """The user and secret for git over HTTP: its credentials, else its forge's token, else none.

        Without a user the secret is shown as Bearer.
        """
        if self.credentials is not None and self.credentials.secret is not None:
            return self.credentials.user or self.forge.git_user, self.credentials.secret
        token = self.forge.git_token
        return (self.forge.git_user, token) if token is not None and self.is_on_web else None

    @property
    def is_on_web(self) -> bool:
        """Tell whether git asks over HTTP."""
        return self.url.startswith(("https://", "http://"))
