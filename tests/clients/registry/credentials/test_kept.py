"""Credentials that expire are issued once for all threads, kept, and renewed."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.clients.registry.credentials.credential import Credential
from app.clients.registry.credentials.kept import KeptCredentials
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable

HOST = "registry.acme.example"


class Numbered:
    """Issues c1, c2 …, or raises; what it `waits_for` holds it up."""

    def __init__(self, lasts_s: float = 1000) -> None:
        self.lasts_s, self.issued = lasts_s, 0
        self.raises: Exception | None = None
        self.waits_for: Callable[[], object] = lambda: None

    def issue(self) -> Credential:
        self.issued += 1
        self.waits_for()
        if self.raises:
            raise self.raises
        return Credential("bridge", f"c{self.issued}", self.lasts_s)


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def issuer() -> Numbered:
    return Numbered()


@pytest.fixture
def kept(issuer: Numbered, now: list[float]) -> KeptCredentials:
    return KeptCredentials(HOST, issuer, clock=lambda: now[0])


def test_what_was_issued_is_kept_until_shortly_before_it_expires(kept: KeptCredentials, now: list[float]) -> None:
    seen = []
    for now[0] in (0, 899, 901, 1700, 1802):
        seen.append(kept.current().secret)
    assert seen == ["c1", "c1", "c2", "c2", "c3"]


def test_of_what_lasts_long_the_last_five_minutes_are_not_used(now: list[float]) -> None:
    kept = KeptCredentials(HOST, Numbered(lasts_s=43_200), clock=lambda: now[0])
    seen = []
    for now[0] in (0, 42_899, 42_901):
        seen.append(kept.current().secret)
    assert seen == ["c1", "c1", "c2"]


def test_what_was_refused_is_renewed_once_a_minute(kept: KeptCredentials, now: list[float]) -> None:
    first = kept.current()
    second = kept.renewed(first)
    assert (second.secret, kept.current()) == ("c2", second)
    assert kept.renewed(second) is second
    now[0] = 61
    assert kept.renewed(second).secret == "c3"


def test_what_another_has_renewed_already_is_not_renewed_again(kept: KeptCredentials, now: list[float]) -> None:
    first = kept.current()
    second = kept.renewed(first)
    now[0] = 61
    assert kept.renewed(first) is second


def held_up(issuer: Numbered) -> tuple[threading.Event, Callable[[], object]]:
    """Let the issuer wait for an event; the second tells when it does."""
    asked, go = threading.Event(), threading.Event()

    def wait() -> None:
        asked.set()
        assert go.wait(20)

    issuer.waits_for = wait
    return go, lambda: asked.wait(20)


def test_many_threads_that_need_credentials_at_once_ask_once(kept: KeptCredentials, issuer: Numbered) -> None:
    go, is_asked = held_up(issuer)
    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(kept.current) for _ in range(16)]
        assert is_asked()
        go.set()
        assert {one.result(20).secret for one in waiting} == {"c1"}
    assert issuer.issued == 1


def test_many_threads_that_are_refused_at_once_renew_once(kept: KeptCredentials, issuer: Numbered) -> None:
    first = kept.current()
    go, is_asked = held_up(issuer)
    with ThreadPoolExecutor(16) as threads:
        waiting = [threads.submit(kept.renewed, first) for _ in range(16)]
        assert is_asked()
        go.set()
        assert {one.result(20).secret for one in waiting} == {"c2"}
    assert issuer.issued == 2


@pytest.fixture
def hanging(issuer: Numbered) -> Iterator[KeptCredentials]:
    go, _ = held_up(issuer)
    yield KeptCredentials(HOST, issuer, timeout_s=0.05)
    go.set()


def test_an_issuer_that_hangs_is_waited_for_for_a_while_and_asked_once(
    hanging: KeptCredentials, issuer: Numbered
) -> None:
    with pytest.raises(RegistryUnavailable, match=r"no credentials came within 0\.05 s"):
        hanging.current()
    with pytest.raises(RegistryUnavailable, match="not asked for again just now, after: no credentials") as resting:
        hanging.current()
    assert resting.value.retry_after is not None
    assert issuer.issued == 1


def test_after_a_failure_nothing_is_asked_for_a_while(
    kept: KeptCredentials, issuer: Numbered, now: list[float]
) -> None:
    issuer.raises = RegistryUnavailable(HOST, "the helper ended with code 1")
    for _ in range(3):
        with pytest.raises(RegistryUnavailable, match="the helper ended with code 1"):
            kept.current()
    assert issuer.issued == 1
    now[0], issuer.raises = 3, None
    assert kept.current().secret == "c2"


def test_what_an_operator_must_mend_is_told_each_time(kept: KeptCredentials, issuer: Numbered) -> None:
    issuer.raises = RegistryRefused(HOST, "the helper prints nonsense")
    for _ in range(2):
        with pytest.raises(RegistryRefused, match="nonsense"):
            kept.current()
    issuer.raises = None
    assert kept.current().secret == "c3"


def test_what_a_library_stumbles_over_is_told_without_its_words(kept: KeptCredentials, issuer: Numbered) -> None:
    issuer.raises = ValueError("hunter2 is no key")
    with pytest.raises(
        RegistryRefused, match=r"its credentials cannot be had \(ValueError\); check its auth"
    ) as refused:
        kept.current()
    assert refused.value.__cause__ is None


def test_a_credential_does_not_show_its_secret() -> None:
    assert "hunter2" not in f"{Credential('bridge', 'hunter2')}"
