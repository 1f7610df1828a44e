"""Whether what answers where GitLab should be is GitLab, and which; else what it is."""

import re
from collections.abc import Mapping
from http import HTTPStatus

from app.clients.forges.errors import WrongForge
from app.clients.forges.rest import Rejected, RestClient

_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,59}")
# GitLab before 15.2 knows only the second.
_PLACES = ("/metadata", "/version")
_OTHERS = {"x-github-request-id": "GitHub", "x-arequestid": "Bitbucket Data Center"}
_CORRECT = "kind: gitlab speaks only to GitLab: set forge.api_url to https://HOST/api/v4"


def identify(rest: RestClient, url: str) -> str:
    """GitLab's name and version as it tells them itself.

    Raises WrongForge, Rejected where GitLab itself says no, and what the client raises.
    """
    found = f"no forge that is known here: it answers {HTTPStatus.NOT_FOUND:d} to {_PLACES[0]}"
    for place in _PLACES:
        try:
            told = rest.get(place).data
        except Rejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            found = next((name for header, name in _OTHERS.items() if header in error.headers), found)
            continue
        return _called(told, url)
    raise WrongForge(url, found, correct=_CORRECT)


def _called(told: object, url: str) -> str:
    version = told.get("version") if isinstance(told, Mapping) else None
    if not isinstance(told, Mapping) or not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise WrongForge(url, "no forge that is known here, by what it tells of itself", correct=_CORRECT)
    if "revision" not in told:
        other = "Forgejo" if "+gitea-" in version else "Gitea"
        raise WrongForge(url, f"{other} {version}", correct=_CORRECT)
    return f"GitLab {version}"
