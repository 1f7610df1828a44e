"""Call Flux's Receivers beside the lanes: no lane waits for a cluster, and what fails costs nothing but time."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import structlog

from app.core.errors import FluxbridgeError, Unavailable
from app.core.ports import Receiver

_log = structlog.get_logger("fluxbridge.receivers")


@dataclass(frozen=True, slots=True)
class ReceiverCalls:
    """The Receivers of one config repository's clusters, each called in a thread of its own.

    One that is not reachable is called again after each of `pauses`, then left alone: Flux fetches at its interval
    anyway. Nothing is kept, so calls that a process has not made when it ends are not made.
    """

    receivers: Sequence[Receiver]
    pauses: Sequence[timedelta] = (timedelta(seconds=5), timedelta(seconds=30))
    _closing: threading.Event = field(default_factory=threading.Event)

    def tell(self, revision: str) -> None:
        """Have every Receiver called with this revision; returns at once and never raises."""
        if self._closing.is_set():
            return
        for receiver in self.receivers:
            name = f"receiver-{receiver.name}"
            threading.Thread(target=self._call, args=(receiver, revision), name=name, daemon=True).start()

    def close(self) -> None:
        """Call nobody again."""
        self._closing.set()

    def _call(self, receiver: Receiver, revision: str) -> None:
        for pause in (*self.pauses, None):
            try:
                receiver.call(revision)
            except Unavailable as error:
                if pause is not None and not self._closing.wait(pause.total_seconds()):
                    continue
                _tell_failure(receiver, revision, error)
            except FluxbridgeError as error:
                _tell_failure(receiver, revision, error)
            else:
                _log.info("Flux was told to fetch", receiver=receiver.name, revision=revision)
            return


def _tell_failure(receiver: Receiver, revision: str, error: FluxbridgeError) -> None:
    told = "Flux was not told to fetch; it does so at its interval"
    _log.warning(told, receiver=receiver.name, revision=revision, why=str(error), kind=type(error).__name__)
