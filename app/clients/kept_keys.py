"""Keys that an issuer of tokens publishes: fetched in a thread of their own, and kept, so that nobody waits."""

import re
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Generic, TypeVar

import httpx
import structlog

from app.clients.tls import trusting
from app.core.errors import Invalid, Unavailable

Key = TypeVar("Key")
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?:$|[\s,])", re.IGNORECASE)
_SHORTEST_S, _LONGEST_S = 300.0, 3600.0
_AFTER_FAILURE_S = 10.0
_AFTER_DOUBT_S = 30.0
_KEPT_S = 24 * 3600.0
_log = structlog.get_logger("fluxbridge.keys")


class KeysUnavailable(Unavailable):
    """The keys of an issuer could not be fetched."""

    def __init__(self, host: str, problem: str) -> None:
        super().__init__(f"the keys of tokens cannot be fetched: {host} {problem}")


class KeptKeys(Generic[Key]):
    """The keys at one URL. For threads at once, and for an event loop: nothing but `ask` waits for the network.

    They are fetched anew when the answer's max-age is over, which counts as 5 minutes at least and an hour at most;
    while that fails, the old ones are good for a day. Somebody's doubt fetches them earlier, but not within 30 s of the
    fetch before: an issuer may have changed a key and kept its id. With `find` there is a document at the URL which
    names that of the keys. Both raise Invalid for what holds none. Redirects are not followed, and the environment
    (proxies, .netrc) is not read. `clock` counts seconds and never goes back.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting, four for tests and those who know the format
        self,
        url: str,
        *,
        read: Callable[[bytes], Mapping[str, Key]],
        largest: int,
        find: Callable[[bytes], str] | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
        timeout_s: float = 10,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._url, self._read, self._largest, self._find = httpx.URL(url), read, largest, find
        self._verify = trusting(ca_file)
        self._proxy, self._timeout_s, self._clock = proxy, timeout_s, clock
        self._start = start or _in_a_thread
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] | None = None
        self._until = self._due_at = self._fetched_at = float("-inf")
        self._is_fetching = False

    def current(self) -> Mapping[str, Key] | None:
        """The keys as they were fetched last; None where they never were, or too long ago."""
        self._fetch_from(lambda: self._due_at)
        with self._lock:
            return self._keys if self._clock() < self._until else None

    def doubt(self) -> bool:
        """Fetch them anew for something that matches none of them; whether they are being fetched now."""
        has_begun = self._fetch_from(lambda: self._fetched_at + _AFTER_DOUBT_S)
        with self._lock:
            return has_begun or self._is_fetching

    def ask(self) -> Mapping[str, Key]:
        """What is published now, of which nothing is kept. Raises KeysUnavailable, and what `read` and `find` raise."""
        return self._ask()[0]

    def _fetch_from(self, begins_at: Callable[[], float]) -> bool:
        """Begin to fetch, from a time on and unless it is under way; whether it was begun."""
        now = self._clock()
        with self._lock:
            begins = now >= begins_at() and not self._is_fetching
            if begins:
                self._is_fetching, self._fetched_at = True, now
        if begins:
            self._start(self._fetch)
        return begins

    def _ask(self) -> tuple[Mapping[str, Key], float]:
        """The keys, and for how many seconds they need not be asked for again."""
        url = self._url
        if self._find is not None:
            found = self._find(self._get(url).content)
            try:
                url = httpx.URL(found)
            except httpx.InvalidURL as error:
                raise KeysUnavailable(url.host, "names keys at what is no URL") from error
        answer = self._get(url)
        return self._read(answer.content), _age(answer)

    def _fetch(self) -> None:
        try:
            keys, age_s = self._ask()
        except (Invalid, KeysUnavailable) as error:
            _log.warning("the keys of tokens were not fetched", host=self._url.host, why=str(error))
            self._end(None, _AFTER_FAILURE_S)
        except BaseException:
            self._end(None, _AFTER_FAILURE_S)
            raise
        else:
            self._end(keys, age_s)

    def _end(self, keys: Mapping[str, Key] | None, next_in_s: float) -> None:
        with self._lock:
            now = self._clock()
            if keys is not None:
                self._keys, self._until = keys, now + _KEPT_S
            self._due_at, self._is_fetching = now + next_in_s, False

    def _get(self, url: httpx.URL) -> httpx.Response:
        """Ask for them, within twice the timeout and for no more than there may be. Raises KeysUnavailable."""
        ends_at, body = time.monotonic() + 2 * self._timeout_s, bytearray()
        try:
            with (
                self._connect() as client,
                closing(client.send(client.build_request("GET", url), stream=True)) as sent,
            ):
                if sent.status_code != httpx.codes.OK:
                    raise KeysUnavailable(url.host, f"answered {sent.status_code}")
                for chunk in sent.iter_bytes():
                    body += chunk
                    if len(body) > self._largest:
                        raise KeysUnavailable(url.host, f"sent more than {self._largest} bytes")
                    if time.monotonic() > ends_at:
                        raise KeysUnavailable(url.host, f"did not end within {2 * self._timeout_s:g} s")
                return httpx.Response(sent.status_code, headers=sent.headers, content=bytes(body))
        except httpx.TimeoutException as error:
            raise KeysUnavailable(url.host, f"did not answer within {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise KeysUnavailable(url.host, f"cannot be asked ({type(error).__name__}: {error})") from error

    def _connect(self) -> httpx.Client:
        return httpx.Client(verify=self._verify, timeout=self._timeout_s, proxy=self._proxy, trust_env=False)


def _age(answer: httpx.Response) -> float:
    told = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    return min(max(float(told[1]) if told else _SHORTEST_S, _SHORTEST_S), _LONGEST_S)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="keys", daemon=True).start()
