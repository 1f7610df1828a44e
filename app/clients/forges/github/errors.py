"""What went wrong at GitHub, by who must act.

GitHub's own words are quoted and cut; headers and whole answers never become part of a message.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import requests
from github import BadAttributeException, GithubException, UnknownObjectException

from app.clients.bounded_http import LARGEST_ANSWER, AnswerTooLarge
from app.core.errors import NotFound, Refused, Unavailable
from app.core.ports import RateLimited

# What GitHub asks for where it names no time itself:
# https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
_DEFAULT_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_SHORTEST_PAUSE = timedelta(seconds=1)
_LIMITED = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
# The second is how older servers call the secondary rate limit.
_LIMIT_WORDS = ("rate limit", "abuse detection")

TROUBLE = (
    GithubException,
    BadAttributeException,
    requests.RequestException,
    # PyGithub asserts that every URL in an answer is its own, and reads some fields of odd answers unguarded.
    AssertionError,
    AttributeError,
    TypeError,
    ValueError,
    # What PyGithub raises where GitHub redirects to another host.
    RuntimeError,
)
"""What PyGithub, and reading its answers, may raise."""


class TokenNotAccepted(Refused):
    """GitHub does not know the token, or no longer."""

    def __init__(self, repository: str, problem: str) -> None:
        super().__init__(f"the token for {repository} on GitHub {problem}; put a new one where forge.token points")
        self.repository = repository


class RepositoryNotVisible(Refused):
    """GitHub shows no such repository to our token."""

    def __init__(self, repository: str) -> None:
        super().__init__(
            f"GitHub shows no repository {repository} to our token: correct forge.repository, "
            f"or give the token access to it"
        )
        self.repository = repository


class RepositoryMoved(Refused):
    """The repository now has another name, under which its webhooks come too."""

    def __init__(self, repository: str, now: str) -> None:
        super().__init__(f"{repository} is called {now[:200]!r} on GitHub now; set forge.repository and url to that")
        self.repository, self.now = repository, now


class GitHubRefused(Refused):
    """GitHub does not do what was asked, now or later."""

    def __init__(self, repository: str, problem: str) -> None:
        super().__init__(f"GitHub refuses for {repository}: {problem}")
        self.repository = repository


class UnknownPullRequest(NotFound):
    """The repository has no pull request of that number."""

    def __init__(self, repository: str, number: int) -> None:
        super().__init__(f"{repository} has no pull request {number} on GitHub")
        self.repository, self.number = repository, number


class GitHubUnavailable(Unavailable):
    """GitHub does not answer, or not as GitHub, just now."""

    def __init__(self, repository: str, problem: str) -> None:
        super().__init__(f"GitHub {problem} (for {repository})")
        self.repository = repository


class GitHubRateLimited(RateLimited):
    """GitHub takes no more requests with our token before `retry_after`, or should be asked for none."""

    def __init__(self, repository: str, problem: str, *, retry_after: timedelta) -> None:
        super().__init__(f"GitHub {problem} (for {repository})", retry_after=retry_after)
        self.repository = repository


def is_missing(error: Exception) -> bool:
    """Tell whether GitHub itself, not something before it, said that the thing is not there, or hides it from us."""
    return isinstance(error, UnknownObjectException)


def is_already_open(error: GithubException) -> bool:
    """Tell whether a pull request was not opened because there is one from that head into that base."""
    is_invalid = error.status == HTTPStatus.UNPROCESSABLE_ENTITY
    return is_invalid and any(words.startswith("A pull request already exists") for words in _words(error.data))


def explain(error: Exception, repository: str, *, timeout_s: int, permission: str) -> Refused | Unavailable:
    """Say what an error of `TROUBLE` means. `permission` is what the token needs here, in GitHub's words."""
    match error:
        case GithubException():
            return _explain_status(error, repository, permission)
        case requests.RequestException():
            return GitHubUnavailable(repository, _describe_connection(error, timeout_s))
        case RuntimeError():
            return GitHubRefused(repository, "its API redirects elsewhere; set forge.api_url to where it really is")
        case _:
            return GitHubUnavailable(
                repository, f"sent something that is no answer of its API: {type(error).__name__}; check forge.api_url"
            )


def _describe_connection(error: requests.RequestException, timeout_s: int) -> str:
    """Say what kept us from an answer; the library's own text may hold anything."""
    match error:
        case requests.Timeout():
            return f"did not answer within {timeout_s} s"
        case requests.exceptions.SSLError():
            return "has a certificate that cannot be verified: set ca_file to its authority's certificate"
        case AnswerTooLarge():
            return f"sent more than {LARGEST_ANSWER} bytes in one answer"
        case requests.exceptions.ProxyError():
            return "cannot be reached through the proxy; check proxy"
        case _:
            return f"cannot be reached: {type(error).__name__}"


def _explain_status(error: GithubException, repository: str, permission: str) -> Refused | Unavailable:
    status, headers = error.status, error.headers or {}
    if status == HTTPStatus.UNAUTHORIZED:
        return TokenNotAccepted(repository, "was not accepted: it expired or was revoked")
    if is_rate_limit(error):
        return GitHubRateLimited(
            repository, "takes no more requests for a while: rate limit", retry_after=_pause(headers)
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return GitHubUnavailable(repository, f"answered {status}")
    problem = f"{status}, {_said(error.data)}"
    if status == HTTPStatus.FORBIDDEN:
        problem += f"; the token needs the permission '{permission}'"
    return GitHubRefused(repository, problem)


def is_rate_limit(error: GithubException) -> bool:
    """Tell whether GitHub wants to be left alone for a while."""
    if error.status not in _LIMITED:
        return False
    headers = error.headers or {}
    is_exhausted = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    says_so = any(told in words.lower() for words in _words(error.data) for told in _LIMIT_WORDS)
    return error.status == HTTPStatus.TOO_MANY_REQUESTS or is_exhausted or says_so


def time_until_reset(headers: Mapping[str, str]) -> timedelta:
    """How long until GitHub counts anew: its reset time is set against its own clock, not ours."""
    try:
        reset = datetime.fromtimestamp(int(headers["x-ratelimit-reset"]), UTC)
        pause = reset - parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, OverflowError, OSError, TypeError):
        return _DEFAULT_PAUSE
    return _bounded(pause)


def _pause(headers: Mapping[str, str]) -> timedelta:
    """How long GitHub wants to be left alone. Its reset time counts only once nothing remains."""
    if (seconds := headers.get("retry-after", "")).isdecimal():
        return _bounded(timedelta(seconds=int(seconds[:7])))
    return time_until_reset(headers) if headers.get("x-ratelimit-remaining") == "0" else _DEFAULT_PAUSE


def _bounded(pause: timedelta) -> timedelta:
    return min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)


def _said(answer: object) -> str:
    words = [words for words in _words(answer) if words and words != "Validation Failed"]
    return repr("; ".join(words)[:300]) if words else "without a reason"


def _words(answer: object) -> list[str]:
    """The message of an error and those of its parts: a text each, or field and code."""
    if not isinstance(answer, dict):
        return []
    parts = answer.get("errors")
    return [str(answer.get("message", "")), *map(_part, parts if isinstance(parts, list) else [])]


def _part(part: object) -> str:
    if not isinstance(part, dict):
        return str(part)
    return str(part.get("message") or f"{part.get('field')} is {part.get('code')}")
