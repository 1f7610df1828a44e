"""Credentials that expire: when they are shown, renewed and given up. Over real HTTP."""

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

import pytest

from app.clients.registry.credentials.credential import Credential, Credentials, SecretCredentials
from app.clients.registry.credentials.kept import KeptCredentials
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from tests.servers.scripted_http import Answer, Asked, answering


@dataclass(slots=True)
class Clock:
    """Tells the time that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Numbered:
    """Issues p1, p2 … for a thousand seconds each."""

    issued: int = 0

    def issue(self) -> Credential:
        self.issued += 1
        return Credential("bridge", f"p{self.issued}", 1000)


@dataclass(slots=True)
class Registry:
    """Three pages of tags for those who show what is `good`, a password or a token, in the way that it asks for."""

    good: set[str] = field(default_factory=lambda: {"p1"})
    challenge: str = 'Basic realm="x"'
    after: Callable[[int], None] = lambda _: None
    pages: int = 0
    refused: int = 0
    tokens: int = 0

    def __call__(self, asked: Asked) -> Answer:
        shown = self.shown_in(asked)
        if asked.path.startswith("/token"):
            self.tokens += 1
            return Answer({"token": f"for-{shown}"}) if shown in self.good else Answer({}, 401)
        if shown.removeprefix("for-") not in self.good:
            self.refused += 1
            challenge = self.challenge.replace("HOST", asked.headers["host"])
            return Answer({"errors": []}, 401, {"WWW-Authenticate": challenge})
        self.pages += 1
        self.after(self.pages)
        number = int(asked.path.partition("last=")[2] or 0) + 1
        link = {"Link": f'</v2/team/app/tags/list?last={number}>; rel="next"'} if number < 3 else {}
        return Answer({"tags": [f"1.{number}"]}, headers=link)

    @staticmethod
    def shown_in(asked: Asked) -> str:
        scheme, _, shown = asked.headers.get("authorization", "").partition(" ")
        return base64.b64decode(shown).decode().partition(":")[2] if scheme == "Basic" else shown


BEARER = 'Bearer realm="http://HOST/token",service="x"'
TAGS = ["1.1", "1.2", "1.3"]


@contextmanager
def asking(registry: Registry, credentials: Callable[[str], Credentials]) -> Iterator[OCIRegistry]:
    with (
        answering(registry) as running,
        closing(OCIRegistry(running.host, credentials=credentials(running.host), plain_http=True)) as client,
    ):
        yield client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Numbered:
    return Numbered()


@pytest.fixture(params=['Basic realm="x"', BEARER], ids=["basic", "token service"])
def registry(request: pytest.FixtureRequest) -> Registry:
    return Registry(challenge=request.param)


@pytest.fixture
def client(registry: Registry, issuer: Numbered, clock: Clock) -> Iterator[OCIRegistry]:
    with asking(registry, lambda host: KeptCredentials(host, issuer, clock=clock)) as one:
        yield one


def test_a_password_that_expires_in_the_middle_of_a_list_is_renewed_before_it_is_refused(
    registry: Registry, client: OCIRegistry, issuer: Numbered, clock: Clock
) -> None:
    def expire(page: int) -> None:
        if page == 2:
            clock.now, registry.good = 950, {"p2"}

    registry.after = expire
    assert client.tags("team/app") == TAGS
    assert issuer.issued == 2
    assert client.is_shown_credentials


def test_a_password_that_is_taken_back_in_the_middle_of_a_list_is_renewed(
    registry: Registry, client: OCIRegistry, issuer: Numbered
) -> None:
    def take_back(page: int) -> None:
        if page == 2:
            registry.good = {"p2"}

    registry.after = take_back
    assert client.tags("team/app") == TAGS
    assert issuer.issued == 2


def test_what_is_refused_once_more_is_given_up(registry: Registry, client: OCIRegistry, issuer: Numbered) -> None:
    registry.good = set()
    with pytest.raises(RegistryRefused, match="answered 401") as refused:
        client.tags("team/app")
    assert issuer.issued == 2
    assert not client.is_shown_credentials
    assert not any(secret in str(refused.value) for secret in ("p1", "p2"))


def test_repositories_that_are_refused_do_not_wear_out_the_issuer(
    registry: Registry, client: OCIRegistry, issuer: Numbered, clock: Clock
) -> None:
    registry.good = set()
    for number in range(5):
        with pytest.raises(RegistryRefused):
            client.tags(f"team/app-{number}")
    assert issuer.issued == 2
    clock.now = 61
    with pytest.raises(RegistryRefused):
        client.tags("team/app")
    assert issuer.issued == 3


def test_threads_that_are_refused_at_once_renew_once(registry: Registry, client: OCIRegistry, issuer: Numbered) -> None:
    client.tags("team/app")
    registry.good = {"p2"}
    with ThreadPoolExecutor(8) as threads:
        lists = [one.result(60) for one in [threads.submit(client.tags, "team/app") for _ in range(8)]]
    assert lists == [TAGS] * 8
    assert issuer.issued == 2


def test_credentials_that_cannot_be_had_are_told_as_the_registrys(registry: Registry) -> None:
    class Failing:
        def issue(self) -> Credential:
            raise RegistryUnavailable("registry.acme.example", "the helper ended with code 1")

    with (
        asking(registry, lambda host: KeptCredentials(host, Failing())) as client,
        pytest.raises(RegistryUnavailable, match="the helper ended with code 1"),
    ):
        client.tags("team/app")


def test_a_password_in_a_file_that_was_changed_is_shown_at_the_next_401(registry: Registry) -> None:
    passwords = ["p1"]
    with asking(registry, lambda _: SecretCredentials("bridge", lambda: passwords[0])) as client:
        client.tags("team/app")
        passwords[0], registry.good = "p2", {"p2"}
        assert client.tags("team/app") == TAGS


def test_a_fixed_token_goes_to_the_registry_as_it_is(registry: Registry) -> None:
    with asking(registry, lambda _: SecretCredentials(None, lambda: "p1")) as client:
        assert client.tags("team/app") == TAGS
        registry.good = set()
        with pytest.raises(RegistryRefused, match="answered 401"):
            client.tags("team/app")
    assert (registry.tokens, registry.refused) == (0, 3)


def test_who_is_not_asked_shows_nothing() -> None:
    registry = Registry(good={""})
    with asking(registry, lambda host: KeptCredentials(host, Numbered())) as client:
        assert client.tags("team/app") == TAGS
        assert not client.is_shown_credentials
