"""What went wrong at GitHub, by who must act.

GitHub's own words are quoted and cut; headers and whole answers never become part of a message.
"""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus

import requests
from github import BadAttributeException, GithubException, UnknownObjectException

from app.clients.forges.answers import describe_connection, pause_of, pause_until, quoted_words, words_of
from app.clients.forges.errors import ForgeRateLimited, ForgeRefused, ForgeUnavailable, Hosted, TokenNotAccepted
from app.core.errors import Refused, Unavailable

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


def is_missing(error: Exception) -> bool:
    """Tell whether GitHub itself, not something before it, said that the thing is not there, or hides it from us."""
    return isinstance(error, UnknownObjectException)


def is_already_open(error: GithubException) -> bool:
    """Tell whether a pull request was not opened because there is one from that head into that base."""
    is_invalid = error.status == HTTPStatus.UNPROCESSABLE_ENTITY
    return is_invalid and any(words.startswith("A pull request already exists") for words in words_of(error.data))


def explain(error: Exception, at: Hosted, *, timeout_s: int, permission: str) -> Refused | Unavailable:
    """Say what an error of `TROUBLE` means. `permission` is what the token needs here, in GitHub's words."""
    match error:
        case GithubException():
            return _explain_status(error, at, permission)
        case requests.RequestException():
            return ForgeUnavailable(at, describe_connection(error, timeout_s))
        case RuntimeError():
            return ForgeRefused(at, "its API redirects elsewhere; set forge.api_url to where it really is")
        case _:
            return ForgeUnavailable(
                at, f"sent something that is no answer of its API: {type(error).__name__}; check forge.api_url"
            )


def _explain_status(error: GithubException, at: Hosted, permission: str) -> Refused | Unavailable:
    status, headers = error.status, error.headers or {}
    if status == HTTPStatus.UNAUTHORIZED:
        return TokenNotAccepted(at, "was not accepted: it expired or was revoked")
    if is_rate_limit(error):
        return ForgeRateLimited(at, "takes no more requests for a while: rate limit", retry_after=_pause(headers))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ForgeUnavailable(at, f"answered {status}")
    problem = f"{status}, {quoted_words(error.data)}"
    if status == HTTPStatus.FORBIDDEN:
        problem += f"; the token needs the permission '{permission}'"
    return ForgeRefused(at, problem)


def is_rate_limit(error: GithubException) -> bool:
    """Tell whether GitHub wants to be left alone for a while."""
    if error.status not in _LIMITED:
        return False
    headers = error.headers or {}
    is_exhausted = "retry-after" in headers or headers.get("x-ratelimit-remaining") == "0"
    says_so = any(told in words.lower() for words in words_of(error.data) for told in _LIMIT_WORDS)
    return error.status == HTTPStatus.TOO_MANY_REQUESTS or is_exhausted or says_so


def time_until_reset(headers: Mapping[str, str]) -> timedelta:
    """How long until GitHub counts anew."""
    return pause_until(headers.get("x-ratelimit-reset"), headers)


def _pause(headers: Mapping[str, str]) -> timedelta:
    """How long GitHub wants to be left alone. Its reset time counts only once nothing remains.

    Where it names no time, a minute: that is what it asks for.
    https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#handle-rate-limit-errors-appropriately
    """
    is_exhausted = "retry-after" not in headers and headers.get("x-ratelimit-remaining") == "0"
    return time_until_reset(headers) if is_exhausted else pause_of(headers)
