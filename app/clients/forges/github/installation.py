"""A GitHub App's way in: its installation on our repository, and a token for that which is renewed before it ends."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Annotated

import jwt
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints

from app.clients.forges.errors import ForgeRefused, Hosted
from app.clients.forges.rest import Rejected, RestClient, segment
from app.core.errors import Refused

# GitHub takes ten minutes at most, by its own clock.
_ASSERTION_LIFE = timedelta(minutes=8)
_BACK = timedelta(seconds=60)
# A run of a lane that begins with a token should also end with it.
_MARGIN = timedelta(minutes=5)
_CHANGED = ("contents", "pull_requests")


class PrivateKeyUnusable(Refused):
    """What should be the private key of a GitHub App is none."""

    def __init__(self, at: Hosted) -> None:
        super().__init__(
            f"the private key of the GitHub App for {at.repository} is no RSA key as PEM: "
            "put the file that GitHub gave where forge.app.private_key points"
        )
        self.at = at


class _App(BaseModel):
    slug: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,100}$")]


class _Installation(BaseModel):
    id: Annotated[int, Field(gt=0)]
    suspended_at: datetime | None = None


class _Token(BaseModel):
    token: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,4096}$")] = Field(repr=False)
    expires_at: AwareDatetime


class Installation:
    """The installation of one App on one repository, by `assertion`s that its private key signs.

    Its token is narrowed to the repository and to what Fluxbridge does there: to read, or to write too. One is kept
    until five minutes before it ends by our clock; `forget` is for one that GitHub no longer takes. Safe between
    threads.
    """

    def __init__(  # noqa: PLR0913 - one argument a setting, one for tests
        self,
        at: Hosted,
        *,
        app_id: str,
        private_key: Callable[[], str],
        may_write: bool,
        connect: Callable[[Callable[[], str]], RestClient],
        clock: Callable[[], datetime],
    ) -> None:
        self._at, self._app_id, self._private_key, self._clock = at, app_id, private_key, clock
        self._permissions = {"metadata": "read", **dict.fromkeys(_CHANGED, "write" if may_write else "read")}
        self._client = connect(self._authorization)
        self._lock = threading.Lock()
        self._token: _Token | None = None
        self._login: str | None = None

    def token(self) -> str:
        """A token that is good for some minutes at least.

        Raises PrivateKeyUnusable, TokenNotAccepted, RepositoryNotVisible, RepositoryMoved, ForgeRefused, Unavailable.
        """
        with self._lock:
            if self._token is None or self._token.expires_at - _MARGIN <= self._clock():
                self._token = self._fetch()
            return self._token.token

    def forget(self, token: str) -> None:
        """Do not give this token again: it was revoked."""
        with self._lock:
            if self._token is not None and self._token.token == token:
                self._token = None

    def login(self) -> str:
        """The account as which the App acts: `<slug>[bot]`. Raises as `token` does."""
        with self._lock:
            if self._login is None:
                self._login = f"{self._client.get('/app').read(_App).slug}[bot]"
            return self._login

    def _fetch(self) -> _Token:
        owner, _, name = self._at.repository.partition("/")
        try:
            found = self._client.get(f"/repos/{segment(owner)}/{segment(name)}/installation").read(_Installation)
        except Rejected as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            problem = "the GitHub App is not installed there: install it on this repository, or correct forge.app"
            raise ForgeRefused(self._at, problem) from error
        if found.suspended_at is not None:
            raise ForgeRefused(self._at, "the GitHub App's installation is suspended: let an owner unsuspend it")
        wanted = {"repositories": [name], "permissions": self._permissions}
        try:
            return self._client.ask("POST", f"/app/installations/{found.id}/access_tokens", body=wanted).read(_Token)
        except Rejected as error:
            raise ForgeRefused(
                self._at, f"{error.status} for a token: {_needs(self._permissions)}; and let an owner accept them"
            ) from error

    def _authorization(self) -> str:
        at = self._clock()
        claims = {"iat": int((at - _BACK).timestamp()), "exp": int((at + _ASSERTION_LIFE).timestamp())}
        try:
            # The error's own text could show parts of the key, so it is not chained.
            return f"Bearer {jwt.encode(claims | {'iss': self._app_id}, self._private_key(), algorithm='RS256')}"
        except (jwt.PyJWTError, ValueError, TypeError):
            raise PrivateKeyUnusable(self._at) from None


def _needs(permissions: dict[str, str]) -> str:
    """What an App needs, in words."""
    named = ", ".join(f"{name.replace('_', ' ').capitalize()}: {kind}" for name, kind in permissions.items())
    return f"give the App the repository permissions {named}"
