"""What forges answer, whatever their kind: what kept an answer away, how long they want to be left alone, their words.

A forge's own words are quoted and cut; headers and whole answers never become part of a message.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import requests

from app.clients.bounded_http import LARGEST_ANSWER, AnswerTooLarge

_DEFAULT_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_SHORTEST_PAUSE = timedelta(seconds=1)
_LONGEST_QUOTE = 300
_MOST_WORDS = 20
_DEEPEST = 8
_WORD_KEYS = ("message", "error", "detail", "errors")
# What says nothing beside the words of the parts.
_EMPTY_WORDS = frozenset({"", "Validation Failed"})


def describe_connection(error: requests.RequestException, timeout_s: float) -> str:
    """Say what kept us from an answer; the library's own text may hold anything."""
    match error:
        case requests.Timeout():
            return f"did not answer within {timeout_s:g} s"
        case requests.exceptions.SSLError():
            return "has a certificate that cannot be verified: set ca_file to its authority's certificate"
        case AnswerTooLarge():
            return f"sent more than {LARGEST_ANSWER} bytes in one answer"
        case requests.exceptions.ProxyError():
            return "cannot be reached through the proxy; check proxy"
        case _:
            return f"cannot be reached: {type(error).__name__}"


def pause_until(reset: str | None, headers: Mapping[str, str]) -> timedelta:
    """How long until a forge counts anew, by seconds since 1970 that it names: set against its own clock, not ours."""
    try:
        pause = datetime.fromtimestamp(int(reset or ""), UTC) - parsedate_to_datetime(headers["date"])
    except (KeyError, ValueError, OverflowError, OSError, TypeError):
        return _DEFAULT_PAUSE
    return _bounded(pause)


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """How long a forge wants to be left alone by its header Retry-After, in seconds or as a date; None: it has none."""
    told = headers.get("retry-after", "")
    if told.isascii() and told.isdecimal():
        return _bounded(timedelta(seconds=int(told[:7])))
    try:
        return _bounded(parsedate_to_datetime(told) - parsedate_to_datetime(headers["date"])) if told else None
    except (KeyError, ValueError, OverflowError, TypeError):
        return _DEFAULT_PAUSE


def pause_of(headers: Mapping[str, str]) -> timedelta:
    """The same, and a minute where nothing is told."""
    return retry_after(headers) or _DEFAULT_PAUSE


def quoted_words(answer: object) -> str:
    """What an error says of itself, whatever shape it has, as one quoted text.

    >>> quoted_words({"message": "Validation Failed", "errors": [{"field": "base", "code": "invalid"}]})
    "'base is invalid'"
    >>> quoted_words({"message": {"base": ["is taken"]}}), quoted_words({"errors": [{"message": "no"}]})
    ("'base: is taken'", "'no'")
    """
    words = [each for each in dict.fromkeys(words_of(answer)) if each not in _EMPTY_WORDS]
    return repr("; ".join(words)[:_LONGEST_QUOTE]) if words else "without a reason"


def words_of(answer: object) -> list[str]:
    """The texts of an error, each part's own."""
    found: list[str] = []
    for each in _words(answer, depth=0) if isinstance(answer, dict) else ():
        found.append(each)
        if len(found) == _MOST_WORDS:
            break
    return found


def _words(answer: object, *, depth: int) -> Iterator[str]:
    match answer:
        case str():
            yield answer[: 4 * _LONGEST_QUOTE]
        case list() if depth < _DEEPEST:
            for each in answer[:_MOST_WORDS]:
                yield from _words(each, depth=depth + 1)
        case dict() if depth < _DEEPEST:
            if told := [answer[key] for key in _WORD_KEYS if answer.get(key)]:
                yield from _words(told, depth=depth + 1)
            elif "field" in answer:
                yield f"{answer.get('field')} is {answer.get('code')}"
            elif depth:
                for key, value in list(answer.items())[:_MOST_WORDS]:
                    yield from (f"{key}: {each}" for each in _words(value, depth=depth + 1))
        case _:
            return


def _bounded(pause: timedelta) -> timedelta:
    return min(max(pause, _SHORTEST_PAUSE), _LONGEST_PAUSE)
