"""Tags and digests from a real docker-registry, and the same from the demo's: one contract."""

import json
import queue
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol, cast

import httpx
import pytest

from app.clients.registry.credentials.credential import SecretCredentials
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from app.core.errors import Invalid
from app.demo.registry import DemoRegistry
from tests.servers.registry import (
    OCI_INDEX,
    PASSWORD,
    USER,
    DockerRegistry,
    Notified,
    digest_of,
    docker_registry,
    manifest_of,
)

DIGEST = "sha256:" + "a" * 64


class Filled(Protocol):
    """A registry that a test can push to."""

    @property
    def host(self) -> str: ...
    def push(self, path: str, tag: str, content: str = "") -> str: ...
    def push_index(self, path: str, tag: str, contents: Sequence[str]) -> str: ...


class FilledDemo:
    """The demo's registry, filled like a real one."""

    def __init__(self, demo: DemoRegistry) -> None:
        self._demo, self.host = demo, demo.host

    def push(self, path: str, tag: str, content: str = "") -> str:
        return self._demo.put(path, tag, manifest_of(content))

    def push_index(self, path: str, tag: str, contents: Sequence[str]) -> str:
        children = [{"mediaType": OCI_INDEX, "digest": digest_of(manifest_of(each))} for each in contents]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return self._demo.put(path, tag, json.dumps(index).encode())


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def demo() -> Iterator[FilledDemo]:
    with DemoRegistry() as running:
        yield FilledDemo(running)


@pytest.fixture(scope="module", params=["docker", "demo"])
def filled(request: pytest.FixtureRequest) -> Filled:
    """Either of them. As wide as they are: they are up before a test counts what runs."""
    return cast("Filled", request.getfixturevalue(request.param))


class TestEveryRegistry:
    """What holds for a real docker-registry and for the demo's."""

    @pytest.fixture
    def client(self, filled: Filled) -> Iterator[OCIRegistry]:
        with closing(OCIRegistry(filled.host, plain_http=True)) as registry:
            yield registry

    def test_every_tag_is_listed(self, filled: Filled, client: OCIRegistry) -> None:
        for tag in ("1.0.0", "_x", "main-3", "v1.0.0_build.5"):
            filled.push("listed/app", tag)
        assert sorted(client.tags("listed/app")) == ["1.0.0", "_x", "main-3", "v1.0.0_build.5"]

    def test_a_repository_that_does_not_exist_has_no_tags(self, client: OCIRegistry) -> None:
        assert client.tags("no/such/repository") == []

    def test_a_tag_names_the_digest_that_was_pushed_last(self, filled: Filled, client: OCIRegistry) -> None:
        first = filled.push("moved/app", "latest", "one")
        assert client.digest("moved/app", "latest") == first
        second = filled.push("moved/app", "latest", "two")
        assert second != first
        assert client.digest("moved/app", "latest") == second
        assert client.digest("moved/app", first) == first

    def test_a_tag_of_many_platforms_names_the_index(self, filled: Filled, client: OCIRegistry) -> None:
        index = filled.push_index("many/app", "1.0", ["amd64", "arm64"])
        assert client.digest("many/app", "1.0") == index

    @pytest.mark.parametrize(
        ("path", "reference"),
        [
            pytest.param("some/app", "2.0", id="tag"),
            pytest.param("some/app", DIGEST, id="digest"),
            pytest.param("nobody/app", "1.0", id="repository"),
        ],
    )
    def test_what_is_not_there_has_no_digest(
        self, filled: Filled, client: OCIRegistry, path: str, reference: str
    ) -> None:
        filled.push("some/app", "1.0")
        assert client.digest(path, reference) is None


@pytest.fixture(scope="module")
def long_demo() -> Iterator[str]:
    with DemoRegistry() as running:
        for number in range(2500):
            running.put("long/app", f"1.0.{number}", manifest_of(""))
        yield running.host


def test_a_list_of_many_pages_is_read_to_its_end(long_demo: str) -> None:
    with closing(OCIRegistry(long_demo, plain_http=True)) as registry:
        assert set(registry.tags("long/app")) == {f"1.0.{number}" for number in range(2500)}


