"""Who may post webhooks, one class a kind of sender."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.settings.fields import HeaderName, LoginName, Name, Patterns, RepoFolder, Section, wrong
from app.settings.secrets import Secrets


class JenkinsSource(Section):
    """A Jenkins pipeline that posts signed reports of its builds."""

    kind: Literal["jenkins"]
    jenkins: Name
    secret: Secrets
    jobs: Patterns | None = None
    images: Patterns | None = None


class BasicLogin(Section):
    """A user and a password by which a sender shows who it is."""

    user: LoginName
    password: Secrets


class JenkinsNotificationSource(Section):
    """Jenkins' Notification plugin, which signs nothing: what it says is a hint that Jenkins is asked about."""

    kind: Literal["jenkins-notification"]
    jenkins: Name
    url_token: Secrets | None = None
    basic: BasicLogin | None = None
    jobs: Patterns | None = None
    images: Patterns | None = None

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        if (self.url_token is None) == (self.basic is None):
            raise wrong("must have exactly one of url_token and basic: without it anyone could post")
        return self


class DistributionSource(Section):
    """A registry of the Distribution project, which sends fixed headers; each one that is named here must match."""

    kind: Literal["distribution"]
    registry: Name
    header: Annotated[dict[HeaderName, Secrets], Field(min_length=1)]
    images: Patterns | None = None


class GitHubSource(Section):
    """A webhook of a GitHub repository or organisation."""

    kind: Literal["github"]
    secret: Secrets
    config_repo: Name | None = None


class FluxSource(Section):
    """Flux's notification controller in one cluster, whose Kustomizations live below `root` of a config repo."""

    kind: Literal["flux"]
    cluster: Name
    config_repo: Name
    root: RepoFolder = ""
    secret: Secrets


Source = Annotated[
    JenkinsSource | JenkinsNotificationSource | DistributionSource | GitHubSource | FluxSource,
    Field(discriminator="kind"),
]
