"""What went wrong at GitLab, by who must act."""

import re
from http import HTTPStatus
from urllib.parse import unquote

from app.clients.forges.errors import ForgeRefused, RepositoryMoved, RepositoryNotVisible, UnknownPullRequest
from app.clients.forges.gitlab.answers import Project
from app.clients.forges.rest import Redirected, Rejected, RestClient, segment
from app.core.errors import FluxbridgeError

_IN_PROJECTS = re.compile(r"/projects/([^/]+)")
_UNCLEAR = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})


def is_same_project(one: str, other: str) -> bool:
    """Compare two full paths as GitLab does."""
    return one.casefold() == other.casefold()


def explain(error: Rejected | Redirected, rest: RestClient, number: int | None) -> FluxbridgeError:
    """Say what a no means, for which the project is looked at where the no itself leaves it open.

    `number` is the merge request that was asked for. Raises what the client raises.
    """
    if isinstance(error, Redirected):
        return _moved(error, rest)
    if isinstance(error.data, dict) and error.data.get("error") == "insufficient_scope":
        return ForgeRefused(rest.at, f"{error.status}; the token lacks the scope 'api': make one that has it")
    return _by_project(error, rest, number) if error.status in _UNCLEAR else error


def _by_project(error: Rejected, rest: RestClient, number: int | None) -> FluxbridgeError:
    try:
        project = rest.get(f"/projects/{segment(rest.at.repository)}").read(Project)
    except Redirected as redirected:
        return _moved(redirected, rest)
    except Rejected as why:
        return RepositoryNotVisible(rest.at) if why.status == HTTPStatus.NOT_FOUND else why
    if not is_same_project(project.path_with_namespace, rest.at.repository):
        return RepositoryMoved(rest.at, project.path_with_namespace)
    if project.merge_requests_enabled and error.status == HTTPStatus.NOT_FOUND:
        return UnknownPullRequest(rest.at, number) if number is not None else error
    problem = _obstacle(project)
    return ForgeRefused(rest.at, f"{error.status}; {problem}") if problem else error


def _obstacle(project: Project) -> str | None:
    """What about a project keeps us from its merge requests, and what to do about it."""
    if not project.merge_requests_enabled:
        return "the project has merge requests disabled: enable them in its settings"
    if project.archived:
        return "the project is archived: unarchive it, or take the config repository out of the settings"
    if project.is_below_developer:
        return "the token has too low a role in the project: give it the role Developer"
    return None


def _moved(error: Redirected, rest: RestClient) -> FluxbridgeError:
    """Say where it is now: GitLab redirects to its id or to its new path. Nothing else is taken of the address."""
    named = _IN_PROJECTS.search(error.path)
    if named is None:
        return error
    try:
        project = rest.get(f"/projects/{segment(unquote(named[1]))}").read(Project)
    except (Redirected, Rejected):
        return error
    is_other = not is_same_project(project.path_with_namespace, rest.at.repository)
    return RepositoryMoved(rest.at, project.path_with_namespace) if is_other else error
