"""How we prove ourselves to one registry, repository by repository."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

import httpx
from pydantic import BaseModel, ValidationError

from app.clients.registry.challenges import Challenge, parse_challenges, token_url
from app.clients.registry.credentials.credential import FOR_EVER, Credential, Credentials
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable

_TOKEN_LIFE_S = 60  # what the specification says where `expires_in` is missing
_TOKEN_MARGIN_S = 5


class Send(Protocol):
    """How a request is sent."""

    def __call__(self, method: str, url: httpx.URL, authorization: str | None) -> httpx.Response:
        """The answer to one with this `Authorization`, whatever its status. Raises RegistryUnavailable."""
        ...


class _TokenAnswer(BaseModel):
    token: str | None = None
    access_token: str | None = None
    expires_in: float | None = None


@dataclass(frozen=True, slots=True)
class _Authorization:
    header: str
    expires_at: float
    shown: Credential | None = None
    """The credential that it was had with; None: as anonymous."""
    is_credential: bool = False
    """Whether it is that credential itself, no token that was issued for it."""


class Authorizations:
    """What is shown to one registry, kept by repository. For threads at once.

    Credentials are used only when the registry asks for them: shown to itself, or to the token service that it names
    (see `token_url`). A bearer token of the credentials goes to the registry as it is, however it asks.
    """

    def __init__(  # noqa: PLR0913 - what an OCIRegistry has of these
        self,
        host: str,
        url: httpx.URL,
        credentials: Credentials | None,
        *,
        send: Send,
        require_ok: Callable[[httpx.Response, str], None],
        clock: Callable[[], float],
    ) -> None:
        self._host, self._url, self._credentials = host, url, credentials
        self._send, self._require_ok, self._clock = send, require_ok, clock
        self._kept: dict[str, _Authorization] = {}

    @property
    def are_asked_for(self) -> bool:
        """Whether the registry wanted any, and took them."""
        return bool(self._kept)

    def known(self, path: str) -> str | None:
        """What was good for a repository when it was asked for last, and should still be. Raises as `answering`."""
        kept = self._kept.get(path)
        if kept is None or kept.expires_at <= self._clock():
            return None
        if self._credentials and kept.is_credential and kept.shown and kept.shown.lasts_s != FOR_EVER:
            return self._credentials.current().header
        return kept.header

    def forget(self, path: str) -> None:
        """Show nothing of what was shown for a repository again."""
        self._kept.pop(path, None)

    def answering(self, refusal: httpx.Response, path: str, refused: str | None, *, is_last: bool) -> str:
        """What to show in the place of what a 401 refused; at `is_last` the same where nothing else can be had.

        Credentials are renewed where it was they that were refused, or, with `is_last`, a token that was issued for
        them just now. Raises RegistryRefused, RegistryUnavailable.
        """
        challenges = parse_challenges(refusal.headers.get("www-authenticate", ""))
        offered = {challenge.scheme: challenge for challenge in reversed(challenges)}
        shown = self._credentials.current() if self._credentials else None
        if self._credentials and shown and (is_last or shown.header == refused):
            kept = self._kept.get(path)
            was_shown = kept.shown if kept and kept.shown and kept.header == refused else shown
            shown = self._credentials.renewed(was_shown)
            is_last = is_last and shown == was_shown
        if is_last and refused is not None:
            return refused
        self._kept[path] = found = self._authorize(offered, path, shown)
        return found.header

    def _authorize(self, offered: Mapping[str, Challenge], path: str, credential: Credential | None) -> _Authorization:
        if credential and (credential.user is None or ("basic" in offered and "bearer" not in offered)):
            return _Authorization(credential.header, FOR_EVER, credential, is_credential=True)
        if "bearer" in offered:
            return self._fetch_token(offered["bearer"], path, credential)
        if "basic" in offered:
            raise RegistryRefused(self._host, f"it wants a user and password for {path}; none are configured")
        raise RegistryRefused(self._host, "it asks for authentication in a way that is neither Basic nor Bearer")

    def _fetch_token(self, challenge: Challenge, path: str, credential: Credential | None) -> _Authorization:
        url = token_url(challenge, registry=self._url, path=path)
        if url is None:
            realm = challenge.parameters.get("realm", "").rpartition("@")[2][:200]
            raise RegistryRefused(
                self._host, f"its token service {realm!r} has no https URL; credentials are not sent there in clear"
            )
        asked_at = self._clock()
        answer = self._send("GET", url, credential.header if credential else None)
        if answer.status_code == HTTPStatus.UNAUTHORIZED and self._credentials and credential:
            renewed = self._credentials.renewed(credential)
            if renewed != credential:
                credential = renewed
                answer = self._send("GET", url, credential.header)
        token, lasts_s = self._token_of(answer, f"its token service at {url.host}")
        return _Authorization(f"Bearer {token}", asked_at + lasts_s - _TOKEN_MARGIN_S, credential)

    def _token_of(self, answer: httpx.Response, who: str) -> tuple[str, float]:
        if answer.is_client_error and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS:
            raise RegistryRefused(self._host, f"{who} answered {answer.status_code}; check user and password, or auth")
        self._require_ok(answer, who)
        try:
            issued = _TokenAnswer.model_validate_json(answer.content)
        except ValidationError:
            # Not chained: pydantic's error would show the answer, which may hold a token.
            raise RegistryUnavailable(self._host, f"{who} answered with no token") from None
        token = issued.token or issued.access_token
        if not token or not token.isascii() or not token.isprintable():
            raise RegistryUnavailable(self._host, f"{who} answered with no token")
        return token, issued.expires_in or _TOKEN_LIFE_S
