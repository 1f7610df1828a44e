"""Whether what answers where GitHub should be is GitHub, and which; else what it is."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from github.Requester import Requester

from app.clients.forges.errors import WrongForge
from app.clients.forges.github.answers import json_object
from app.clients.forges.github.errors import is_rate_limit

_OF_THE_API = frozenset({"x-github-media-type", "x-github-enterprise-version"})
_OF_ITS_FRONT = "x-github-request-id"
_ENTERPRISE = "x-github-enterprise-version"
_API_VERSION = "x-github-api-version-selected"
# The one key that GitHub's description requires of the answer; a proxy may have taken the headers out.
_ALWAYS_IN_META = "verifiable_password_authentication"
_OTHERS = {"x-gitlab-meta": "GitLab", "x-arequestid": "Bitbucket Data Center"}
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,59}")
_CORRECT = (
    "kind: github speaks only to GitHub: set forge.api_url to https://api.github.com, or to https://HOST/api/v3 of a "
    "GitHub Enterprise Server"
)
_REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})


def identify(requester: Requester, url: str) -> str:
    """GitHub's name and versions as it tells them itself.

    Raises WrongForge, and what PyGithub raises where nothing but a trouble on the way to it can be seen.
    """
    status, headers, text = requester.requestJson("GET", "/meta")
    told = json_object(text)
    if status >= HTTPStatus.BAD_REQUEST:
        trouble = requester.createException(status, headers, told)
        is_passing = status >= HTTPStatus.INTERNAL_SERVER_ERROR or is_rate_limit(trouble)
        if is_passing or (_OF_ITS_FRONT in headers and status in _REFUSALS):
            raise trouble
    if not _OF_THE_API.isdisjoint(headers) or _ALWAYS_IN_META in told:
        return _called(headers, told)
    raise WrongForge(url, _other(requester, headers, status), correct=_CORRECT)


def _called(headers: Mapping[str, str], told: Mapping[str, object]) -> str:
    enterprise = _version(headers.get(_ENTERPRISE) or told.get("installed_version"))
    api = _version(headers.get(_API_VERSION))
    return ("GitHub Enterprise Server" if enterprise else "GitHub") + enterprise + (f", API{api}" if api else "")


def _other(requester: Requester, headers: Mapping[str, str], status: int) -> str:
    for header, product in _OTHERS.items():
        if header in headers:
            return product
    if _OF_ITS_FRONT in headers:
        return "GitHub's web pages, not its API"
    _, _, text = requester.requestJson("GET", "/version")
    told = json_object(text)
    version = _version(told.get("version"))
    if not version:
        return f"no forge that is known here: it answers {status} to /meta"
    if "revision" in told:
        return f"GitLab{version}"
    return ("Forgejo" if "+gitea-" in version else "Gitea") + version


def _version(told: object) -> str:
    """A version as it is shown behind a name, with a space before it; empty where none is told."""
    return f" {told}" if isinstance(told, str) and _VERSION.fullmatch(told) else ""
