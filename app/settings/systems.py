"""The Jenkins controllers and registries that Fluxbridge asks."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, Strict, model_validator

from app.core.images import catalogue_name
from app.settings.registry_auth import BasicLogin, RegistryAuth, RegistryLogin
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

_AT_AWS = re.compile(r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\.(?:amazonaws\.com(?:\.cn)?|on\.aws)")


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
    """One registry, under its own host name and the others by which senders and manifests call it."""

    kind: Literal["oci", "helm"] = "oci"
    """`oci` holds images and charts; `helm` is a web server with charts in classic repositories (`index.yaml`)."""
    host: RegistryHost
    """Host, with a port if it has one: `registry.acme.example`, `localhost:5000`, `docker.io`."""
    aliases: Annotated[tuple[RegistryHost, ...], Called("list of hosts")] = ()
    """Other names of the same registry, in manifests or in what senders say."""
    user: LoginName | None = None
    """The account that reads; with neither user nor password the registry is asked as anonymous."""
    password: Secret | None = None
    """Its password or token."""
    auth: RegistryAuth | None = None
    sweep_s: Annotated[float, Called("seconds, at least 10"), Strict(), Field(ge=10, le=86_400)] | None = None
    """How often its repositories that policies name are listed, for one that sends no webhooks. An unchanged list costs
    one question where the registry has ETags. Without it, `sweeps.tags` lists them.
    """
    ca_file: FilePath | None = None
    """Certificates to trust, as PEM, in place of the system's; also of what issues credentials."""
    proxy: ProxyUrl | None = None
    """HTTP proxy; also to what issues credentials."""
    plain_http: Flag = False
    """Speak HTTP without TLS."""

    @property
    def called(self) -> str:
        """The registry as names of images and charts have it."""
        return catalogue_name("http" if self.plain_http else "https", self.host) if self.kind == "helm" else self.host

    @property
    def also_called(self) -> tuple[str, ...]:
        """The same of its aliases; manifests may write those with either scheme."""
        if self.kind == "oci":
            return self.aliases
        return tuple(catalogue_name(scheme, host) for host in self.aliases for scheme in ("https", "http"))

    @property
    def told_as(self) -> tuple[str, ...]:
        """What else senders call it: they know of hosts only."""
        return (*self.also_called, self.host, *self.aliases) if self.kind == "helm" else self.aliases

    @model_validator(mode="after")
    def _has_a_whole_login(self) -> Self:
        if (self.user is None) != (self.password is None):
            raise wrong("must have both user and password, or neither")
        return self

    @model_validator(mode="after")
    def _has_one_login(self) -> Self:
        if self.auth is not None and self.user is not None:
            raise wrong("must not have auth beside user and password, which are short for auth.basic")
        return self

    @model_validator(mode="after")
    def _is_in_a_region(self) -> Self:
        if self.auth is not None and self.auth.ecr is not None and self.region is None:
            raise wrong("must have auth.ecr.region: its host does not name the region, as AWS's own do")
        return self

    @property
    def login(self) -> RegistryLogin | None:
        """How it is shown who we are; None: it is asked as anonymous."""
        if self.user is not None and self.password is not None:
            return BasicLogin.model_construct(user=self.user, password=self.password)
        return self.auth.login if self.auth is not None else None

    @property
    def login_told(self) -> str:
        """What it is shown, in words, without what is secret."""
        match self.login:
            case None:
                return "nothing"
            case BasicLogin() as login:
                return f"the password of {login.user}"
            case Secret() as token:
                return f"the token in {token.place}"
            case _:
                return f"what auth.{self.auth.kind if self.auth else ''} gives"

    @property
    def region(self) -> str | None:
        """The region of AWS that it is in, where it is at AWS."""
        found = _AT_AWS.fullmatch(self.host)
        told = self.auth.ecr.region if self.auth is not None and self.auth.ecr is not None else None
        return told or (found[1] if found else None)
