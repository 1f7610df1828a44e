"""The settings of a GitLab."""

from typing import ClassVar, Literal

from app.settings.forges.budgets import Budget
from app.settings.secrets import Secret
from app.settings.values import Count, GitLabProject, NoOrSomeSeconds, Section, WebUrl


class GitLabForge(Section):
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
    update_every_s: NoOrSomeSeconds = 30.0
    """An open merge request gets a newer tag at most once in this time, the newest then, so that one busy image does
    not spend what others need. What is new is opened at once, and a tag that fails meanwhile is replaced at once.
    """

    is_in_repository: ClassVar[bool] = False
    git_user: ClassVar[str] = "oauth2"
    """The user name for git over HTTPS: GitLab takes any that is not blank beside a token."""

    @property
    def git_token(self) -> Secret | None:
        """The token is good for git as well."""
        return self.token

    @property
    def asked_at(self) -> str | None:
        """The project's address in the API, which `api_url` decides."""
        return f"{self.api_url}/projects/{self.repository.replace('/', '%2F')}"

    @property
    def budget(self) -> Budget:
        """GitLab counts all projects of one token as one."""
        return Budget(f"{self.api_url} with {self.token.place}", self.writes_per_hour)
