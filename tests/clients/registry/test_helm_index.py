"""Classic Helm repositories over HTTP: what is asked for, how often, with which credentials, and what comes of it."""

from contextlib import closing

import pytest

from app.clients.deadline import ending_within
from app.clients.registry import helm_index
from app.clients.registry.credentials.credential import Credential, Credentials, SecretCredentials
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.clients.registry.helm_index import HelmRepositories
from app.core.images import InvalidImage
from tests.clients.test_bounded_http import SOON, error_within_patience
from tests.servers.dripping import BODY, CHUNKS, DrippingServer
from tests.servers.helm_repository import HelmRepository, digest_of

CHARTS = {"shop": ("1.3.0+build.5", "1.2.0"), "web": ("0.1.0",)}
LOGIN = ("reader", "correct-horse")


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def asking(
    server: HelmRepository,
    *,
    credentials: Credentials | None = None,
    clock: Clock | None = None,
) -> closing[HelmRepositories]:
    made = clock or Clock()
    return closing(HelmRepositories(server.host, credentials=credentials, plain_http=True, clock=made))


@pytest.mark.parametrize("is_chunked", [False, True], ids=["at once", "chunked"])
@pytest.mark.parametrize("folder", ["", "stable", "repository/Helm_hosted"])
def test_charts_have_the_versions_and_digests_of_the_index(folder: str, *, is_chunked: bool) -> None:
    with HelmRepository(is_chunked=is_chunked) as server, asking(server) as client:
        server.put(folder, CHARTS)
        path = f"{folder}/shop" if folder else "shop"
        assert client.tags(path) == ["1.3.0_build.5", "1.2.0"]
        digest = f"sha256:{digest_of('shop', '1.3.0+build.5')}"
        assert client.digest(path, "1.3.0_build.5") == digest
        assert client.digest(path, digest) == digest
        assert client.digest(path, "9.9.9") is None
        assert client.tags(f"{path}-unknown") == []


def test_one_download_serves_all_charts_of_an_index_for_a_while() -> None:
    clock = Clock()
    with HelmRepository(has_etags=False) as server, asking(server, clock=clock) as client:
        server.put("stable", CHARTS)
        assert [len(client.tags(f"stable/{each}")) for each in ("shop", "web", "none")] == [2, 1, 0]
        assert server.statuses == [200]
        server.put("stable", {"shop": ("1.4.0",)})
        clock.now = 20
        assert client.tags("stable/shop") == ["1.4.0"]


def test_an_unchanged_index_is_not_sent_again() -> None:
    clock = Clock()
    with HelmRepository() as server, asking(server, clock=clock) as client:
        server.put("stable", CHARTS)
        for now in (0, 100, 200):
            clock.now = now
            assert client.tags("stable/web") == ["0.1.0"]
        assert server.statuses == [200, 304, 304]
        server.put("stable", {"web": ("0.2.0",)})
        clock.now = 300
        assert client.tags("stable/web") == ["0.2.0"]


@pytest.mark.parametrize("has_etags", [True, False], ids=["etags", "none"])
def test_a_version_that_has_just_come_is_found_at_once(*, has_etags: bool) -> None:
    with HelmRepository(has_etags=has_etags) as server, asking(server) as client:
        server.put("stable", {"web": ("0.1.0",)})
        assert client.tags("stable/web") == ["0.1.0"]
        server.put("stable", CHARTS | {"web": ("0.2.0",)})
        assert client.digest("stable/web", "0.2.0") == f"sha256:{digest_of('web', '0.2.0')}"


def test_credentials_are_sent_and_are_in_no_error() -> None:
    with HelmRepository(login=LOGIN) as server:
        server.put("stable", CHARTS)
        with asking(server, credentials=SecretCredentials(LOGIN[0], lambda: LOGIN[1])) as client:
            assert client.tags("stable/web") == ["0.1.0"]
        with (
            asking(server, credentials=SecretCredentials(LOGIN[0], lambda: "wrong-horse")) as client,
            pytest.raises(RegistryRefused, match="401") as raised,
        ):
            client.tags("stable/web")
    assert "horse" not in str(raised.value)


def test_credentials_that_were_refused_are_renewed_and_shown_once_more() -> None:
    with HelmRepository(login=LOGIN) as server, asking(server, credentials=Renewing()) as client:
        server.put("stable", CHARTS)
        assert client.tags("stable/web") == ["0.1.0"]
        assert len(server.asked) == 2


class Renewing:
    """Credentials that have just expired."""

    def current(self) -> Credential:
        return Credential(LOGIN[0], "an-old-horse")

    def renewed(self, refused: Credential) -> Credential:
        assert refused == self.current()
        return Credential(*LOGIN)


def test_nobody_is_followed_elsewhere() -> None:
    with (
        HelmRepository() as other,
        HelmRepository(redirects_to=f"http://{other.host}/index.yaml") as server,
        asking(server, credentials=SecretCredentials(LOGIN[0], lambda: LOGIN[1])) as client,
    ):
        with pytest.raises(RegistryRefused, match="redirects elsewhere"):
            client.tags("web")
        assert other.asked == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        pytest.param(b"<html>Log in</html>", "is no index of a Helm repository", id="a login page"),
        pytest.param(None, "it has no http://", id="nothing there"),
    ],
)
def test_what_is_no_index_is_no_empty_list(body: bytes | None, told: str) -> None:
    with HelmRepository() as server, asking(server) as client:
        if body is not None:
            server.files["stable/index.yaml"] = body
        with pytest.raises(RegistryUnavailable, match=told):
            client.tags("stable/shop")


def test_an_index_that_is_too_large_is_not_taken_in() -> None:
    with HelmRepository() as server, asking(server) as client:
        server.files["index.yaml"] = bytes(helm_index.LARGEST_INDEX + 1)
        with pytest.raises(RegistryUnavailable, match="sent more than"):
            client.tags("shop")


@pytest.mark.parametrize("path", ["../shop", "a//shop", "shop?x=1", "a/%2e%2e/shop", "stable/"])
def test_a_path_is_never_more_than_a_path(path: str) -> None:
    with HelmRepository() as server, asking(server) as client:
        with pytest.raises(InvalidImage):
            client.tags(path)
        assert server.asked == []


@pytest.mark.parametrize(("first", "drop"), [(BODY, b" "), (CHUNKS, b"1\r\n \r\n")], ids=["body", "chunks"])
def test_a_server_is_asked_until_the_deadline_of_the_work(first: bytes, drop: bytes) -> None:
    def work() -> None:
        with (
            ending_within(SOON),
            closing(HelmRepositories(server.url.removeprefix("http://"), plain_http=True)) as client,
        ):
            client.tags("shop")

    with DrippingServer(first, drop) as server:
        assert isinstance(error_within_patience(work), RegistryUnavailable)
