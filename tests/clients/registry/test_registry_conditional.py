"""Tag lists are asked for only if they changed: over a real docker-registry, and by scripted answers."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from app.clients.registry.credentials.credential import SecretCredentials
from app.clients.registry.errors import RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from app.clients.registry.pages import PageMemory, TagPage
from tests.clients.registry.scripted_registry import HOST, asking
from tests.servers.registry import DockerRegistry, Validating, docker_registry

URL = httpx.URL(f"https://{HOST}/v2/team/app/tags/list?n=1000")
DATE = "Mon, 04 May 2026 12:00:00 GMT"


@pytest.fixture(scope="module")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    with docker_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def reading(docker: DockerRegistry, front: Validating) -> closing[OCIRegistry]:
    return closing(OCIRegistry(docker.host, plain_http=True, transport=front))


def test_an_unchanged_list_is_not_sent_again_and_a_changed_one_is(docker: DockerRegistry) -> None:
    docker.push("once/app", "1.0.0")
    front = Validating()
    with reading(docker, front) as registry:
        assert registry.tags("once/app") == registry.tags("once/app") == ["1.0.0"]
        docker.push("once/app", "1.0.1")
        assert registry.tags("once/app") == ["1.0.0", "1.0.1"]
        assert registry.tags("once/app") == ["1.0.0", "1.0.1"]
    assert front.answered == [200, 304, 200, 304]


def test_each_page_is_asked_for_by_itself(docker: DockerRegistry) -> None:
    tags = [f"1.0.{number}" for number in range(7)]
    for tag in tags:
        docker.push("paged/app", tag)
    front = Validating(page_size=3)
    with reading(docker, front) as registry:
        assert registry.tags("paged/app") == registry.tags("paged/app") == tags
        docker.push("paged/app", "1.0.7")
        assert registry.tags("paged/app") == [*tags, "1.0.7"]
    assert front.answered == [200, 200, 200, 304, 304, 304, 304, 304, 200]


@pytest.mark.parametrize("count", [10, 20])
def test_a_page_that_was_exactly_full_does_not_hide_the_next(docker: DockerRegistry, count: int) -> None:
    path = f"full/app-{count}"
    tags = [f"1.0.{number:02}" for number in range(count)]
    for tag in tags:
        docker.push(path, tag)
    with reading(docker, Validating(page_size=10)) as registry:
        assert registry.tags(path) == tags
        docker.push(path, "1.0.99")
        assert registry.tags(path) == [*tags, "1.0.99"]


def test_a_repository_that_is_gone_has_no_tags_and_is_read_anew_when_it_is_back() -> None:
    answers = iter(
        [
            httpx.Response(200, json={"tags": ["a"]}, headers={"ETag": '"1"'}),
            httpx.Response(404, json={"errors": [{"code": "NAME_UNKNOWN"}]}),
            httpx.Response(200, json={"tags": ["b"]}, headers={"ETag": '"1"'}),
        ]
    )
    asked: list[str | None] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers.get("if-none-match"))
        return next(answers)

    with asking(answer) as registry:
        assert [registry.tags("team/app") for _ in range(3)] == [["a"], [], ["b"]]
    assert asked == [None, '"1"', None]


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        pytest.param({}, {}, id="no validator"),
        pytest.param({"ETag": 'W/"abc"'}, {"if-none-match": 'W/"abc"'}, id="weak"),
        pytest.param({"ETag": '"' + "x" * 300 + '"'}, {}, id="endless"),
        pytest.param({"ETag": ""}, {}, id="empty"),
        pytest.param(
            {"Last-Modified": "Mon, 04 May 2026 11:58:00 GMT", "Date": DATE},
            {"if-modified-since": "Mon, 04 May 2026 11:58:00 GMT"},
            id="a date",
        ),
        pytest.param({"Last-Modified": "Mon, 04 May 2026 11:59:58 GMT", "Date": DATE}, {}, id="changed just now"),
        pytest.param({"Last-Modified": "Mon, 04 May 2026 11:58:00 GMT"}, {}, id="a date without a clock"),
        pytest.param({"Last-Modified": "yesterday", "Date": DATE}, {}, id="unreadable"),
        pytest.param(
            {"ETag": '"1"', "Last-Modified": "Mon, 04 May 2026 11:58:00 GMT", "Date": DATE},
            {"if-none-match": '"1"'},
            id="both",
        ),
    ],
)
def test_a_validator_is_given_back_as_it_came(headers: dict[str, str], asked: dict[str, str]) -> None:
    given: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        given.append({name: request.headers[name] for name in request.headers if name.startswith("if-")})
        return httpx.Response(200, json={"tags": ["1.0"]}, headers=headers)

    with asking(answer) as registry:
        assert registry.tags("team/app") == registry.tags("team/app") == ["1.0"]
    assert given == [{}, asked]


def test_what_was_not_asked_for_conditionally_cannot_be_unchanged() -> None:
    with asking(lambda _: httpx.Response(304)) as registry, pytest.raises(RegistryUnavailable, match="answered 304"):
        registry.tags("team/app")
    with asking(lambda _: httpx.Response(304)) as registry, pytest.raises(RegistryUnavailable, match="answered 304"):
        registry.digest("team/app", "1.0")


def test_an_unchanged_page_may_have_got_a_next_one() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if "last" in request.url.params:
            return httpx.Response(200, json={"tags": ["2.0"]})
        if "if-none-match" in request.headers:
            return httpx.Response(304, headers={"Link": '</v2/team/app/tags/list?last=1.0>; rel="next"'})
        return httpx.Response(200, json={"tags": ["1.0"]}, headers={"ETag": '"1"'})

    with asking(answer) as registry:
        assert registry.tags("team/app") == ["1.0"]
        assert registry.tags("team/app") == ["1.0", "2.0"]


def test_the_condition_goes_along_when_the_registry_wants_a_login() -> None:
    asked: list[tuple[bool, str | None]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        has_login = "authorization" in request.headers
        asked.append((has_login, request.headers.get("if-none-match")))
        if not has_login or len(asked) == 3:
            return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        if "if-none-match" in request.headers:
            return httpx.Response(304)
        return httpx.Response(200, json={"tags": ["1.0"]}, headers={"ETag": '"1"'})

    with asking(answer, credentials=SecretCredentials("ci", lambda: "pw")) as registry:
        assert registry.tags("team/app") == registry.tags("team/app") == ["1.0"]
    assert asked == [(False, None), (True, None), (True, '"1"'), (True, '"1"')]


def test_an_error_forgets_nothing() -> None:
    answers = iter([200, 503, 304])

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(next(answers), json={"tags": ["1.0"]}, headers={"ETag": '"1"'})

    with asking(answer) as registry:
        registry.tags("team/app")
        with pytest.raises(RegistryUnavailable):
            registry.tags("team/app")
        assert registry.tags("team/app") == ["1.0"]


def page(number: int, *, tags: int = 3) -> tuple[httpx.URL, TagPage]:
    names = tuple(f"{number}.0.{tag}" for tag in range(tags))
    return URL.copy_set_param("last", str(number)), TagPage(names, None, ("If-None-Match", f'"{number}"'))


def test_the_memory_keeps_the_pages_that_were_used_last() -> None:
    memory = PageMemory(most_pages=3)
    for number in range(3):
        memory.keep(*page(number))
    assert memory.recall(page(0)[0]) == page(0)[1]
    memory.keep(*page(3))
    assert [memory.recall(page(number)[0]) is not None for number in range(4)] == [True, False, True, True]


def test_the_memory_has_a_size_in_bytes() -> None:
    weight = page(1)[1].weight
    memory = PageMemory(most_bytes=2 * weight + 1)
    for number in (1, 2, 2, 3, 3):
        memory.keep(*page(number))
    assert [memory.recall(page(number)[0]) is not None for number in (1, 2, 3)] == [False, True, True]
    memory.keep(*page(4, tags=99))
    assert [memory.recall(page(number)[0]) is not None for number in (2, 3, 4)] == [True, True, False]
    memory.keep(page(3)[0], page(4, tags=99)[1])
    assert memory.recall(page(3)[0]) is None
    memory.forget(page(2)[0])
    for number in (5, 6):
        memory.keep(*page(number))
    assert [memory.recall(page(number)[0]) is not None for number in (5, 6)] == [True, True]


def test_threads_share_the_memory() -> None:
    memory = PageMemory(most_pages=5)

    def use(turn: int) -> bool:
        url, one = page(turn % 7)
        memory.keep(url, one)
        return memory.recall(url) in {None, one}

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(use, range(2000)))
    assert sum(memory.recall(page(number)[0]) is not None for number in range(7)) == 5
