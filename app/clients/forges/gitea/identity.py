"""Whether what answers where Gitea should be is Gitea or Forgejo, and which; else what it is."""

from http import HTTPStatus

from app.clients.forges.errors import WrongForge
from app.clients.forges.gitea.answers import VersionAnswer
from app.clients.forges.rest import Rejected, RestClient

_FORGEJO = "+gitea-"
_CORRECT = (
    "kind: gitea speaks only to Gitea and Forgejo: set forge.api_url to https://HOST/api/v1 of one, or forge.kind to "
    "what it is"
)


def identify(rest: RestClient, url: str) -> str:
    """Gitea or Forgejo with its version: that of Forgejo names the one of Gitea that it stands for. Raises WrongForge.

    Raises as well what `rest` raises where nothing but a trouble on the way to it can be seen.
    """
    try:
        told = rest.get("/version").read(VersionAnswer)
    except Rejected as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        raise WrongForge(url, _other(rest), correct=_CORRECT) from error
    if told.revision is not None:
        raise WrongForge(url, f"GitLab {told.version}", correct=_CORRECT)
    return f"{'Forgejo' if _FORGEJO in told.version else 'Gitea'} {told.version}"


def _other(rest: RestClient) -> str:
    try:
        found = rest.get("/meta").data
    except Rejected:
        found = None
    if isinstance(found, dict) and "verifiable_password_authentication" in found:
        return "GitHub"
    return "no forge that is known here: it answers 404 to /version"
