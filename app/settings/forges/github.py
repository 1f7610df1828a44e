"""The settings of a GitHub."""

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, StringConstraints, model_validator

from app.settings.forges.web import WebForge
from app.settings.secrets import Secret
from app.settings.values import Called, Count, Flag, GitHubRepository, Section, WebUrl, wrong


def _app_id(value: object) -> object:
    """An app id may be written as the number that it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class GitHubApp(Section):
    """A GitHub App that is installed on the repository, with the permissions Contents and Pull requests to write."""

    id: Annotated[str, Called("text"), BeforeValidator(_app_id), StringConstraints(pattern=r"^[A-Za-z0-9.]{1,64}$")]
    """Its client id, or its app id, which GitHub Enterprise before 3.14 needs."""
    private_key: Secret
    """Its private key, as the PEM file that GitHub gave."""


class GitHubForge(WebForge):
    """GitHub, or a GitHub Enterprise server by its API's URL."""

    kind: Literal["github"]
    repository: GitHubRepository
    """The repository as GitHub names it."""
    token: Secret | None = None
    """A token that may read and write contents and pull requests. One of `token` and `app` is needed."""
    app: GitHubApp | None = None
    api_url: WebUrl = "https://api.github.com"
    """The API; `https://github.acme.example/api/v3` for GitHub Enterprise."""
    paced: Flag = True
    """Pause between requests, as GitHub asks; `false` only for an Enterprise server without rate limits."""
    writes_per_hour: Count = 400
    """How many requests that change something all processes together send in an hour; sixty may follow on each other.
    GitHub allows 500. The same for all config repositories with one token.
    """

    git_user: ClassVar[str] = "x-access-token"
    """The user name under which GitHub takes any kind of token as the password of git over HTTPS."""

    @model_validator(mode="after")
    def _has_one_way_in(self) -> Self:
        if (self.token is None) == (self.app is None):
            raise wrong("must have exactly one of token and app")
        return self

    def read_token(self) -> str:
        """The token as it is now. Raises SecretUnreadable."""
        assert self.token is not None  # noqa: S101 (else there is an App, whose tokens are made)
        return self.token.read()

    @property
    def asked_at(self) -> str | None:
        """The repository's address in the API, which `api_url` decides."""
        return f"{self.api_url}/repos/{self.repository}"

    @property
    def let_in_by(self) -> str:
        """Where the token is kept, or which App it is."""
        return super().let_in_by if self.app is None else f"the GitHub App {self.app.id}"
