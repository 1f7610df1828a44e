"""Classic Helm repositories (ChartMuseum, Nexus, Artifactory, static files): the charts of their `index.yaml`."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

import httpx
import structlog

from app.clients.deadline import seconds_left
from app.clients.registry.credentials.credential import Credential, Credentials
from app.clients.registry.errors import RegistryRefused, RegistrySilent, RegistryUnavailable
from app.clients.registry.helm_file import ChartIndex, NoIndex, read_index
from app.clients.registry.limits import retry_after
from app.clients.registry.pages import validator_of
from app.clients.registry.receiving import Receiving
from app.clients.rests import Rests
from app.clients.tls import trusting
from app.core.images import ImageName, catalogue_name

LARGEST_INDEX = 64 * 1024 * 1024
_READ_WITHIN_S = 60.0
_FRESH_S = 15.0
_MOST_INDEXES = 200
_MOST_VERSIONS = 400_000
_LOCKS = 16
_log = structlog.get_logger("fluxbridge.registries")


@dataclass(frozen=True, slots=True)
class _Kept:
    """An index as it was when the server was asked last, and the header that asks whether it is another by now."""

    index: ChartIndex
    asked_at: float
    validator: tuple[str, str] | None


class HelmRepositories:
    """One web server with classic Helm repositories. A path is that of a chart: the folder of its index, and its name.

    Connections and what indexes say are kept between calls and shared by threads; `close` ends the connections. Each
    call asks only whether its index is another by now. Where the server cannot tell that, one download serves all
    charts of an index for 15 s; a version that is not in it is looked for anew. Credentials go to this host only, with
    the first request as Helm sends them. Redirects are not followed and the environment (proxies, .netrc) is not read.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting, two for tests
        self,
        host: str,
        *,
        credentials: Credentials | None = None,
        plain_http: bool = False,
        ca_file: Path | None = None,
        proxy: str | None = None,
        timeout_s: float = 20,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = catalogue_name("http" if plain_http else "https", host)
        self._credentials, self._clock = credentials, clock
        self._client = httpx.Client(
            verify=trusting(ca_file), timeout=timeout_s, proxy=proxy, transport=transport, trust_env=False
        )
        self._receiving = Receiving(self._registry, self._client, timeout_s, clock, LARGEST_INDEX)
        self._rests = Rests(silence=RegistrySilent, resting=self._receiving.resting, clock=clock)
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._downloads = [threading.Lock() for _ in range(_LOCKS)]

    def close(self) -> None:
        """End the connections that are kept."""
        self._client.close()

    def tags(self, path: str) -> Sequence[str]:
        """The versions of a chart, with `_` for `+`, in the order of the index; a chart that is not in it has none.

        Versions without a digest are left out, as are malformed ones, and those that are `removed`. Raises
        InvalidImage, RegistryRefused, RegistryUnavailable: never a part of the list.
        """
        url, chart = self._place(path)
        return list(self._index(url, self._is_fresh).charts.get(chart, ()))

    def digest(self, path: str, reference: str) -> str | None:
        """The digest of a version's archive, by the version or the digest itself; None: it is not in the index.

        Raises InvalidImage, RegistryRefused, RegistryUnavailable.
        """
        url, chart = self._place(path)

        def find(index: ChartIndex) -> str | None:
            versions = index.charts.get(chart, {})
            return reference if reference in versions.values() else versions.get(reference)

        def is_enough(kept: _Kept) -> bool:
            return self._is_fresh(kept) and find(kept.index) is not None

        return find(self._index(url, is_enough))

    def _place(self, path: str) -> tuple[str, str]:
        """Where the index of a chart is, and how the chart is called there. Raises InvalidImage."""
        name = ImageName.at(self._registry, path)
        folder, _, chart = f"{name.registry}/{path}".rpartition("/")
        return f"{folder}/index.yaml", chart

    def _is_fresh(self, kept: _Kept) -> bool:
        """Whether an index counts without a question: one that can only be downloaded whole does for a while."""
        return kept.validator is None and self._clock() - kept.asked_at < _FRESH_S

    def _index(self, url: str, is_enough: Callable[[_Kept], bool]) -> ChartIndex:
        with self._downloading(url):
            with self._lock:
                kept = self._kept.get(url)
            if kept is None or not is_enough(kept):
                kept = self._ask(url, kept)
                self._keep(url, kept)
            return kept.index

    @contextmanager
    def _downloading(self, url: str) -> Iterator[None]:
        """Let one thread at a time ask for an index: the others have what it was told."""
        lock = self._downloads[hash(url) % _LOCKS]
        if not lock.acquire(timeout=seconds_left(_READ_WITHIN_S)):
            raise RegistryUnavailable(self._registry, f"{url} was not asked for: another still reads it")
        try:
            yield
        finally:
            lock.release()

    def _keep(self, url: str, kept: _Kept) -> None:
        with self._lock:
            self._kept[url] = kept
            self._kept.move_to_end(url)
            while len(self._kept) > 1 and (
                len(self._kept) > _MOST_INDEXES or sum(one.index.weight for one in self._kept.values()) > _MOST_VERSIONS
            ):
                self._kept.popitem(last=False)

    def _ask(self, url: str, known: _Kept | None) -> _Kept:
        asked_at = self._clock()
        answer = self._send(url, known.validator if known else None)
        if known is not None and known.validator and answer.status_code == HTTPStatus.NOT_MODIFIED:
            return replace(known, asked_at=asked_at)
        self._require_ok(answer, url)
        try:
            index = read_index(answer.content, seconds=seconds_left(_READ_WITHIN_S), clock=self._clock)
        except NoIndex as error:
            problem = f"what it has at {url} is no index of a Helm repository: {error}"
            raise RegistryUnavailable(self._registry, problem) from error
        if index.left_out_count:
            _log.warning("entries of an index were left out", url=url, count=index.left_out_count, some=index.left_out)
        return _Kept(index, asked_at, validator_of(answer))

    @property
    def is_shown_credentials(self) -> bool:
        """Whether it is told who we are, which it is with each request."""
        return self._credentials is not None

    def _send(self, url: str, unless: tuple[str, str] | None) -> httpx.Response:
        """Ask with what says who we are, and once more with another where that was refused and can be renewed."""
        shown = self._credentials.current() if self._credentials else None
        answer = self._send_as(shown, url, unless)
        if self._credentials and shown and answer.status_code == HTTPStatus.UNAUTHORIZED:
            renewed = self._credentials.renewed(shown)
            return answer if renewed == shown else self._send_as(renewed, url, unless)
        return answer

    def _send_as(self, shown: Credential | None, url: str, unless: tuple[str, str] | None) -> httpx.Response:
        headers = {"Accept": "application/yaml, application/x-yaml, text/yaml, */*;q=0.5"}
        if shown:
            headers["Authorization"] = shown.header
        if unless:
            headers |= [unless]
        request = self._client.build_request("GET", url, headers=headers)
        with self._rests.asking():
            return self._receiving.receive(request)

    def _require_ok(self, answer: httpx.Response, url: str) -> None:
        if answer.has_redirect_location:
            raise RegistryRefused(self._registry, "it redirects elsewhere; set the host that it really has")
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            problem = f"it answered {answer.status_code} for {url}; check user and password, and that they may read it"
            raise RegistryRefused(self._registry, problem)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise RegistryUnavailable(self._registry, f"it has no {url}: check the address of the chart")
        if answer.status_code != HTTPStatus.OK:
            problem = f"it answered {answer.status_code} for {url}"
            raise RegistryUnavailable(self._registry, problem, retry_after=retry_after(answer))
