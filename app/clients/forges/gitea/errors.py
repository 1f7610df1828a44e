"""What went wrong at Gitea, by who must act."""

import re
from http import HTTPStatus

from app.clients.forges.errors import ForgeRefused, RepositoryMoved, RepositoryNotVisible, UnknownPullRequest
from app.clients.forges.gitea.answers import RepositoryAnswer
from app.clients.forges.rest import Redirected, Rejected, RestClient
from app.core.errors import FluxbridgeError

_NEEDED_SCOPE = re.compile(r"required=\[([a-z:,\s_-]{1,100})\]")
_REPOSITORY_IN_PATH = re.compile(r"/repos/([^/]+/[^/]+)")


def explain(error: Rejected | Redirected, rest: RestClient, place: str, number: int | None) -> FluxbridgeError:
    """Say what an answer means for the repository at `place`, and the pull request that was asked for, if any.

    It may be asked whether the repository is there, and raises what that raises.
    """
    if isinstance(error, Redirected):
        return _moved(error, rest)
    match error.status:
        case HTTPStatus.NOT_FOUND:
            return _missing(error, rest, place, number)
        case HTTPStatus.FORBIDDEN:
            return ForgeRefused(rest.at, _lacking_right(error))
        case HTTPStatus.LOCKED:
            problem = "423, the repository is archived: take it out of the archive, or out of config_repos"
            return ForgeRefused(rest.at, problem)
        case _:
            return error


def message_of(error: Rejected) -> str:
    """Gitea's own words."""
    return str(error.data.get("message", ""))[:1000] if isinstance(error.data, dict) else ""


def _moved(error: Redirected, rest: RestClient) -> FluxbridgeError:
    """Gitea redirects whatever is asked under a former name."""
    named = _REPOSITORY_IN_PATH.search(error.path)
    is_other = named is not None and named[1].casefold() != rest.at.repository.casefold()
    return RepositoryMoved(rest.at, named[1]) if named is not None and is_other else error


def _missing(error: Rejected, rest: RestClient, place: str, number: int | None) -> FluxbridgeError:
    try:
        repository = rest.get(place).read(RepositoryAnswer)
    except Rejected as why:
        if why.status == HTTPStatus.NOT_FOUND:
            return RepositoryNotVisible(rest.at)
        raise
    if not repository.has_pull_requests:
        problem = "its pull requests are turned off: turn them on in the settings of the repository"
        return ForgeRefused(rest.at, problem)
    return UnknownPullRequest(rest.at, number) if number is not None else error


def _lacking_right(error: Rejected) -> str:
    """What is missing where something is forbidden: a scope of the token, or the account's access."""
    if needed := _NEEDED_SCOPE.search(message_of(error)):
        return f"403, the token lacks a scope: make one with {needed[1]}, and put it where forge.token points"
    told = f", {message_of(error)[:200]!r}" if message_of(error) else ""
    return f"403{told}; the account of the token needs write access to the repository"
