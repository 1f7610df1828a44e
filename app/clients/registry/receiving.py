"""One answer of a registry: read whole, of a size and within a time that are both limited."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import httpx

from app.clients.deadline import seconds_left
from app.clients.registry.errors import RegistrySilent, RegistryUnavailable


@dataclass(frozen=True, slots=True)
class Receiving:
    """How the answers of one registry are received. Raises RegistryUnavailable, RegistrySilent."""

    host: str
    client: httpx.Client
    timeout_s: float
    clock: Callable[[], float]
    largest: int

    def receive(self, request: httpx.Request) -> httpx.Response:
        """Send one request and read the whole answer; the time is twice the timeout, or what the work has left."""
        host = request.url.host
        deadline = self.clock() + seconds_left(2 * self.timeout_s)
        if not (timeout_s := seconds_left(self.timeout_s)):
            raise RegistryUnavailable(self.host, f"{host} was not asked: the time for this work is over")
        request.extensions["timeout"] = httpx.Timeout(timeout_s).as_dict()
        body = bytearray()
        try:
            with closing(self.client.send(request, stream=True)) as answer:
                for chunk in answer.iter_bytes():
                    body += chunk
                    if len(body) > self.largest:
                        raise RegistryUnavailable(self.host, f"{host} sent more than {self.largest} bytes")
                    if self.clock() > deadline:
                        raise RegistrySilent(self.host, f"{host} sends too slowly")
        except httpx.TimeoutException as error:
            raise RegistrySilent(self.host, f"{host} did not answer within {timeout_s:g} s") from error
        except httpx.ConnectError as error:
            raise RegistrySilent(self.host, f"{host} cannot be reached: {error}") from error
        except httpx.HTTPError as error:
            raise RegistrySilent(self.host, f"{host} broke off ({type(error).__name__})") from error
        return _whole(answer, bytes(body))

    def resting(self, left: timedelta) -> RegistrySilent:
        """What a call meets while the registry is left alone."""
        problem = "it did not answer when it was last asked: it is left alone"
        return RegistrySilent(self.host, problem, retry_after=left)


def _whole(answer: httpx.Response, body: bytes) -> httpx.Response:
    """The answer with its decoded body, as if it had not been streamed."""
    headers = httpx.Headers(answer.headers)
    headers.pop("content-encoding", None)
    return httpx.Response(answer.status_code, headers=headers, content=body, request=answer.request)
