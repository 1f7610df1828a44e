"""What a registry may answer beside the specification, from a transport that misbehaves."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from app.core.errors import Invalid
from tests.clients.registry.scripted_registry import HOST, asking, never, raising
from tests.servers.registry import digest_of, manifest_of

DIGEST = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    "path", ["", "Team/app", "team//app", "team/../app", "team/app?x=1", "team/app#", "a/%2e%2e/b"]
)
def test_a_path_that_no_repository_has_is_never_asked_for(path: str) -> None:
    with asking(never) as registry, pytest.raises(Invalid):
        registry.tags(path)


@pytest.mark.parametrize("reference", ["", "..", "1.0+5", "a/b", "1.0?x", "sha256:abc", "sha512:" + "a" * 127])
def test_a_reference_that_is_none_is_never_asked_for(reference: str) -> None:
    with asking(never) as registry, pytest.raises(Invalid):
        registry.digest("team/app", reference)


def test_docker_hub_is_asked_where_its_registry_is() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "registry-1.docker.io"
        return httpx.Response(200, json={"tags": ["1.27"]})

    with asking(answer, host="docker.io") as registry:
        assert registry.tags("library/nginx") == ["1.27"]


@pytest.mark.parametrize(
    ("tags", "known"),
    [
        pytest.param(None, [], id="null"),
        pytest.param([], [], id="empty"),
        pytest.param(["b", "a", "b"], ["b", "a"], id="twice"),
        pytest.param(["1.0", "../x", "", "1.0\n"], ["1.0"], id="no tags"),
    ],
)
def test_a_tag_list_is_read(tags: Sequence[str] | None, known: Sequence[str]) -> None:
    with asking(lambda _: httpx.Response(200, json={"name": "team/app", "tags": tags})) as registry:
        assert registry.tags("team/app") == known


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("/v2/team/app/tags/list?last=a&n=1", id="path"),
        pytest.param(f"https://{HOST}/v2/team/app/tags/list?last=a", id="absolute"),
        pytest.param(f"http://{HOST}/v2/team/app/tags/list?last=a", id="in clear, which is not done"),
        pytest.param("?last=a&n=1", id="query"),
        pytest.param("https://evil.example/v2/team/app/tags/list?last=a", id="other host"),
        pytest.param(f"https://{HOST}:8443/v2/team/app/tags/list?last=a", id="other port"),
        pytest.param(f"https://user:pw@{HOST}/v2/team/app/tags/list?last=a", id="with an account"),
        pytest.param("//evil.example/v2/team/app/tags/list?last=a", id="other host without scheme"),
    ],
)
def test_the_next_page_is_asked_at_the_registry(link: str) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert (request.url.scheme, request.url.netloc.decode()) == ("https", HOST)
        assert "authorization" not in request.headers
        if "last" in request.url.params:
            return httpx.Response(200, json={"tags": ["b"]})
        return httpx.Response(200, json={"tags": ["a"]}, headers={"Link": f'<{link}>; rel="next"'})

    with asking(answer) as registry:
        assert registry.tags("team/app") == ["a", "b"]


@pytest.mark.parametrize(
    "link",
    [
        pytest.param("/admin?last=a", id="other place"),
        pytest.param("/v2/../admin?last=a", id="climbing out"),
        pytest.param("https://evil.example/admin?last=a", id="other place at another host"),
    ],
)
def test_a_next_page_elsewhere_is_not_followed(link: str) -> None:
    asked: list[httpx.URL] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(200, json={"tags": ["a"]}, headers={"Link": f'<{link}>; rel="next"'})

    with asking(answer) as registry, pytest.raises(RegistryRefused, match="the next page of tags"):
        registry.tags("team/app")
    assert len(asked) == 1


def test_pages_that_never_end_are_given_up() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        following = int(request.url.params.get("last", 0)) + 1
        link = f'</v2/team/app/tags/list?last={following}>; rel="next"'
        return httpx.Response(200, json={"tags": ["a"]}, headers={"Link": link})

    with asking(answer) as registry, pytest.raises(RegistryRefused, match="more than 1000 pages"):
        registry.tags("team/app")


def test_pages_that_lead_back_to_one_that_was_read_are_given_up_at_once() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        link = {"Link": '</v2/team/app/tags/list?last=a>; rel="next"'}
        return httpx.Response(200, json={"tags": ["a"]}, headers=link)

    with asking(answer) as registry, pytest.raises(RegistryRefused, match="lead back"):
        registry.tags("team/app")
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param(httpx.Response(200, html="<html>Hello</html>"), "is no tag list", id="a page"),
        pytest.param(httpx.Response(200, json={"name": "team/app"}), "is no tag list", id="without tags"),
        pytest.param(httpx.Response(200, json=["1.0"]), "is no tag list", id="a bare list"),
        pytest.param(httpx.Response(200, content=b"[" * 100_000), "is no tag list", id="deep"),
        pytest.param(httpx.Response(200, content=b"x" * (17 << 20)), "sent more than", id="huge"),
        pytest.param(httpx.Response(404, html="<html>404</html>"), "not as a registry does", id="a proxy's 404"),
        pytest.param(httpx.Response(500), "answered 500", id="500"),
        pytest.param(httpx.Response(503), "answered 503", id="503"),
        pytest.param(httpx.Response(418), "answered 418", id="tea"),
    ],
)
def test_an_odd_answer_is_no_tag_list(answer: httpx.Response, problem: str) -> None:
    with asking(lambda _: answer) as registry, pytest.raises(RegistryUnavailable, match=problem):
        registry.tags("team/app")


@pytest.mark.parametrize("code", ["NAME_UNKNOWN", "NOT_FOUND"])
def test_a_registrys_own_404_is_a_repository_without_tags(code: str) -> None:
    with asking(lambda _: httpx.Response(404, json={"errors": [{"code": code}]})) as registry:
        assert registry.tags("team/app") == []


def test_a_proxys_404_does_not_say_that_a_tag_is_gone() -> None:
    with (
        asking(lambda _: httpx.Response(404, html="<html>404</html>")) as registry,
        pytest.raises(RegistryUnavailable, match="not as a registry does"),
    ):
        registry.digest("team/app", "1.0")


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        pytest.param({"Retry-After": "30"}, timedelta(seconds=30), id="seconds"),
        pytest.param(
            {"Retry-After": "Thu, 09 Oct 2025 09:01:00 GMT", "Date": "Thu, 09 Oct 2025 09:00:00 GMT"},
            timedelta(minutes=1),
            id="date",
        ),
        pytest.param(
            {"Retry-After": "Thu, 09 Oct 2025 08:00:00 GMT", "Date": "Thu, 09 Oct 2025 09:00:00 GMT"},
            timedelta(),
            id="past",
        ),
        pytest.param({"Retry-After": "soon"}, None, id="no time"),
        pytest.param({}, None, id="not said"),
    ],
)
def test_a_registry_that_is_asked_too_often_says_when_to_come_back(
    headers: Mapping[str, str], wait: timedelta | None
) -> None:
    with (
        asking(lambda _: httpx.Response(429, headers=headers)) as registry,
        pytest.raises(RegistryUnavailable, match="answered 429") as refused,
    ):
        registry.digest("team/app", "1.0")
    assert refused.value.retry_after == wait


def test_a_redirect_is_not_followed() -> None:
    with (
        asking(lambda _: httpx.Response(307, headers={"Location": "https://evil.example/"})) as registry,
        pytest.raises(RegistryRefused, match="redirects elsewhere"),
    ):
        registry.tags("team/app")


@pytest.mark.parametrize("error", [httpx.ReadTimeout("x"), httpx.ConnectTimeout("x")])
def test_a_registry_that_hangs_is_given_up(error: httpx.HTTPError) -> None:
    with (
        asking(raising(error)) as registry,
        pytest.raises(RegistryUnavailable, match=f"{HOST} did not answer within 10 s"),
    ):
        registry.tags("team/app")


def test_a_broken_connection_is_for_later() -> None:
    with asking(raising(httpx.RemoteProtocolError("x"))) as registry, pytest.raises(RegistryUnavailable):
        registry.tags("team/app")


def test_a_registry_that_drips_is_given_up() -> None:
    seconds = iter(range(0, 1000, 7))

    def drip() -> Iterator[bytes]:
        while True:
            yield b" "

    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=drip()))
    registry = OCIRegistry(HOST, transport=transport, clock=lambda: next(seconds))
    with closing(registry), pytest.raises(RegistryUnavailable, match="too slowly"):
        registry.tags("team/app")


@pytest.mark.parametrize("named", ["", "sha256:short", "sha512:" + "a" * 127, DIGEST.upper()])
def test_a_digest_that_the_registry_does_not_tell_is_reckoned(named: str) -> None:
    manifest = manifest_of("x")
    headers = {"Docker-Content-Digest": named} if named else {}

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b"" if request.method == "HEAD" else manifest, headers=headers)

    with asking(answer) as registry:
        assert registry.digest("team/app", "1.0") == digest_of(manifest)


def test_a_registry_without_head_is_asked_with_get() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(405) if request.method == "HEAD" else httpx.Response(200, content=b"{}")

    with asking(answer) as registry:
        assert registry.digest("team/app", "1.0") == digest_of(b"{}")


def test_another_digest_than_the_one_asked_for_is_no_answer() -> None:
    other = {"Docker-Content-Digest": "sha256:" + "b" * 64}
    with (
        asking(lambda _: httpx.Response(200, headers=other)) as registry,
        pytest.raises(RegistryUnavailable, match="is a proxy changing manifests"),
    ):
        registry.digest("team/app", DIGEST)
