"""The settings of a Bitbucket Data Center."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator

from app.settings.forges.web import WebForge
from app.settings.secrets import Secret
from app.settings.values import Called, Count, WebUrl, wrong

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}|~[A-Za-z0-9][A-Za-z0-9._-]{0,126}")
_SLUG = re.compile(r"[A-Za-z0-9_.-]{1,128}")
_API = re.compile(r".*/rest/api/(?:1\.0|latest)")


def _repository(text: str) -> str:
    key, _, slug = text.partition("/")
    if not _KEY.fullmatch(key) or not _SLUG.fullmatch(slug) or slug in {".", ".."}:
        raise wrong("must be KEY/slug, as in …/projects/KEY/repos/slug, or ~user/slug")
    return text


def _api_url(url: str) -> str:
    if not _API.fullmatch(url):
        raise wrong("must end in /rest/api/1.0, such as https://bitbucket.acme.example/rest/api/1.0")
    return url


class BitbucketDCForge(WebForge):
    """Bitbucket Data Center."""

    kind: Literal["bitbucket-dc"]
    repository: Annotated[str, Called("`KEY/slug`"), AfterValidator(_repository)]
    """The key of the project and the slug of the repository; `~user/slug` for a personal one."""
    token: Secret
    """An HTTP access token of the repository, the project or an account, that may write to the repository."""
    api_url: Annotated[WebUrl, AfterValidator(_api_url)]
    """The API, such as `https://bitbucket.acme.example/rest/api/1.0`."""
    writes_per_hour: Count = 1000
    """How many requests that change something all processes together send in an hour; sixty may follow on each other.
    Bitbucket itself limits nothing unless its administrator says so. The same for all config repositories with one
    token.
    """

    git_user: ClassVar[str | None] = None
    """Git shows the token as Bearer: those of projects and repositories are taken in no other way."""

    @property
    def asked_at(self) -> str | None:
        """The repository's address in the API, which `api_url` decides."""
        key, _, slug = self.repository.partition("/")
        return f"{self.api_url}/projects/{key}/repos/{slug}"
