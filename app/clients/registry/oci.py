"""The tags and digests of one OCI registry, by the distribution specification."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import httpx
from pydantic import BaseModel, ValidationError

from app.clients.registry.authorizations import Authorizations
from app.clients.registry.credentials.credential import Credentials
from app.clients.registry.errors import RegistryRefused, RegistrySilent, RegistryUnavailable
from app.clients.registry.limits import Limits, retry_after
from app.clients.registry.pages import PageMemory, TagPage, validator_of
from app.clients.registry.receiving import Receiving
from app.clients.rests import Rests
from app.clients.tls import trusting
from app.core.images import ImageName, InvalidImage, is_digest, is_hinted_digest, is_tag

# Without these a registry converts, or answers an index with the manifest of one platform.
_MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json, "
    "application/vnd.oci.image.manifest.v1+json, "
    "application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.docker.distribution.manifest.v2+json"
)
_DOCKER_HUB, _DOCKER_HUB_API = "docker.io", "registry-1.docker.io"
_TAGS_A_PAGE = 1000
_MOST_PAGES = 1000
_LARGEST_BODY = 16 * 1024 * 1024
_UNDECIDED = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_NOT_THERE = ("UNKNOWN", "NOT_FOUND", "NOTFOUND")


class _TagList(BaseModel):
    tags: list[str] | None


class _Error(BaseModel):
    code: str


class _Errors(BaseModel):
    errors: list[_Error]


class _AnyObject(BaseModel):
    """Any JSON object."""


class OCIRegistry:
    """One registry. Its connections are kept between calls and shared by threads; `close` ends them.

    What it is shown, and when, says `Authorizations`; when it is not asked at all, `Rests` (after a request without an
    answer: RegistrySilent) and `Limits`. Redirects are not followed and the environment (proxies, .netrc) is not read.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting, two for tests
        self,
        host: str,
        *,
        credentials: Credentials | None = None,
        plain_http: bool = False,
        ca_file: Path | None = None,
        proxy: str | None = None,
        timeout_s: float = 10,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host = host
        api_host = _DOCKER_HUB_API if host == _DOCKER_HUB else host
        self._url = httpx.URL(f"{'http' if plain_http else 'https'}://{api_host}")
        self._limits = Limits(host, clock=clock)
        self._authorizations = Authorizations(
            host, self._url, credentials, send=self._send, require_ok=self._require_ok, clock=clock
        )
        self._pages = PageMemory()
        self._client = httpx.Client(
            verify=trusting(ca_file),
            timeout=timeout_s,
            proxy=proxy,
            transport=transport,
            trust_env=False,
        )
        self._receiving = Receiving(host, self._client, timeout_s, clock, _LARGEST_BODY)
        self._rests, self._token_rests = (
            Rests(silence=RegistrySilent, resting=self._receiving.resting, clock=clock) for _ in range(2)
        )

    @property
    def is_shown_credentials(self) -> bool:
        """Whether it asked who we are, and was told."""
        return self._authorizations.are_asked_for

    def close(self) -> None:
        """End the connections that are kept."""
        self._client.close()

    def tags(self, path: str) -> Sequence[str]:
        """Every tag, all pages, in the registry's order; a repository that the registry does not know has none.

        Pages that were read before are asked for only if they changed, where the registry knows how. Raises
        InvalidImage, RegistryRefused, RegistryUnavailable: never a part of the list.
        """
        ImageName.at(self._host, path)
        url = self._url.join(f"/v2/{path}/tags/list").copy_add_param("n", str(_TAGS_A_PAGE))
        seen: dict[str, None] = {}
        asked: set[httpx.URL] = set()
        while len(asked) < _MOST_PAGES:
            page = self._tag_page(url, path)
            if page is None and asked:
                raise RegistryUnavailable(
                    self._host, f"the list of the tags of {path} breaks off at page {len(asked) + 1}"
                )
            if page is None:
                return []
            asked.add(url)
            seen |= dict.fromkeys(page.tags)
            if page.following is None:
                return [tag for tag in seen if is_tag(tag)]
            url = page.following
            if url in asked:
                raise RegistryRefused(self._host, f"its pages of the tags of {path} lead back to one that was read")
        raise RegistryRefused(
            self._host,
            f"the tags of {path} are more than {_MOST_PAGES} pages: delete old tags, or exclude the repository",
        )

    def digest(self, path: str, reference: str) -> str | None:
        """The digest that a tag (or digest) names now, an index's own for multi-arch; None: not there.

        Raises InvalidImage, RegistryRefused, RegistryUnavailable.
        """
        ImageName.at(self._host, path)
        if not (is_tag(reference) or is_hinted_digest(reference)):
            raise InvalidImage(f"{path}:{reference}", f"{reference[:200]!r} is neither a tag nor a digest")
        url = self._url.join(f"/v2/{path}/manifests/{reference}")
        head = self._ask("HEAD", url, path=path)
        found = head.headers.get("docker-content-digest", "") if head.is_success else ""
        if self._host == _DOCKER_HUB and head.status_code == HTTPStatus.NOT_FOUND and _is_registrys_own(head):
            # No proxy answers for it, and a GET would count as a pull.
            return None
        if not is_digest(found):
            # A HEAD has no body to tell a registry's 404 from a proxy's, and not every registry names digests.
            answer = self._ask("GET", url, path=path)
            if answer.status_code == HTTPStatus.NOT_FOUND:
                return None
            if not _is_manifest(answer):
                raise RegistryUnavailable(
                    self._host, f"the answer for {path}:{reference} is no manifest; check host and proxy"
                )
            found = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        algorithm, colon, _ = reference.partition(":")
        if colon and found.partition(":")[0] == algorithm and found != reference:
            raise RegistryUnavailable(
                self._host, f"answered {path}@{reference} with {found}: is a proxy changing manifests?"
            )
        return found

    def _tag_page(self, url: httpx.URL, path: str) -> TagPage | None:
        """A page as it is now, or was when it did not change since; None: no such repository."""
        known = self._pages.recall(url)
        answer = self._ask("GET", url, path=path, unless=known.validator if known else None)
        if known is not None and answer.status_code == HTTPStatus.NOT_MODIFIED:
            return replace(known, following=self._next_page(answer) or known.following)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            self._pages.forget(url)
            return None
        page = TagPage(tuple(self._tags_of(answer, path)), self._next_page(answer), validator_of(answer))
        self._pages.keep(url, page)
        return page

    def _tags_of(self, page: httpx.Response, path: str) -> Sequence[str]:
        try:
            return _TagList.model_validate_json(page.content).tags or []
        except ValidationError as error:
            kind = page.headers.get("content-type", "no content type")[:100]
            raise RegistryUnavailable(
                self._host, f"the answer for the tags of {path} is no tag list ({kind}); check host and path"
            ) from error

    def _next_page(self, page: httpx.Response) -> httpx.URL | None:
        """The page after this one, always at this registry: of a link only path and query count.

        One behind a proxy names the host, port and scheme that it has there.
        """
        target = page.links.get("next", {}).get("url")
        if target is None:
            return None
        try:
            linked = page.request.url.join(target)
            url = self._url.copy_with(raw_path=linked.raw_path)
        except httpx.InvalidURL as error:
            raise RegistryUnavailable(self._host, "the link to the next page of tags is no URL") from error
        if not url.path.startswith("/v2/"):
            raise RegistryRefused(
                self._host, f"it puts the next page of tags at {url.path[:200]!r}, outside its own /v2/"
            )
        return url

    def _ask(self, method: str, url: httpx.URL, *, path: str, unless: tuple[str, str] | None = None) -> httpx.Response:
        """A 200, a registry's own 404, or from HEAD what only a GET can decide; authenticates when asked to.

        With `unless` (a conditional header) also a 304.
        """
        shown = self._authorizations.known(path)
        answer = self._send(method, url, shown, unless)
        for is_last in (False, True):
            if answer.status_code != HTTPStatus.UNAUTHORIZED:
                break
            refused, shown = shown, self._authorizations.answering(answer, path, shown, is_last=is_last)
            if is_last and shown == refused:
                break
            answer = self._send(method, url, shown, unless)
        if answer.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            self._authorizations.forget(path)
            problem = f"it answered {answer.status_code} for {path}"
            raise RegistryRefused(
                self._host, f"{problem}; check user and password, or auth: that they may pull, that it exists"
            )
        is_missing = answer.status_code == HTTPStatus.NOT_FOUND and _is_registrys_own(answer)
        is_undecided = method == "HEAD" and answer.status_code in _UNDECIDED
        is_unchanged = unless is not None and answer.status_code == HTTPStatus.NOT_MODIFIED
        if not (is_missing or is_undecided or is_unchanged):
            self._require_ok(answer, "it")
        return answer

    def _require_ok(self, answer: httpx.Response, who: str) -> None:
        if answer.has_redirect_location:
            raise RegistryRefused(self._host, f"{who} redirects elsewhere; set the host that it really has")
        if answer.status_code == HTTPStatus.NOT_FOUND:
            raise RegistryUnavailable(
                self._host, f"{who} answered 404, but not as a registry does; check host and proxy"
            )
        if answer.status_code != HTTPStatus.OK:
            problem = f"{who} answered {answer.status_code}"
            raise RegistryUnavailable(self._host, problem, retry_after=retry_after(answer))

    def _send(
        self, method: str, url: httpx.URL, authorization: str | None, unless: tuple[str, str] | None = None
    ) -> httpx.Response:
        """Send one request and read the whole answer, of a size and within a time that are both limited."""
        is_registry = url.netloc == self._url.netloc
        rests = self._rests if is_registry else self._token_rests
        headers = {"Accept": _MANIFEST_TYPES if "/manifests/" in url.path else "application/json"}
        if authorization:
            headers["Authorization"] = authorization
        if unless:
            headers |= [unless]
        request = self._client.build_request(method, url, headers=headers)
        if not is_registry:
            with rests.asking():
                return self._receiving.receive(request)
        self._limits.require(method, url)
        with rests.asking():
            answer = self._receiving.receive(request)
        self._limits.learn(answer)
        return answer


def _is_registrys_own(answer: httpx.Response) -> bool:
    """Tell a registry's 404 from that of a proxy before it, which says nothing about tags.

    Proxies are told to add the registry's header to all that they answer; only an answer without a body has no more.
    """
    if not answer.content:
        return "docker-distribution-api-version" in answer.headers
    try:
        codes = [one.code.upper() for one in _Errors.model_validate_json(answer.content).errors]
    except ValidationError:
        return False
    return any(word in code for code in codes for word in _NOT_THERE)


def _is_manifest(answer: httpx.Response) -> bool:
    """Tell a manifest from what a proxy answers in its place: it is a JSON object, whatever it is called."""
    try:
        _AnyObject.model_validate_json(answer.content)
    except ValidationError:
        return False
    return "html" not in answer.headers.get("content-type", "")
