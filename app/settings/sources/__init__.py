"""Who may post webhooks, one shape of settings a file; kinds that are set up alike share a shape."""

from typing import Annotated

from pydantic import Field

from app.settings.sources.bitbucket import BitbucketSource
from app.settings.sources.flux import FluxSource
from app.settings.sources.gitea import GiteaSource
from app.settings.sources.github import GitHubSource
from app.settings.sources.gitlab import GitLabSource
from app.settings.sources.jenkins import JenkinsHintSource, JenkinsSource
from app.settings.sources.registries import RegistrySource

Source = Annotated[
    JenkinsSource
    | JenkinsHintSource
    | RegistrySource
    | BitbucketSource
    | GiteaSource
    | GitHubSource
    | GitLabSource
    | FluxSource,
    Field(discriminator="kind"),
]
