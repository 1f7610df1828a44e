"""Docker Hub's pull limits, and registries that want to be left alone for a while."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from app.clients.registry.errors import RegistryUnavailable
from app.clients.registry.limits import Limits, retry_after
from app.clients.registry.oci import OCIRegistry

DIGEST = "sha256:" + "a" * 64
DATE = "Thu, 09 Oct 2025 09:00:00 GMT"


class Hub:
    """Docker Hub's answers: it counts each GET of a manifest."""

    def __init__(self) -> None:
        self.left, self.limit, self.gets, self.heads = 100, 100, 0, 0
        self.headers: dict[str, str] = {"Docker-Content-Digest": DIGEST}
        self.status = 200

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.host == "registry-1.docker.io"
        if "/manifests/" not in request.url.path:
            return httpx.Response(200, json={"tags": ["1.0"]})
        self.gets += request.method == "GET"
        self.heads += request.method == "HEAD"
        self.left -= request.method == "GET"
        told = {"ratelimit-limit": f"{self.limit};w=21600", "ratelimit-remaining": f"{self.left};w=21600"}
        body = b"{}" if request.method == "GET" else b""
        return httpx.Response(self.status, content=body, headers=self.headers | told)


@pytest.fixture
def hub() -> Hub:
    return Hub()


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def client(hub: Hub, now: list[float]) -> Iterator[OCIRegistry]:
    with closing(OCIRegistry("docker.io", transport=httpx.MockTransport(hub), clock=lambda: now[0])) as registry:
        yield registry


def test_a_digest_costs_no_pull(hub: Hub, client: OCIRegistry) -> None:
    assert client.digest("library/nginx", "1.27") == DIGEST
    assert (hub.heads, hub.gets) == (1, 0)


def test_a_tag_that_is_not_there_costs_no_pull(hub: Hub, client: OCIRegistry) -> None:
    hub.status, hub.headers = 404, {"Docker-Distribution-Api-Version": "registry/2.0"}
    assert client.digest("library/nginx", "0.0") is None
    assert (hub.heads, hub.gets) == (1, 0)


def test_what_counts_as_a_pull_is_put_off_before_none_is_left(hub: Hub, client: OCIRegistry, now: list[float]) -> None:
    hub.headers = {}
    hub.left = 12
    for _ in range(2):
        client.digest("library/nginx", "1.27")
    with pytest.raises(RegistryUnavailable, match="10 of 100 pulls are left, which are kept for others") as put_off:
        client.digest("library/nginx", "1.27")
    assert put_off.value.retry_after == timedelta(seconds=2160)
    assert (hub.gets, hub.left) == (2, 10)
    now[0], hub.left = 2161, 20
    client.digest("library/nginx", "1.27")
    assert hub.gets == 3


def test_what_counts_as_none_goes_on(hub: Hub, client: OCIRegistry) -> None:
    hub.left = 0
    for _ in range(3):
        assert client.digest("library/nginx", "1.27") == DIGEST
    assert client.tags("library/nginx") == ["1.0"]


def test_that_there_is_room_again_is_seen_by_what_costs_nothing(hub: Hub, client: OCIRegistry) -> None:
    hub.left = 3
    client.digest("library/nginx", "1.27")
    hub.left, hub.headers = 90, {}
    # The HEAD tells it, and the GET after it may go.
    client.digest("library/nginx", "1.27")
    assert hub.gets == 1


def test_a_registry_that_says_when_to_come_back_is_not_asked_before(
    hub: Hub, client: OCIRegistry, now: list[float]
) -> None:
    hub.status, hub.headers = 429, {"Retry-After": "90"}
    with pytest.raises(RegistryUnavailable, match="answered 429") as told:
        client.digest("library/nginx", "1.27")
    assert told.value.retry_after == timedelta(seconds=90)
    now[0] = 30
    for ask in (lambda: client.digest("library/nginx", "1.27"), lambda: client.tags("library/nginx")):
        with pytest.raises(RegistryUnavailable, match="wants to be left alone") as resting:
            ask()
        assert resting.value.retry_after == timedelta(seconds=60)
    assert hub.heads == 1
    now[0], hub.status, hub.headers = 91, 200, {"Docker-Content-Digest": DIGEST}
    assert client.digest("library/nginx", "1.27") == DIGEST


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        pytest.param({"Retry-After": "7"}, timedelta(seconds=7), id="seconds"),
        pytest.param({"Retry-After": "Thu, 09 Oct 2025 09:01:00 GMT", "Date": DATE}, timedelta(minutes=1), id="date"),
        pytest.param({"x-ratelimit-reset": "1760000460", "Date": DATE}, timedelta(minutes=1), id="reset"),
        pytest.param({"Retry-After": "1760000460", "Date": DATE}, timedelta(minutes=1), id="since 1970"),
        pytest.param({"x-ratelimit-reset": "1759990000", "Date": DATE}, timedelta(), id="a reset in the past"),
        pytest.param({"x-ratelimit-reset": "1760000460"}, None, id="a reset without a date"),
        pytest.param({"Retry-After": "9" * 9, "Date": DATE}, None, id="too long"),
        pytest.param({"Retry-After": "7", "x-ratelimit-reset": "1760000460"}, timedelta(seconds=7), id="both"),
        pytest.param(
            {"ratelimit-limit": "100;w=21600", "ratelimit-remaining": "0;w=21600"},
            timedelta(seconds=2160),
            id="no pull is left",
        ),
        pytest.param({"ratelimit-limit": "100", "ratelimit-remaining": "0"}, None, id="no window"),
        pytest.param({"ratelimit-limit": "x;w=y", "ratelimit-remaining": "-1;w=3"}, None, id="no numbers"),
        pytest.param({"ratelimit-limit": "0;w=0", "ratelimit-remaining": "0;w=0"}, timedelta(minutes=1), id="zeros"),
    ],
)
def test_when_to_come_back_is_told_in_many_ways(headers: Mapping[str, str], wait: timedelta | None) -> None:
    assert retry_after(httpx.Response(429, headers=headers)) == wait


def test_a_registry_is_left_alone_for_an_hour_at_most() -> None:
    now = [0.0]
    limits = Limits("docker.io", clock=lambda: now[0])
    limits.learn(httpx.Response(429, headers={"Retry-After": "999999"}))
    url = httpx.URL("https://registry-1.docker.io/v2/")
    with pytest.raises(RegistryUnavailable):
        limits.require("GET", url)
    now[0] = 3601
    limits.require("GET", url)


def test_limits_of_other_things_are_none_of_pulls() -> None:
    limits = Limits("registry.gitlab.example")
    limits.learn(httpx.Response(200, headers={"RateLimit-Limit": "500", "RateLimit-Remaining": "0"}))
    limits.require("GET", httpx.URL("https://registry.gitlab.example/v2/a/manifests/1"))