@pytest.mark.parametrize("query", ["n=x", "n=-1", "n=1e3"])
def test_the_demo_registry_refuses_an_odd_page_size(long_demo: str, query: str) -> None:
    answer = httpx.get(f"http://{long_demo}/v2/long/app/tags/list?{query}", trust_env=False)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "PAGINATION_NUMBER_INVALID"


def test_the_demo_registry_shows_its_manifests_and_nothing_else(demo: FilledDemo) -> None:
    digest = demo.push("shown/app", "1.0", "x")
    base = f"http://{demo.host}/v2/"
    answer = httpx.get(f"{base}shown/app/manifests/1.0", trust_env=False)
    assert (answer.content, answer.headers["docker-content-digest"]) == (manifest_of("x"), digest)
    assert httpx.get(base, trust_env=False).json() == {}
    assert httpx.get(f"{base}shown/app/blobs/{digest}", trust_env=False).status_code == 404


def test_the_demo_registry_takes_no_name_that_a_registry_would_refuse(demo: FilledDemo) -> None:
    with pytest.raises(Invalid):
        demo.push("Shown/App", "1.0")
    with pytest.raises(Invalid):
        demo.push("shown/app", "1.0+5")


def test_a_long_list_of_a_real_registry_ends_where_it_says(docker: DockerRegistry) -> None:
    for number in range(5):
        docker.push("paged/app", f"1.0.{number}")

    def in_twos(request: httpx.Request) -> httpx.Response:
        url = request.url if "last" in request.url.params else request.url.copy_set_param("n", "2")
        answer = httpx.get(url, headers=request.headers, trust_env=False)
        links = {"Link": answer.headers["link"]} if "link" in answer.headers else {}
        return httpx.Response(answer.status_code, content=answer.content, headers=links)

    transport = httpx.MockTransport(in_twos)
    with closing(OCIRegistry(docker.host, plain_http=True, transport=transport)) as registry:
        assert sorted(registry.tags("paged/app")) == [f"1.0.{number}" for number in range(5)]


def test_a_real_registry_with_accounts_is_read_by_who_knows_the_password(tmp_path: Path) -> None:
    with docker_registry(tmp_path, has_accounts=True) as filled:
        digest = filled.push("team/app", "1.0")
        with closing(
            OCIRegistry(filled.host, plain_http=True, credentials=SecretCredentials(USER, lambda: PASSWORD))
        ) as registry:
            assert registry.tags("team/app") == ["1.0"]
            assert registry.digest("team/app", "1.0") == digest
        with (
            closing(
                OCIRegistry(filled.host, plain_http=True, credentials=SecretCredentials(USER, lambda: "hunter2"))
            ) as registry,
            pytest.raises(RegistryRefused, match="check user and password") as refused,
        ):
            registry.tags("team/app")
        assert "hunter2" not in str(refused.value)
        with (
            closing(OCIRegistry(filled.host, plain_http=True)) as registry,
            pytest.raises(RegistryRefused, match="none are configured"),
        ):
            registry.tags("team/app")


def test_what_skopeo_pushes_is_seen_and_told(tmp_path: Path) -> None:
    with posted() as (url, bodies), docker_registry(tmp_path, notified=Notified(url)) as filled:
        digest = filled.push_with_skopeo("team/app", "1.2.3", "by skopeo")
        event = json.loads(bodies.get(timeout=20))["events"][0]
        with closing(OCIRegistry(filled.host, plain_http=True)) as registry:
            assert registry.digest("team/app", "1.2.3") == digest
        assert (event["action"], event["target"]["tag"], event["target"]["digest"]) == ("push", "1.2.3", digest)


def test_a_registry_that_is_down_is_for_later(unused_host: str) -> None:
    with (
        closing(OCIRegistry(unused_host, plain_http=True)) as registry,
        pytest.raises(RegistryUnavailable, match="cannot be reached"),
    ):
        registry.tags("team/app")


@pytest.fixture
def unused_host() -> str:
    with DemoRegistry() as running:
        return running.host


@contextmanager
def posted() -> Iterator[tuple[str, "queue.Queue[bytes]"]]:
    """A URL, and the bodies that are posted there."""
    bodies: queue.Queue[bytes] = queue.Queue()

    class Keeping(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(202)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Say nothing on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeping) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/webhooks/registry", bodies
        server.shutdown()
        thread.join(timeout=10)
