"""The settings of a GitHub."""

from typing import ClassVar, Literal

from app.settings.forges.budgets import Budget
from app.settings.secrets import Secret
from app.settings.values import Count, Flag, GitHubRepository, NoOrSomeSeconds, Section, WebUrl


class GitHubForge(Section):
    """GitHub, or a GitHub Enterprise server by its API's URL."""

    kind: Literal["github"]
    repository: GitHubRepository
    """The repository as GitHub names it."""
    token: Secret
    """A token that may read and write contents and pull requests."""
    api_url: WebUrl = "https://api.github.com"
    """The API; `https://github.acme.example/api/v3` for GitHub Enterprise."""
    paced: Flag = True
    """Pause between requests, as GitHub asks; `false` only for an Enterprise server without rate limits."""
    writes_per_hour: Count = 400
    """How many requests that change something all processes together send in an hour; sixty may follow on each other.
    GitHub allows 500. The same for all config repositories with one token.
    """
    update_every_s: NoOrSomeSeconds = 30.0
    """An open pull request gets a newer tag at most once in this time, the newest then, so that one busy image does not
    spend what others need. What is new is opened at once, and a tag that fails meanwhile is replaced at once.
    """

    is_in_repository: ClassVar[bool] = False
    git_user: ClassVar[str] = "x-access-token"
    """The user name under which GitHub takes any kind of token as the password of git over HTTPS."""

    @property
    def git_token(self) -> Secret | None:
        """The token is good for git as well."""
        return self.token

    @property
    def asked_at(self) -> str | None:
        """The repository's address in the API, which `api_url` decides."""
        return f"{self.api_url}/repos/{self.repository}"

    @property
    def budget(self) -> Budget:
        """GitHub counts all repositories of one token as one."""
        return Budget(f"{self.api_url} with {self.token.place}", self.writes_per_hour)
