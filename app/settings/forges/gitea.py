"""The settings of a Gitea or a Forgejo."""

from typing import ClassVar, Literal

from app.settings.forges.web import WebForge
from app.settings.secrets import Secret
from app.settings.values import Count, GiteaRepository, WebUrl


class GiteaForge(WebForge):
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

    git_user: ClassVar[str] = "fluxbridge"
    """Gitea takes a token as the password of git over HTTPS under whatever name."""

    @property
    def asked_at(self) -> str | None:
        """The repository's address in the API, which `api_url` decides."""
        return f"{self.api_url}/repos/{self.repository}"
