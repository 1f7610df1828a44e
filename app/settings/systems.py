"""The Jenkins controllers and registries that Fluxbridge asks."""

from typing import Self

from pydantic import model_validator

from app.settings.fields import FilePath, Flag, LoginName, ProxyUrl, RegistryHost, Section, Text, WebUrl, wrong
from app.settings.secrets import Secret


class JenkinsController(Section):
    """One Jenkins, asked about builds with an API token; without one it is asked as anonymous."""

    url: WebUrl
    user: LoginName | None = None
    token: Secret | None = None
    ca_file: FilePath | None = None
    proxy: ProxyUrl | None = None
    sweep_jobs: tuple[Text, ...] = ()

    @model_validator(mode="after")
    def _has_a_whole_login(self) -> Self:
        if (self.user is None) != (self.token is None):
            raise wrong("must have both user and token, or neither")
        return self


class ImageRegistry(Section):
    """One OCI registry, under its own host name and the others by which senders and manifests call it."""

    host: RegistryHost
    aliases: tuple[RegistryHost, ...] = ()
    user: LoginName | None = None
    password: Secret | None = None
    ca_file: FilePath | None = None
    proxy: ProxyUrl | None = None
    plain_http: Flag = False

    @model_validator(mode="after")
    def _has_a_whole_login(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise wrong("must have both user and password, or neither")
        return self
