"""Flux's Receivers: the signed call as Flux checks it, and what is said of each way in which it can go wrong."""

import json
import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from app.clients.flux.receivers import FluxReceiver
from app.core.errors import FluxbridgeError, Refused, Unavailable
from tests.servers.flux_receiver import ReceiverServer, receiver_server

TOKEN = "a-receiver-token"
REVISION = "main@sha1:" + "5d" * 20


@pytest.fixture
def server() -> Iterator[ReceiverServer]:
    with receiver_server(TOKEN) as running:
        yield running


def calling(url: str, *, secret: str = TOKEN, timeout_s: float = 10) -> FluxReceiver:
    return FluxReceiver("prod-eu", url, secret=lambda: secret, timeout_s=timeout_s)


def failure(receiver: FluxReceiver, kind: type[FluxbridgeError]) -> str:
    with pytest.raises(kind) as raised:
        receiver.call(REVISION)
    return str(raised.value)


def test_flux_accepts_the_call_as_often_as_it_is_made(server: ReceiverServer) -> None:
    receiver = calling(server.url)
    receiver.call(REVISION)
    receiver.call(REVISION)
    assert [json.loads(body) for body in server.bodies] == [{"revision": REVISION}] * 2


def test_the_secret_is_read_for_each_call(server: ReceiverServer) -> None:
    secrets = iter(["an-old-token", TOKEN])
    receiver = FluxReceiver("prod-eu", server.url, secret=lambda: next(secrets))
    assert "does not accept our signature" in failure(receiver, Refused)
    receiver.call(REVISION)
    assert len(server.bodies) == 1


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        pytest.param(HTTPStatus.BAD_REQUEST, Refused, "is its type generic-hmac", id="400"),
        pytest.param(HTTPStatus.NOT_FOUND, Refused, "status.webhookPath", id="404"),
        pytest.param(HTTPStatus.FORBIDDEN, Refused, "answered 403", id="403"),
        pytest.param(HTTPStatus.TOO_MANY_REQUESTS, Unavailable, "answered 429", id="429"),
        pytest.param(HTTPStatus.INTERNAL_SERVER_ERROR, Unavailable, "could not mark its resources", id="500"),
        pytest.param(HTTPStatus.BAD_GATEWAY, Unavailable, "answered 502", id="502"),
        pytest.param(HTTPStatus.SERVICE_UNAVAILABLE, Unavailable, "suspended or not ready", id="503"),
    ],
)
def test_an_answer_is_told_by_who_must_act_and_without_the_path(
    server: ReceiverServer, status: HTTPStatus, kind: type[FluxbridgeError], told: str
) -> None:
    server.answers.append(status)
    said = failure(calling(server.url), kind)
    assert told in said
    assert "Flux's Receiver prod-eu at 127.0.0.1 " in said
    assert not any(part in said for part in ("/hook/", server.path[6:16], TOKEN))


def test_another_path_or_another_key_is_refused(server: ReceiverServer) -> None:
    assert "status.webhookPath" in failure(calling(f"{server.url}0"), Refused)
    assert "to the byte" in failure(calling(server.url, secret=f"{TOKEN}\n"), Refused)
    assert server.bodies == []


def test_a_redirect_is_not_followed(server: ReceiverServer) -> None:
    server.redirect_to = server.url
    server.answers.append(HTTPStatus.PERMANENT_REDIRECT)
    assert "redirects elsewhere" in failure(calling(server.url), Refused)
    assert (server.requests, server.bodies) == (1, [])


def test_nobody_there_is_told_without_the_path() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        said = failure(calling(f"http://127.0.0.1:{port}/hook/secret-path"), Unavailable)
    assert "cannot be reached" in said
    assert "secret-path" not in said


def test_one_that_says_nothing_is_waited_for_so_long_only() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/hook/secret-path"
        said = failure(calling(url, timeout_s=0.05), Unavailable)
    assert said == "Flux's Receiver prod-eu at 127.0.0.1 did not answer within 0.05 s"


def test_one_that_breaks_off_is_tried_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def break_off() -> None:
            listening.accept()[0].close()

        rude = threading.Thread(target=break_off)
        rude.start()
        said = failure(calling(f"http://127.0.0.1:{listening.getsockname()[1]}/hook/x"), Unavailable)
        rude.join()
    assert "broke off" in said


def test_the_environment_is_not_read(server: ReceiverServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    calling(server.url).call(REVISION)
    assert len(server.bodies) == 1
