"""Who may post webhooks, one class a kind of sender."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from app.settings.secrets import Secrets
from app.settings.values import HeaderName, LoginName, Name, Patterns, RepoFolder, Section, wrong


class JenkinsSource(Section):
    """A Jenkins pipeline that posts signed reports of its builds."""

    kind: Literal["jenkins"]
    jenkins: Name
    """The entry under `jenkins` that the builds are of."""
    secret: Secrets
    """The key of the HMAC."""
    jobs: Patterns | None = None
    """Jobs that the source may report, as Jenkins names them: `acme/app/main`. Without it, every job."""
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""


class BasicLogin(Section):
    """A user and a password by which a sender shows who it is."""

    user: LoginName
    """The user of HTTP Basic authentication."""
    password: Secrets
    """Its password."""


class JenkinsNotificationSource(Section):
    """Jenkins' Notification plugin, which signs nothing: what it says is a hint that Jenkins is asked about."""

    kind: Literal["jenkins-notification"]
    jenkins: Name
    """The entry under `jenkins` that the builds are of."""
    url_token: Secrets | None = None
    """The token in the query of the URL that the plugin is given: `?token=…`."""
    basic: BasicLogin | None = None
    jobs: Patterns | None = None
    """Jobs that the source may report. Without it, every job."""
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""

    @model_validator(mode="after")
    def _proves_itself_in_one_way(self) -> Self:
        if (self.url_token is None) == (self.basic is None):
            raise wrong("must have exactly one of url_token and basic: without it anyone could post")
        return self


class DistributionSource(Section):
    """A registry of the Distribution project, which sends fixed headers; each one that is named here must match."""

    kind: Literal["distribution"]
    registry: Name
    """The entry under `registries` that the pushes are to."""
    header: Annotated[dict[HeaderName, Secrets], Field(min_length=1)]
    """The whole value of this header, `Bearer …` included. With several headers each must match."""
    images: Patterns | None = None
    """Images that the source may report. Without it, every image."""


class GitHubSource(Section):
    """A webhook of a GitHub repository or organisation."""

    kind: Literal["github"]
    secret: Secrets
    """The secret that the webhook was made with."""
    config_repo: Name | None = None
    """The one entry under `config_repos` that the source may speak for; what it tells of others is ignored. Without it,
    the repository that the event names.
    """


class FluxSource(Section):
    """Flux's notification controller in one cluster, whose Kustomizations live below `root` of a config repo."""

    kind: Literal["flux"]
    cluster: Name
    """The cluster's name in the history."""
    config_repo: Name
    """The entry under `config_repos` that the cluster applies."""
    root: RepoFolder = ""
    """The cluster's folder in that repo, such as `clusters/prod-eu`; empty is the repo itself."""
    secret: Secrets
    """The key of the HMAC: `token` in the Provider's Secret."""


Source = Annotated[
    JenkinsSource | JenkinsNotificationSource | DistributionSource | GitHubSource | FluxSource,
    Field(discriminator="kind"),
]
