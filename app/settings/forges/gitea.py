"""The settings of a Gitea or a Forgejo."""

from typing import ClassVar, Literal

from app.settings.forges.budgets import Budget
from app.settings.secrets import Secret
from app.settings.values import Count, GiteaRepository, NoOrSomeSeconds, Section, WebUrl


class GiteaForge(Section):
    """Gitea or Forgejo, by its API's URL."""

    kind: Literal["gitea"]
    repository: GiteaRepository
    """The repository as its page names it."""
    token: Secret
    """An access token with the scopes `write:repository`, `write:issue` and `read:user`."""
    api_url: WebUrl
    """The API: `https://git.acme.example/api/v1`."""
    writes_per_hour: Count = 1200
    """How many requests that change something all processes together send in an hour; sixty may follow on each other.
    Gitea itself counts none. The same for all config repositories with one token.
    """
    update_every_s: NoOrSomeSeconds = 30.0
    """An open pull request gets a newer tag at most once in this time, the newest then, so that one busy image does not
    spend what others need. What is new is opened at once, and a tag that fails meanwhile is replaced at once.
    """

    is_in_repository: ClassVar[bool] = False
    git_user: ClassVar[str] = "fluxbridge"
    """Gitea takes a token as the password of git over HTTPS under whatever name."""

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
        """All repositories of one token count as one."""
        return Budget(f"{self.api_url} with {self.token.place}", self.writes_per_hour)
