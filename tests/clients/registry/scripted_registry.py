"""A registry client whose answers a test writes itself."""

from collections.abc import Callable
from contextlib import closing

import httpx
import pytest

from app.clients.registry.credentials.credential import Credentials
from app.clients.registry.oci import OCIRegistry

HOST = "registry.acme.example"
Answering = Callable[[httpx.Request], httpx.Response]


def asking(
    answer: Answering,
    *,
    host: str = HOST,
    credentials: Credentials | None = None,
    plain_http: bool = False,
) -> closing[OCIRegistry]:
    transport = httpx.MockTransport(answer)
    return closing(OCIRegistry(host, credentials=credentials, plain_http=plain_http, transport=transport))


def never(request: httpx.Request) -> httpx.Response:
    pytest.fail(f"asked for {request.url}")


def raising(error: httpx.HTTPError) -> Answering:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer
