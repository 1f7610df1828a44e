"""The webhooks of a forge of ours: sent once each in order, and kept to be sent again when asked."""

import json
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from uuid import uuid4

_TIMEOUT_S = 10
FIRST_HOOK = 481516234


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events go, and the secret that signs them."""

    url: str
    secret: str
    is_active: bool = True


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One attempt; `status` is None where nobody answered. `hook` and `number` are what its API calls it by."""

    id: str
    event: str
    body: bytes
    status: int | None
    hook: int = field(default=FIRST_HOOK, compare=False)
    number: int = field(default=0, compare=False)
    at: datetime = field(default=datetime.min, compare=False)  # noqa: DTZ901 - it is set once it is sent
    is_again: bool = field(default=False, compare=False)


class WebhookPost:
    """Sends from a thread of its own, as forges do: whoever caused the event does not wait; nothing is retried."""

    def __init__(self, headers: Callable[["Webhook", "WebhookDelivery"], Mapping[str, str]]) -> None:
        self._headers = headers
        self.hooks: dict[int, Webhook] = {}
        self._waiting: queue.Queue[WebhookDelivery | None] = queue.Queue()
        self._sent: list[WebhookDelivery] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End once all that waits is sent."""
        self._waiting.put(None)
        self._thread.join()

    def send(self, event: str, body: Mapping[str, object]) -> None:
        """Send an event to every webhook, under one id."""
        delivery_id, content = str(uuid4()), json.dumps(body).encode()
        for number, hook in list(self.hooks.items()):
            if hook.is_active:
                self._waiting.put(WebhookDelivery(delivery_id, event, content, None, number))

    def send_again(self, delivery: WebhookDelivery) -> None:
        """Redeliver, under the same id."""
        self._waiting.put(replace(delivery, is_again=True))

    def wait_for(self, count: int, timeout_s: float = 20) -> list[WebhookDelivery]:
        """Return the attempts so far, once there are `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._sent) >= count, timeout_s), self._sent
            return list(self._sent)

    def _work(self) -> None:
        while (asked := self._waiting.get()) is not None:
            status = _post(self.hooks[asked.hook], asked, self._headers(self.hooks[asked.hook], asked))
            with self._changed:
                number = 10_000_000 + len(self._sent)
                self._sent.append(replace(asked, status=status, number=number, at=datetime.now(UTC)))
                self._changed.notify_all()


def _post(webhook: Webhook, delivery: WebhookDelivery, headers: Mapping[str, str]) -> int | None:
    request = urllib.request.Request(webhook.url, delivery.body, {"Content-Type": "application/json", **headers})  # noqa: S310 - the test's own loopback URL
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as answer:
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None
