"""Credentials that expire: issued once for all threads, and kept."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import timedelta

from app.clients.deadline import seconds_left
from app.clients.registry.credentials.credential import Credential, Issuer
from app.clients.registry.errors import RegistryRefused, RegistryUnavailable
from app.clients.rests import Rests
from app.core.errors import FluxbridgeError

_MARGIN_S = 300.0
_MARGIN_SHARE = 0.1
_RENEWED_EVERY_S = 60.0


class KeptCredentials:
    """Keeps what an issuer gave until shortly before it expires.

    Whatever asks meanwhile waits for the one request to the issuer, for `timeout_s` at most; one that hangs is not
    asked a second time beside it. After a failure nothing is asked for a while (see `Rests`). What a registry refuses
    is renewed once a minute at most, so that one repository that refuses us does not wear out the issuer. `clock`
    counts seconds and never goes back.
    """

    def __init__(
        self,
        host: str,
        issuer: Issuer,
        *,
        timeout_s: float = 30,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._issuer, self._timeout_s, self._clock = host, issuer, timeout_s, clock
        self._lock = threading.Lock()
        self._held: Credential | None = None
        self._until = self._renewed_at = float("-inf")
        self._asking: Future[Credential] | None = None
        self._why = ""
        self._rests = Rests(silence=RegistryUnavailable, resting=self._resting, clock=clock)

    def current(self) -> Credential:
        """What is good now. Raises RegistryRefused, RegistryUnavailable."""
        return self._good(None) or self._issued(None)

    def renewed(self, refused: Credential) -> Credential:
        """Another one, or the same where one was renewed just now. Raises RegistryRefused, RegistryUnavailable."""
        return self._good(refused) or self._issued(refused)

    def _good(self, refused: Credential | None) -> Credential | None:
        """What need not be asked for."""
        with self._lock:
            return self._kept_for(refused)

    def _kept_for(self, refused: Credential | None) -> Credential | None:
        now = self._clock()
        if self._held is not None and self._held is not refused and now < self._until:
            return self._held
        is_renewed = self._asking is None and now < self._renewed_at + _RENEWED_EVERY_S
        return (self._held or refused) if refused is not None and is_renewed else None

    def _issued(self, refused: Credential | None) -> Credential:
        with self._rests.asking():
            asking = self._join(refused)
            if isinstance(asking, Credential):
                return asking
            try:
                return asking.result(seconds_left(self._timeout_s))
            except TimeoutError:
                raise self._failed(f"no credentials came within {self._timeout_s:g} s") from None
            except RegistryUnavailable as error:
                self._why = str(error).partition(": ")[2]
                raise

    def _join(self, refused: Credential | None) -> "Credential | Future[Credential]":
        """The request to the issuer that is under way, or a new one, in a thread that may be left to itself.

        What another request brought in the meantime is as good.
        """
        with self._lock:
            if (kept := self._kept_for(refused)) is not None:
                return kept
            if self._asking is None:
                self._renewed_at = self._renewed_at if refused is None else self._clock()
                self._asking = asking = Future[Credential]()
                threading.Thread(target=self._ask, args=(asking,), name="credentials", daemon=True).start()
            return self._asking

    def _ask(self, asking: "Future[Credential]") -> None:
        asked_at = self._clock()
        try:
            issued = self._issuer.issue()
        except Exception as error:  # noqa: BLE001 - libraries of others; raised in the threads that wait
            with self._lock:
                self._asking = None
            asking.set_exception(error if isinstance(error, FluxbridgeError) else self._odd(error))
            return
        with self._lock:
            margin_s = min(_MARGIN_S, _MARGIN_SHARE * issued.lasts_s)
            self._held, self._until, self._asking = issued, asked_at + issued.lasts_s - margin_s, None
        asking.set_result(issued)

    def _odd(self, error: Exception) -> RegistryRefused:
        """Only of which kind it is: what libraries say of what they were given may show it."""
        return RegistryRefused(self._host, f"its credentials cannot be had ({type(error).__name__}); check its auth")

    def _failed(self, problem: str) -> RegistryUnavailable:
        self._why = problem
        return RegistryUnavailable(self._host, problem)

    def _resting(self, left: timedelta) -> RegistryUnavailable:
        problem = f"its credentials are not asked for again just now, after: {self._why}"
        return RegistryUnavailable(self._host, problem, retry_after=left)
