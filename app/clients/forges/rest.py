"""A forge's REST API over one bounded connection: one host, JSON answers, errors by who must act.

Nothing is retried here and no redirect is followed. The environment (proxies, .netrc) is not read.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote, urlsplit

import requests
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.clients import bounded_http
from app.clients.forges.answers import describe_connection, pause_of, quoted_words, retry_after, words_of
from app.clients.forges.errors import ForgeRateLimited, ForgeRefused, ForgeUnavailable, Hosted, TokenNotAccepted
from app.clients.forges.limits import Limits

_PRINTABLE = re.compile(r"[\x20-\x7e]*[\x21-\x7e]")
_LONGEST_PATH = 200

JsonObject = Mapping[str, object]
Query = Mapping[str, str] | Sequence[tuple[str, str]]
Model = TypeVar("Model", bound=BaseModel)
Item = TypeVar("Item")


class Redirected(ForgeRefused):
    """A forge sends us elsewhere. `path` is that of where to, without host and query; it is not followed."""

    def __init__(self, at: Hosted, location: str) -> None:
        super().__init__(
            at,
            f"its API redirects to {_place(location)}; "
            "set forge.repository and the URLs of this config repository to where it really is",
        )
        self.path = _path(location)


class Rejected(ForgeRefused):
    """A forge says no to one request. Who asked knows better what that means, or leaves it as it is.

    `status` is 400 to 499, but neither 401 nor 429; `data` is the JSON that came with it, None where it was none.
    Header names are in any case.
    """

    def __init__(self, at: Hosted, status: int, data: object, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(at, f"{status}, {quoted_words(data)}")
        self.status, self.data, self.headers = status, data, headers or {}

    def says(self, words: str) -> bool:
        """Tell whether one of its texts has these words, in whatever case."""
        return any(words.lower() in each.lower() for each in words_of(self.data))


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of 200 to 299; `data` is its JSON, None where it has no body. Header names are in any case."""

    at: Hosted
    status: int
    headers: Mapping[str, str] = field(repr=False)
    data: object = field(repr=False)

    def read(self, model: type[Model]) -> Model:
        """The answer as it should be. Raises ForgeUnavailable where it is not."""
        return self.read_as(TypeAdapter(model))

    def read_as(self, shape: TypeAdapter[Item]) -> Item:
        """The same for what is no object. Raises ForgeUnavailable."""
        try:
            return shape.validate_python(self.data)
        except ValidationError as error:
            raise no_answer(self.at, type(error).__name__) from error


class RestClient:
    """The API at one address, for one caller at a time.

    `authorization` gives the whole value of that header, anew for each request. Raises, besides what `limits` raise:
    ForgeUnavailable (no answer, 5xx, no JSON), ForgeRateLimited (429), TokenNotAccepted (401), Redirected,
    Rejected (every other status from 400 on).
    """

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        at: Hosted,
        base_url: str,
        *,
        authorization: Callable[[], str],
        limits: Limits,
        timeout_s: float = 15,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self.at, self.limits = at, limits
        self._base_url, self._timeout_s, self._authorization = base_url.rstrip("/"), timeout_s, authorization
        self._lock = threading.RLock()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.verify = str(ca_file) if ca_file else True
        self._session.proxies = {"http": proxy, "https": proxy} if proxy else {}
        self._session.headers.update({"User-Agent": "fluxbridge", "Accept": "application/json"})
        bounded_http.bound(self._session, timeout_s=timeout_s)
        limits.watch(self._session)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let nobody else ask between what belongs together."""
        with self._lock:
            yield

    def get(self, path: str, query: Query = ()) -> Answer:
        """Ask for something; `path` begins with `/` and is made of `segment`s."""
        return self.ask("GET", path, query=query)

    def ask(self, method: str, path: str, *, query: Query = (), body: JsonObject | None = None) -> Answer:
        """Ask for something, or have something done."""
        with self._lock:
            try:
                answer = self._session.request(
                    method,
                    self._base_url + path,
                    params=dict(query) if isinstance(query, Mapping) else list(query),
                    json=body,
                    headers={"Authorization": self._checked_authorization()},
                    allow_redirects=False,
                    timeout=self._timeout_s,
                )
            except requests.RequestException as error:
                raise ForgeUnavailable(self.at, describe_connection(error, self._timeout_s)) from error
            except ValueError as error:
                # requests looks where a redirect leads even when it is not to follow.
                raise no_answer(self.at, type(error).__name__) from error
        return self._read(answer)

    def pages(self, path: str, query: Mapping[str, str], page: TypeAdapter[list[Item]]) -> Iterator[list[Item]]:
        """Every page of a list that is asked for by number, for as long as a `Link` tells of a next one.

        Of the link nothing else is taken, so that the address stays ours. Whoever reads decides when it is enough.
        """
        number, has_more = 1, True
        while has_more:
            answer = self.get(path, {**query, "page": str(number)})
            items = answer.read_as(page)
            yield items
            number, has_more = number + 1, bool(items) and "next" in _links(answer.headers.get("link", ""))

    def _checked_authorization(self) -> str:
        """What proves who asks. Raises TokenNotAccepted where it cannot stand in a header: requests would quote it."""
        told = self._authorization()
        if not _PRINTABLE.fullmatch(told):
            raise TokenNotAccepted(self.at, "is empty or holds line ends or other odd characters")
        return told

    def _read(self, answer: requests.Response) -> Answer:
        status = answer.status_code
        if answer.is_redirect or status in range(300, 400):
            raise Redirected(self.at, answer.headers.get("location", ""))
        if status == HTTPStatus.UNAUTHORIZED:
            raise TokenNotAccepted(self.at, "was not accepted: it expired, was revoked, or is of another server")
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            problem = "takes no more requests for a while: rate limit"
            raise ForgeRateLimited(self.at, problem, retry_after=pause_of(answer.headers))
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise ForgeUnavailable(self.at, f"answered {status}", retry_after=retry_after(answer.headers))
        data = _json(answer.content)
        if status >= HTTPStatus.BAD_REQUEST:
            raise Rejected(self.at, status, data, answer.headers)
        if data is None and answer.content.strip():
            raise no_answer(self.at, answer.headers.get("content-type", "no content type")[:100])
        return Answer(self.at, status, answer.headers, data)


def no_answer(at: Hosted, what: str) -> ForgeUnavailable:
    """The error where something else than the API answers, or a version of it that is not known here."""
    return ForgeUnavailable(at, f"sent something that is no answer of its API: {what}; check forge.api_url")


def segment(text: str) -> str:
    """A name as one part of a path, whatever is in it.

    >>> segment("group/sub/fleet"), segment("../x?y")
    ('group%2Fsub%2Ffleet', '..%2Fx%3Fy')
    """
    return quote(text, safe="")


def _links(header: str) -> Mapping[str, str]:
    try:
        links = requests.utils.parse_header_links(header[:8192]) if header else []
    except (ValueError, IndexError):
        return {}
    return {str(each.get("rel", "")): str(each.get("url", "")) for each in links}


def _json(content: bytes) -> object:
    try:
        return json.loads(content) if content.strip() else None
    except (ValueError, RecursionError):
        return None


def _path(url: str) -> str:
    try:
        return urlsplit(url).path[:_LONGEST_PATH]
    except ValueError:
        return ""


def _place(url: str) -> str:
    """Where a redirect leads, without what may be secret in it."""
    try:
        told = urlsplit(url)
        return repr(f"{told.scheme}://{told.hostname or ''}{told.path}"[:_LONGEST_PATH])
    except ValueError:
        return "nowhere"
