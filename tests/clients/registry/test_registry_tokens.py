"""How a registry and its token service are shown who we are."""

import base64
from contextlib import closing

import httpx
import pytest

from app.clients.registry.credentials.credential import SecretCredentials
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from tests.clients.registry.scripted_registry import HOST, asking


class TokenFlow:
    """A registry that wants tokens of a service, each good for one repository."""

    def __init__(self, realm: str = "https://auth.acme.example/token", **issued: object) -> None:
        self.challenge = f'Bearer realm="{realm}",service="acme",scope="repository:team/app:pull"'
        self.issued = issued or {"token": "t1", "expires_in": 300}
        self.good = {"t1"}
        self.asked_for_tokens: list[httpx.Request] = []
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.startswith("/v2/"):
            self.asked_for_tokens.append(request)
            return httpx.Response(200, json=self.issued)
        self.asked.append(request)
        if request.headers.get("authorization", "").removeprefix("Bearer ") in self.good:
            return httpx.Response(200, json={"tags": ["1.0"]})
        return httpx.Response(401, headers={"WWW-Authenticate": self.challenge})


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token_is_fetched_from_the_service_that_the_registry_names(key: str) -> None:
    flow = TokenFlow(**{key: "t1"})
    with asking(flow, credentials=SecretCredentials("bridge", lambda: "pw")) as registry:
        assert registry.tags("team/app") == ["1.0"]
    fetched = flow.asked_for_tokens[0]
    assert fetched.url.copy_with(query=None) == "https://auth.acme.example/token"
    assert dict(fetched.url.params) == {"service": "acme", "scope": "repository:team/app:pull"}
    assert fetched.headers["authorization"] == "Basic " + base64.b64encode(b"bridge:pw").decode()


def test_the_query_of_a_token_service_is_kept() -> None:
    flow = TokenFlow("https://auth.acme.example/token?tenant=7")
    with asking(flow) as registry:
        registry.tags("team/app")
    assert flow.asked_for_tokens[0].url.params["tenant"] == "7"
    assert "authorization" not in flow.asked_for_tokens[0].headers


def test_a_token_is_used_again_until_it_expires() -> None:
    flow, seconds = TokenFlow(), [0.0]
    registry = OCIRegistry(HOST, transport=httpx.MockTransport(flow), clock=lambda: seconds[0])
    with closing(registry):
        for now, fetched, asked in ((0, 1, 2), (200, 1, 3), (299, 2, 5)):
            seconds[0] = now
            registry.tags("team/app")
            assert (len(flow.asked_for_tokens), len(flow.asked)) == (fetched, asked)


def test_a_token_that_the_registry_no_longer_takes_is_renewed() -> None:
    flow = TokenFlow()
    with asking(flow) as registry:
        registry.tags("team/app")
        flow.good, flow.issued = {"t2"}, {"token": "t2"}
        assert registry.tags("team/app") == ["1.0"]
        assert len(flow.asked_for_tokens) == 2


def test_a_token_that_does_not_suffice_is_refused() -> None:
    flow = TokenFlow(token="s3cret-but-wrong")
    with asking(flow) as registry, pytest.raises(RegistryRefused, match="answered 401 for team/app") as refused:
        registry.tags("team/app")
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "realm",
    [
        pytest.param("http://auth.acme.example/token", id="in clear"),
        pytest.param(f"http://{HOST}/token", id="in clear at the registry, which has TLS"),
        pytest.param("https://user:pw@auth.acme.example/token", id="with an account"),
        pytest.param("ftp://auth.acme.example/token", id="no HTTP"),
        pytest.param("/token", id="no host"),
        pytest.param("", id="empty"),
        pytest.param("https://auth.acme.example:port/token", id="no URL"),
    ],
)
@pytest.mark.parametrize("plain_http", [False, True])
def test_credentials_do_not_go_to_a_service_in_clear(realm: str, plain_http: bool) -> None:  # noqa: FBT001
    if plain_http and HOST in realm:
        realm = f"http://{HOST}:81/token"
    flow = TokenFlow(realm)
    with (
        asking(flow, credentials=SecretCredentials("bridge", lambda: "pw"), plain_http=plain_http) as registry,
        pytest.raises(RegistryRefused, match="not sent there in clear"),
    ):
        registry.tags("team/app")
    assert flow.asked_for_tokens == []


def test_a_plain_http_registry_may_issue_its_own_tokens() -> None:
    flow = TokenFlow(f"http://{HOST}/token")
    with asking(flow, plain_http=True) as registry:
        assert registry.tags("team/app") == ["1.0"]


@pytest.mark.parametrize(
    ("answer", "kind", "problem"),
    [
        pytest.param(httpx.Response(401), RegistryRefused, "answered 401; check user", id="401"),
        pytest.param(httpx.Response(429), RegistryUnavailable, "answered 429", id="429"),
        pytest.param(httpx.Response(502), RegistryUnavailable, "answered 502", id="502"),
        pytest.param(httpx.Response(200, html="<p>"), RegistryUnavailable, "with no token", id="a page"),
        pytest.param(httpx.Response(200, json={}), RegistryUnavailable, "with no token", id="nothing"),
        pytest.param(httpx.Response(200, json={"token": "a\r\nb"}), RegistryUnavailable, "with no token", id="lines"),
    ],
)
def test_a_token_service_that_gives_no_token_is_told(
    answer: httpx.Response, kind: type[Exception], problem: str
) -> None:
    flow = TokenFlow()

    def answering(request: httpx.Request) -> httpx.Response:
        return flow(request) if request.url.path.startswith("/v2/") else answer

    with (
        asking(answering) as registry,
        pytest.raises(kind, match=f"token service at auth.acme.example {problem}|{problem}"),
    ):
        registry.tags("team/app")


def test_of_several_challenges_a_token_is_preferred() -> None:
    flow = TokenFlow()
    flow.challenge = f'Basic realm="a, \\"b\\"", {flow.challenge}'
    with asking(flow) as registry:
        assert registry.tags("team/app") == ["1.0"]


@pytest.mark.parametrize("challenge", ["", "Negotiate", "Bearer", "=,=,"])
def test_a_registry_that_asks_for_something_else_is_refused(challenge: str) -> None:
    flow = TokenFlow()
    flow.challenge = challenge
    with (
        asking(flow, credentials=SecretCredentials("bridge", lambda: "pw")) as registry,
        pytest.raises(RegistryRefused),
    ):
        registry.tags("team/app")
