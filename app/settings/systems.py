"""The Jenkins controllers and registries that Fluxbridge asks."""

from typing import Annotated, Self

from pydantic import model_validator

from app.settings.secrets import Secret
from app.settings.values import (
    Called,
    FilePath,
    Flag,
    LoginName,
    ProxyUrl,
    RegistryHost,
    Section,
    Text,
    WebUrl,
    wrong,
)


class JenkinsController(Section):
    """One Jenkins, asked about builds with an API token; without one it is asked as anonymous."""

    url: WebUrl
    """The root URL, as in Jenkins' own settings."""
    user: LoginName | None = None
    """The account that reads builds; with neither user nor token Jenkins is asked as anonymous."""
    token: Secret | None = None
    """Its API token."""
    ca_file: FilePath | None = None
    """Certificates to trust, as PEM, in place of the system's."""
    proxy: ProxyUrl | None = None
    """HTTP proxy; the usual variables of the environment are not read."""
    sweep_jobs: Annotated[tuple[Text, ...], Called("patterns")] = ()
    """Jobs that are asked for builds that nobody reported, such as `acme/*`; none: no job is."""

    @model_validator(mode="after")
    def _has_a_whole_login(self) -> Self:
        if (self.user is None) != (self.token is None):
            raise wrong("must have both user and token, or neither")
        return self


class ImageRegistry(Section):
    """One OCI registry, under its own host name and the others by which senders and manifests call it."""

    host: RegistryHost
    """Host, with a port if it has one: `registry.acme.example`, `localhost:5000`, `docker.io`."""
    aliases: Annotated[tuple[RegistryHost, ...], Called("list of hosts")] = ()
    """Other names of the same registry, in manifests or in what senders say."""
    user: LoginName | None = None
    """The account that reads; with neither user nor password the registry is asked as anonymous."""
    password: Secret | None = None
    """Its password or token."""
    ca_file: FilePath | None = None
    """Certificates to trust, as PEM, in place of the system's."""
    proxy: ProxyUrl | None = None
    """HTTP proxy."""
    plain_http: Flag = False
    """Speak HTTP without TLS."""

    @model_validator(mode="after")
    def _has_a_whole_login(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise wrong("must have both user and password, or neither")
        return self
