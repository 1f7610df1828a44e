"""Google's registries: an access token as the password of `oauth2accesstoken`."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.clients.registry.credentials.credential import Credential
from app.clients.registry.credentials.extras import LONGEST_WORDS, bounded_session, load
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.core.unseen import printable

_USER = "oauth2accesstoken"
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform.read-only",)
_LIFE_S = 600.0  # where Google does not say for how long


class Google:
    """Asks Google with the key of a service account, else as google-auth finds out who we are.

    That is workload identity, the machine's service account, or the file that GOOGLE_APPLICATION_CREDENTIALS names.
    Raises ExtraMissing.
    """

    def __init__(
        self,
        host: str,
        *,
        key: Callable[[], str] | None = None,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        self._host, self._key = host, key
        self._auth = load("google.auth", extra="google")
        self._errors = load("google.auth.exceptions", extra="google")
        self._accounts = load("google.oauth2.service_account", extra="google")
        self._session = bounded_session(ca_file=ca_file, proxy=proxy)
        self._request = load("google.auth.transport.requests", extra="google").Request(self._session)

    def issue(self) -> Credential:
        """A user and an access token. Raises RegistryRefused, RegistryUnavailable, and what reading the key raises."""
        try:
            ours = self._ours()
            ours.refresh(self._request)
        except self._errors.DefaultCredentialsError:
            problem = "Google is not told who we are: give auth.google.key, or the pod or machine a service account"
            raise RegistryRefused(self._host, problem) from None
        except self._errors.GoogleAuthError as error:
            if error.retryable or isinstance(error, self._errors.TransportError):
                raise RegistryUnavailable(self._host, f"Google cannot be asked ({type(error).__name__})") from None
            raise RegistryRefused(
                self._host, f"Google refuses to tell who we are: {_words(error)}; check auth.google"
            ) from None
        if not ours.token:
            raise RegistryUnavailable(self._host, "Google answered with no token")
        return Credential(_USER, ours.token, _left_s(ours.expiry))

    def _ours(self) -> Any:
        if self._key is None:
            found, _project = self._auth.default(scopes=_SCOPES, request=self._request)
            return found
        text = self._key()
        try:
            return self._accounts.Credentials.from_service_account_info(json.loads(text), scopes=_SCOPES)
        except (ValueError, TypeError, AttributeError):
            # Not chained: the error may show the key.
            raise RegistryRefused(
                self._host, "auth.google.key holds no key of a service account: put its JSON there"
            ) from None


def _left_s(expiry: datetime | None) -> float:
    """Until when a token is good; google-auth counts in UTC, and does not say so."""
    if expiry is None:
        return _LIFE_S
    return (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()


def _words(error: Exception) -> str:
    """The short first part of what google-auth says: the rest is the answer, which may repeat what was sent."""
    return printable(" ".join(str(error.args[0] if error.args else "").split()))[:LONGEST_WORDS]
