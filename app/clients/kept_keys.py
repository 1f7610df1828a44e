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
_KEPT_S = 24 * 3600.0
_log = structlog.get_logger("fluxbridge.keys")


class KeysUnavailable(Unavailable):
    """The keys of an issuer could not be fetched."""

    def __init__(self, host: str, problem: str) -> None:
        super().__init__(f"the keys of tokens cannot be fetched: {host} {problem}")


class KeptKeys(Generic[Key]):
    """The keys at one URL. For threads at once, and for an event loop: nothing here waits for the network.

    They are fetched anew when the answer's max-age is over, which counts as 5 minutes at least and an hour at most;
    while that fails, the old ones are good for a day. `read` raises Invalid for what holds no keys. Redirects are not
    followed, and the environment (proxies, .netrc) is not read. `clock` counts seconds and never goes back.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting, three for tests and those who know the format
        self,
        url: str,
        *,
        read: Callable[[bytes], Mapping[str, Key]],
        largest: int,
        ca_file: Path | None = None,
        proxy: str | None = None,
        timeout_s: float = 10,
        clock: Callable[[], float] = time.monotonic,
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._url, self._read, self._largest = httpx.URL(url), read, largest
        self._verify = trusting(ca_file)
        self._proxy, self._timeout_s, self._clock = proxy, timeout_s, clock
        self._start = start or _in_a_thread
        self._lock = threading.Lock()
        self._keys: Mapping[str, Key] | None = None
        self._until = self._due_at = float("-inf")
        self._is_fetching = False

    def current(self) -> Mapping[str, Key] | None:
        """The keys as they were fetched last; None where they never were, or too long ago."""
        now = self._clock()
        with self._lock:
            if is_due := now >= self._due_at and not self._is_fetching:
                self._is_fetching = True
        if is_due:
            self._start(self._fetch)
        with self._lock:
            return self._keys if self._clock() < self._until else None

    def _fetch(self) -> None:
        try:
            answer = self._get()
            keys = self._read(answer.content)
        except (Invalid, KeysUnavailable) as error:
            _log.warning("the keys of tokens were not fetched", host=self._url.host, why=str(error))
            self._end(None, _AFTER_FAILURE_S)
        except BaseException:
            self._end(None, _AFTER_FAILURE_S)
            raise
        else:
            self._end(keys, _age(answer))

    def _end(self, keys: Mapping[str, Key] | None, next_in_s: float) -> None:
        with self._lock:
            now = self._clock()
            if keys is not None:
                self._keys, self._until = keys, now + _KEPT_S
            self._due_at, self._is_fetching = now + next_in_s, False

    def _get(self) -> httpx.Response:
        """Ask for them, within twice the timeout and for no more than there may be. Raises KeysUnavailable."""
        ends_at, body = time.monotonic() + 2 * self._timeout_s, bytearray()
        try:
            with (
                self._connect() as client,
                closing(client.send(client.build_request("GET", self._url), stream=True)) as sent,
            ):
                if sent.status_code != httpx.codes.OK:
                    raise self._unavailable(f"answered {sent.status_code}")
                for chunk in sent.iter_bytes():
                    body += chunk
                    if len(body) > self._largest:
                        raise self._unavailable(f"sent more than {self._largest} bytes")
                    if time.monotonic() > ends_at:
                        raise self._unavailable(f"did not end within {2 * self._timeout_s:g} s")
                return httpx.Response(sent.status_code, headers=sent.headers, content=bytes(body))
        except httpx.TimeoutException as error:
            raise self._unavailable(f"did not answer within {self._timeout_s:g} s") from error
        except httpx.HTTPError as error:
            raise self._unavailable(f"cannot be asked ({type(error).__name__}: {error})") from error

    def _connect(self) -> httpx.Client:
        return httpx.Client(verify=self._verify, timeout=self._timeout_s, proxy=self._proxy, trust_env=False)

    def _unavailable(self, problem: str) -> KeysUnavailable:
        return KeysUnavailable(self._url.host, problem)


def _age(answer: httpx.Response) -> float:
    told = _MAX_AGE.search(answer.headers.get("cache-control", ""))
    return min(max(float(told[1]) if told else _SHORTEST_S, _SHORTEST_S), _LONGEST_S)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="keys", daemon=True).start()
