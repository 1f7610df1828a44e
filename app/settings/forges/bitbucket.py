"""The settings of a Bitbucket Cloud."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from app.settings.forges.web import WebForge
from app.settings.secrets import Secret
from app.settings.values import Called, Count, LoginName, WebUrl, wrong

_WORKSPACE = re.compile(r"[A-Za-z0-9_-]{1,100}")
_SLUG = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_UUID = re.compile(r"\{[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\}")


def _repository(text: str) -> str:
    workspace, _, slug = text.partition("/")
    if not _WORKSPACE.fullmatch(workspace) or not _SLUG.fullmatch(slug) or slug in {".", ".."}:
        raise wrong("must be workspace/slug, as in the repository's URL")
    return text


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise wrong("must be a uuid in braces, in quotes, such as '{756fe2b4-23fd-4edb-a960-a247031e4cb1}'")
    return text


class BitbucketForge(WebForge):
    """Bitbucket Cloud."""

    kind: Literal["bitbucket"]
    repository: Annotated[str, Called("`workspace/slug`"), AfterValidator(_repository)]
    """The repository as in its URL."""
    token: Secret
    """An access token of the repository, the project or the workspace; beside a `user` that account's API token."""
    user: LoginName | None = None
    """The e-mail address of the Atlassian account whose API token it is."""
    account: Annotated[str, Called("uuid"), AfterValidator(_uuid)] | None = None
    """The uuid of the token's account, for an access token that may not ask whose it is."""
    api_url: WebUrl = "https://api.bitbucket.org/2.0"
    """The API."""
    writes_per_hour: Count = 300
    """How many requests that change something all processes together send in an hour; sixty may follow on each other.
    Bitbucket takes 1,000 requests of any kind. The same for all config repositories with one token.
    """

    @property
    def git_user(self) -> str:
        """The user name under which Bitbucket takes either kind of token as the password of git over HTTPS."""
        return "x-token-auth" if self.user is None else "x-bitbucket-api-token-auth"

    @property
    def asked_at(self) -> str | None:
        """The repository's address in the API, which `api_url` decides."""
        return f"{self.api_url}/repositories/{self.repository}"
