"""The keys of an issuer that says where they are: found, changed under the same id, and not asked for too often."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import pytest

from app.clients.kept_keys import KeptKeys, KeysUnavailable
from app.core.errors import FluxbridgeError
from app.senders.key_sets import DISCOVERY, LARGEST_KEY_SET, KeysUnusable, read_discovery, read_key_set
from app.senders.sender import SigningKeys
from tests.servers.issuer import KID, Issuer, OddAnswer

PATIENCE_S = 10


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


@dataclass
class World:
    """The keys of an issuer with a clock that is turned by hand; what would run in a thread runs at once."""

    issuer: Issuer
    now: float = 1000.0
    is_plain_http_allowed: bool = True

    def __post_init__(self) -> None:
        self.kept: SigningKeys = KeptKeys(
            self.issuer.url + DISCOVERY,
            read=read_key_set,
            largest=LARGEST_KEY_SET,
            find=partial(read_discovery, issuer=self.issuer.url, is_plain_http_allowed=self.is_plain_http_allowed),
            timeout_s=0.2,
            clock=lambda: self.now,
            start=lambda work: work(),
        )

    def has_the_present_key(self) -> bool:
        known = self.kept.current()
        return known is not None and known[KID].public_numbers() == self.issuer.key.public_key().public_numbers()


def test_the_keys_are_where_the_discovery_document_says(issuer: Issuer) -> None:
    assert World(issuer).has_the_present_key()
    assert issuer.asked == [issuer.discovery_path, issuer.keys_path]


def test_a_key_that_changed_under_its_id_is_there_after_one_doubt(issuer: Issuer) -> None:
    world = World(issuer)
    assert world.has_the_present_key()
    issuer.rotate()
    world.now += 31
    assert not world.has_the_present_key()
    assert world.kept.doubt()
    assert world.has_the_present_key()


def test_a_flood_of_doubts_asks_once_in_thirty_seconds(issuer: Issuer) -> None:
    world = World(issuer)
    world.kept.current()
    assert [world.kept.doubt() for _ in range(100)] == [False] * 100
    world.now += 30
    assert [world.kept.doubt() for _ in range(100)] == [True, *[False] * 99]
    assert issuer.asked.count(issuer.keys_path) == 2


def test_doubts_while_they_are_fetched_wait_for_that_one(issuer: Issuer) -> None:
    waiting: list[object] = []
    kept = KeptKeys(issuer.url, read=read_key_set, largest=100, clock=lambda: 0.0, start=waiting.append)
    assert kept.doubt()
    assert kept.doubt()
    assert len(waiting) == 1


def test_while_the_issuer_is_away_its_last_keys_are_good(issuer: Issuer) -> None:
    world = World(issuer)
    assert world.has_the_present_key()
    issuer.odd[issuer.discovery_path] = OddAnswer(502)
    world.now += 23 * 3600
    assert world.kept.doubt()
    assert world.has_the_present_key()


@pytest.mark.parametrize(
    ("odd", "problem"),
    [
        pytest.param({"discovery": OddAnswer(404)}, "127.0.0.1 answered 404", id="no such issuer"),
        pytest.param({"keys": OddAnswer(500)}, "127.0.0.1 answered 500", id="no keys"),
        pytest.param({"discovery": OddAnswer(302, location="/oidc/jwks")}, "answered 302", id="a redirect"),
        pytest.param({"keys": OddAnswer(307, location="https://evil.example/jwks")}, "answered 307", id="elsewhere"),
        pytest.param({"discovery": OddAnswer(body=b"<html>")}, "cannot be used", id="a page"),
        pytest.param({"keys": OddAnswer(body=b'{"keys": []}')}, "there is none for RS256", id="no key in it"),
        pytest.param({"keys": OddAnswer(body=b" " * (LARGEST_KEY_SET + 1))}, "sent more than", id="too much"),
        pytest.param({"discovery": "hang"}, "did not answer within 0.2 s", id="hangs"),
    ],
)
def test_what_is_wrong_with_an_issuer_is_told_and_gives_no_keys(
    issuer: Issuer, odd: dict[str, OddAnswer], problem: str
) -> None:
    paths = {"discovery": issuer.discovery_path, "keys": issuer.keys_path}
    issuer.odd = {paths[name]: answer for name, answer in odd.items()}
    world = World(issuer)
    assert world.kept.current() is None
    with pytest.raises(FluxbridgeError, match=problem):
        world.kept.ask()


def test_another_issuer_in_the_document_is_not_believed(issuer: Issuer) -> None:
    issuer.told_issuer = issuer.url + "/"
    with pytest.raises(KeysUnusable, match="letter by letter"):
        World(issuer).kept.ask()
    assert issuer.keys_path not in issuer.asked


@pytest.mark.parametrize(
    "place",
    [
        "file:///etc/passwd",
        "http://user:pw@h.example/jwks",
        "http://[",
        "//h.example/x",
        "http://h:0/x",
        "",
        "https:///x",
    ],
)
def test_keys_at_what_is_no_address_are_not_looked_for(issuer: Issuer, place: str) -> None:
    issuer.keys_at = place or " "
    with pytest.raises((KeysUnusable, KeysUnavailable)):
        World(issuer).kept.ask()


def test_without_tls_no_keys_are_taken_unless_that_is_allowed(issuer: Issuer) -> None:
    with pytest.raises(KeysUnusable, match="plain_http"):
        World(issuer, is_plain_http_allowed=False).kept.ask()
    assert issuer.keys_path not in issuer.asked


def test_in_earnest_nobody_waits_for_an_issuer_that_hangs(issuer: Issuer) -> None:
    issuer.odd[issuer.discovery_path] = "hang"
    kept = KeptKeys(issuer.url + DISCOVERY, read=read_key_set, largest=100, timeout_s=0.2)
    assert kept.current() is None
    assert kept.doubt()
    for thread in threading.enumerate():
        if thread.name == "keys":
            thread.join(PATIENCE_S)
    assert kept.current() is None
