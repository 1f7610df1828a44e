"""The settings of a GitLab."""

from typing import ClassVar, Literal

from app.settings.forges.web import WebForge
from app.settings.secrets import Secret
from app.settings.values import Count, GitLabProject, WebUrl


class GitLabForge(WebForge):
    """GitLab.com, or a GitLab of your own by its API's URL."""

    kind: Literal["gitlab"]
    repository: GitLabProject
    """The project by its full path, with all its groups."""
    token: Secret
    """A token of the scopes `api` and `write_repository`, whose account has the role Developer in the project."""
    api_url: WebUrl = "https://gitlab.com/api/v4"
    """The API; `https://gitlab.acme.example/api/v4` for a GitLab of your own."""
    writes_per_hour: Count = 1000
    """How many requests that change something all processes together send in an hour; sixty may follow on each other.
    The same for all config repositories with one token.
    """

    git_user: ClassVar[str] = "oauth2"
    """The user name for git over HTTPS: GitLab takes any that is not blank beside a token."""

    @property
    def asked_at(self) -> str | None:
        """The project's address in the API, which `api_url` decides."""
        return f"{self.api_url}/projects/{self.repository.replace('/', '%2F')}"
