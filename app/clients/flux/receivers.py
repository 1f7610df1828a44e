"""Flux's Receivers of type generic-hmac: a signed request makes Flux fetch at once what it would fetch in a while."""

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path

import httpx

from app.clients.tls import trusting
from app.core.errors import Refused, Unavailable

# What notification-controller answers, and what to do about it.
_REFUSALS: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "it does not accept our signature: is its type generic-hmac, and is our secret the "
    "`token` of its Secret, to the byte?",
    HTTPStatus.NOT_FOUND: "it has no such path: set the url again from the Receiver's status.webhookPath, which "
    "changes with its token, its name and its namespace",
}
_PROBLEMS: Mapping[int, str] = {
    HTTPStatus.SERVICE_UNAVAILABLE: "is suspended or not ready",
    HTTPStatus.INTERNAL_SERVER_ERROR: "could not mark its resources: are those that it names there?",
}


class ReceiverRefused(Refused):
    """A Receiver does not accept our calls: its settings or ours must change."""

    def __init__(self, name: str, host: str, problem: str) -> None:
        super().__init__(f"Flux's Receiver {name} at {host} refuses us: {problem}")
        self.name = name


class ReceiverUnavailable(Unavailable):
    """A Receiver is not reachable or not ready just now."""

    def __init__(self, name: str, host: str, problem: str) -> None:
        super().__init__(f"Flux's Receiver {name} at {host} {problem}")
        self.name = name


class FluxReceiver:
    """One Receiver. Its URL's path is derived from its token, so no message has more of the URL than the host.

    Redirects are not followed and the environment (proxies, .netrc) is not read.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting
        self,
        name: str,
        url: str,
        *,
        secret: Callable[[], str],
        ca_file: Path | None = None,
        proxy: str | None = None,
        timeout_s: float = 10,
    ) -> None:
        self.name = name
        self._url, self._secret = httpx.URL(url), secret
        self._verify = trusting(ca_file)
        self._proxy, self._timeout_s = proxy, timeout_s

    def call(self, revision: str) -> None:
        """Make Flux fetch what the Receiver names. Harmless to repeat: it only sets an annotation to the present time.

        The body is for a `resourceFilter` of whoever wants one. Raises ReceiverRefused, ReceiverUnavailable, and what
        reading the secret raises.
        """
        body = json.dumps({"revision": revision}).encode()
        signature = hmac.new(self._secret().encode(), body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Signature": f"sha256={signature}"}
        status = self._post(body, headers)
        if httpx.codes.is_success(status):
            return
        if httpx.codes.is_redirect(status):
            raise self._refused("it redirects elsewhere; set the url that it really has")
        if status in _REFUSALS:
            raise self._refused(_REFUSALS[status])
        if httpx.codes.is_client_error(status) and status != HTTPStatus.TOO_MANY_REQUESTS:
            raise self._refused(f"it answered {status}; is there a proxy before it that wants something else?")
        raise self._unavailable(_PROBLEMS.get(status, f"answered {status}"))

    def _post(self, body: bytes, headers: dict[str, str]) -> int:
        """Send it and return the status; what else the answer has is not read."""
        try:
            with self._connect() as client, client.stream("POST", self._url, content=body, headers=headers) as answer:
                return answer.status_code
        except httpx.TimeoutException as error:
            raise self._unavailable(f"did not answer within {self._timeout_s:g} s") from error
        except httpx.ConnectError as error:
            raise self._unavailable(f"cannot be reached: {error}") from error
        except httpx.HTTPError as error:
            raise self._unavailable(f"broke off ({type(error).__name__})") from error

    def _connect(self) -> httpx.Client:
        return httpx.Client(verify=self._verify, timeout=self._timeout_s, proxy=self._proxy, trust_env=False)

    def _refused(self, problem: str) -> ReceiverRefused:
        return ReceiverRefused(self.name, self._url.host, problem)

    def _unavailable(self, problem: str) -> ReceiverUnavailable:
        return ReceiverUnavailable(self.name, self._url.host, problem)
