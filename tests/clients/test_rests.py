"""A system that fell silent is left alone for a while, and asked again by one call at a time."""

import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta

import httpx
import pytest

from app.clients.deadline import ending_within
from app.clients.jenkins.controller import Jenkins, JenkinsSilent, JenkinsUnavailable
from app.clients.registry.errors import RegistrySilent, RegistryUnavailable
from app.clients.registry.oci import OCIRegistry
from app.clients.rests import Rests
from app.core.errors import Refused, Unavailable
from tests.clients.registry.scripted_registry import HOST
from tests.db.threads import at_once
from tests.servers.dripping import DrippingServer
from tests.servers.jenkins import JenkinsServer, Odd, build_body

PATIENCE_S = 10


class Silence(Unavailable):
    """No answer came."""


class Resting(Unavailable):
    """Nothing is asked."""

    def __init__(self, left: timedelta) -> None:
        super().__init__("rests", retry_after=left)
        self.left_s = left.total_seconds()


class System:
    """A system behind its rests; `calls` counts those that came to it."""

    def __init__(self) -> None:
        self.now, self.calls = 100.0, 0
        self.rests = Rests(silence=Silence, resting=Resting, clock=lambda: self.now)

    def ask(self, answer: Callable[[], None] = lambda: None) -> None:
        with self.rests.asking():
            self.calls += 1
            answer()

    def fall_silent(self) -> None:
        with pytest.raises(Silence):
            self.ask(silent)

    def rest_s(self) -> float:
        with pytest.raises(Resting) as raised:
            self.ask()
        return raised.value.left_s


def silent() -> None:
    raise Silence("nothing came")


def refuse() -> None:
    raise Refused("not you")


@pytest.fixture
def system() -> System:
    """One that answers until it is told not to."""
    return System()


def test_after_a_silence_nothing_is_asked_until_the_rest_is_over(system: System) -> None:
    system.fall_silent()
    assert system.rest_s() == 2
    system.now += 1.5
    assert system.rest_s() == 0.5
    assert system.calls == 1
    system.now += 0.5
    system.ask()
    assert system.calls == 2


def test_each_further_silence_doubles_the_rest_up_to_a_minute(system: System) -> None:
    rests = []
    for _ in range(7):
        system.fall_silent()
        rests.append(system.rest_s())
        system.now += rests[-1]
    assert rests == [2, 4, 8, 16, 32, 60, 60]


def test_an_answer_ends_all_rest(system: System) -> None:
    for _ in range(3):
        system.fall_silent()
        system.now += 60
    system.ask()
    system.ask()
    system.fall_silent()
    assert system.rest_s() == 2


def test_what_is_refused_was_answered(system: System) -> None:
    system.fall_silent()
    system.now += 2
    for _ in range(2):
        with pytest.raises(Refused):
            system.ask(refuse)


def test_a_silence_because_our_own_time_ran_out_is_none_of_the_systems(system: System) -> None:
    with ending_within(timedelta(0)):
        system.fall_silent()
    system.ask()
    assert system.calls == 2


def test_calls_that_fall_silent_together_are_one_silence(system: System) -> None:
    together = threading.Barrier(8)

    def ask() -> None:
        def wait() -> None:
            together.wait(PATIENCE_S)
            raise Silence("nothing came")

        with pytest.raises(Silence):
            system.ask(wait)

    at_once(*[ask] * 8)
    assert system.rest_s() == 2


def test_after_a_rest_one_call_tries_while_the_others_rest(system: System) -> None:
    system.fall_silent()
    system.now += 2
    reached, opened = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        assert opened.wait(PATIENCE_S)

    trying = threading.Thread(target=system.ask, args=(wait,))
    trying.start()
    assert reached.wait(PATIENCE_S)
    assert system.rest_s() == 2
    opened.set()
    trying.join(PATIENCE_S)
    system.ask()
    assert system.calls == 3


def test_a_try_that_was_broken_off_lets_the_next_one_try(system: System) -> None:
    system.fall_silent()
    system.now += 2
    with ending_within(timedelta(0)):
        system.fall_silent()
    system.ask()


def test_a_silent_jenkins_is_asked_once_and_again_after_its_rest() -> None:
    now = [0.0]
    with JenkinsServer() as server:
        server.put_build("app", build_body(1))
        jenkins = Jenkins("main", server.url, timeout_s=1, clock=lambda: now[0])
        server.odd = "hang"
        with pytest.raises(JenkinsSilent, match="did not answer within 1 s"):
            jenkins.build("app", 1)
        asked = len(server.requests)
        with pytest.raises(JenkinsSilent, match="left alone") as resting:
            jenkins.build("app", 1)
        assert (len(server.requests), resting.value.retry_after) == (asked, timedelta(seconds=2))
        server.odd = None
        now[0] += 2
        assert jenkins.build("app", 1) is not None


def test_a_jenkins_that_is_down_rests() -> None:
    with JenkinsServer() as server:
        jenkins = Jenkins("main", server.url)
    with pytest.raises(JenkinsSilent, match="cannot be reached"):
        jenkins.build("app", 1)
    with pytest.raises(JenkinsSilent, match="left alone"):
        jenkins.build("app", 1)


def test_many_calls_of_a_jenkins_that_drips_are_one_connection() -> None:
    with DrippingServer() as server:
        jenkins = Jenkins("main", server.url, timeout_s=1)
        for _ in range(50):
            with pytest.raises(JenkinsSilent):
                jenkins.build("app", 1)
        asked = server.connections
    assert asked == 1


def test_a_jenkins_that_answers_with_errors_is_not_left_alone() -> None:
    with JenkinsServer() as server:
        jenkins = Jenkins("main", server.url)
        server.odd = Odd(503)
        for _ in range(2):
            with pytest.raises(JenkinsUnavailable, match="answered 503"):
                jenkins.build("app", 1)


def test_a_silent_registry_is_asked_once_and_again_after_its_rest() -> None:
    now, asked, is_silent = [0.0], [0], [True]

    def answer(request: httpx.Request) -> httpx.Response:
        asked[0] += 1
        if is_silent[0]:
            raise httpx.ReadTimeout("silent", request=request)
        return httpx.Response(200, json={"tags": ["1.0.0"]})

    transport = httpx.MockTransport(answer)
    with closing(OCIRegistry(HOST, transport=transport, clock=lambda: now[0])) as registry:
        with pytest.raises(RegistrySilent, match="did not answer within"):
            registry.tags("team/app")
        with pytest.raises(RegistrySilent, match="left alone") as resting:
            registry.tags("team/app")
        assert (asked[0], resting.value.retry_after) == (1, timedelta(seconds=2))
        is_silent[0] = False
        now[0] += 2
        assert registry.tags("team/app") == ["1.0.0"]


def test_a_silent_token_service_rests_though_its_registry_answers() -> None:
    asked = [0]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == HOST:
            realm = 'Bearer realm="https://auth.acme.example/token"'
            return httpx.Response(401, headers={"www-authenticate": realm})
        asked[0] += 1
        raise httpx.ConnectTimeout("silent", request=request)

    transport = httpx.MockTransport(answer)
    with closing(OCIRegistry(HOST, transport=transport, clock=lambda: 0.0)) as registry:
        for _ in range(5):
            with pytest.raises(RegistrySilent):
                registry.tags("team/app")
    assert asked[0] == 1


def test_a_registry_that_answers_with_errors_is_not_left_alone() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(503))
    with closing(OCIRegistry(HOST, transport=transport)) as registry:
        for _ in range(2):
            with pytest.raises(RegistryUnavailable, match="answered 503"):
                registry.tags("team/app")
