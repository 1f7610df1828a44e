"""How a registry is shown who we are."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from app.settings.secrets import Secret
from app.settings.values import Called, LoginName, Section, Text, wrong


class BasicLogin(Section):
    """A user and a password."""

    user: LoginName
    """The account that reads."""
    password: Secret
    """Its password or token."""


class ECRLogin(Section):
    """Amazon ECR, by boto3: without a key as whom the pod or machine is."""

    region: Text | None = None
    """Where the registry is; without it as the host says: `….dkr.ecr.eu-west-1.amazonaws.com`."""
    role_arn: Text | None = None
    """A role to take on first."""
    access_key_id: Text | None = None
    """The id of an access key."""
    secret_access_key: Secret | None = None
    """The secret of that key."""

    @model_validator(mode="after")
    def _has_a_whole_key(self) -> Self:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise wrong("must have both access_key_id and secret_access_key, or neither")
        return self


class GoogleLogin(Section):
    """Google Artifact Registry, by google-auth: without a key as whom the pod or machine is."""

    key: Secret | None = None
    """The JSON key of a service account."""


class AzureLogin(Section):
    """Azure Container Registry, by azure-identity: without a secret as whom the pod or machine is."""

    tenant_id: Text | None = None
    """The tenant of the app registration whose secret is given."""
    client_id: Text | None = None
    """That app registration; without a secret, the managed or workload identity where there are several."""
    client_secret: Secret | None = None
    """The secret of the app registration."""

    @model_validator(mode="after")
    def _has_a_whole_secret(self) -> Self:
        if self.client_secret is not None and (self.tenant_id is None or self.client_id is None):
            raise wrong("must have tenant_id and client_id beside client_secret")
        if self.tenant_id is not None and self.client_secret is None:
            raise wrong("must have client_secret beside tenant_id")
        return self


CommandLine = Annotated[tuple[Text, ...], Called("list of words"), Field(min_length=1)]
RegistryLogin = BasicLogin | Secret | ECRLogin | GoogleLogin | AzureLogin | CommandLine


class RegistryAuth(Section):
    """One way of saying who we are."""

    basic: BasicLogin | None = None
    token: Secret | None = None
    """A bearer token, shown to the registry as it is, for one that takes a fixed token and has no service that issues
    some.
    """
    ecr: ECRLogin | None = None
    google: GoogleLogin | None = None
    azure: AzureLogin | None = None
    command: CommandLine | None = None
    """A program with its arguments, run without a shell, that prints `{"user": …, "password": …, "expires_at": …}`; or
    a credential helper of Docker with `get`. `expires_at` is RFC 3339; without it what it prints is kept for 5 minutes.
    """

    @model_validator(mode="after")
    def _is_one_way(self) -> Self:
        if len(self._given()) != 1:
            raise wrong("must have exactly one of basic, token, ecr, google, azure and command")
        return self

    @property
    def login(self) -> RegistryLogin:
        """The way that was chosen."""
        [(_, login)] = self._given()
        return login

    @property
    def kind(self) -> str:
        """What it is called."""
        [(kind, _)] = self._given()
        return kind

    def _given(self) -> list[tuple[str, RegistryLogin]]:
        ways: dict[str, RegistryLogin | None] = {
            "basic": self.basic,
            "token": self.token,
            "ecr": self.ecr,
            "google": self.google,
            "azure": self.azure,
            "command": self.command,
        }
        return [(kind, login) for kind, login in ways.items() if login is not None]
