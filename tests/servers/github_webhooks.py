"""The webhooks of our GitHub: signed, sent once each in order, and kept to be sent again by hand."""

import hashlib
import hmac
import json
import queue
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from uuid import uuid4

from tests.servers.github_bodies import Body

_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where events go, and the secret that signs them."""

    url: str
    secret: str


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """One attempt; `status` is None where nobody answered."""

    id: str
    event: str
    body: bytes
    status: int | None


class WebhookPost:
    """Sends from a thread of its own, as GitHub does: whoever caused the event does not wait; nothing is retried."""

    def __init__(self) -> None:
        self.webhook: Webhook | None = None
        self._waiting: queue.Queue[tuple[Webhook, str, str, bytes] | None] = queue.Queue()
        self._sent: list[WebhookDelivery] = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End once all that waits is sent."""
        self._waiting.put(None)
        self._thread.join()

    def send(self, event: str, body: Body) -> None:
        if self.webhook is not None:
            self._waiting.put((self.webhook, event, str(uuid4()), json.dumps(body).encode()))

    def send_again(self, delivery: WebhookDelivery) -> None:
        """Redeliver, under the same id."""
        assert self.webhook is not None
        self._waiting.put((self.webhook, delivery.event, delivery.id, delivery.body))

    def wait_for(self, count: int, timeout_s: float = 20) -> list[WebhookDelivery]:
        """Return the attempts so far, once there are `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self._sent) >= count, timeout_s), self._sent
            return list(self._sent)

    def _work(self) -> None:
        while (next_one := self._waiting.get()) is not None:
            webhook, event, delivery_id, body = next_one
            status = _post(webhook, event, delivery_id, body)
            with self._changed:
                self._sent.append(WebhookDelivery(delivery_id, event, body, status))
                self._changed.notify_all()


def _post(webhook: Webhook, event: str, delivery_id: str, body: bytes) -> int | None:
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/8c2f1e0",
        "X-GitHub-Event": event,
        "X-GitHub-Delivery": delivery_id,
        "X-GitHub-Hook-ID": "481516234",
        "X-Hub-Signature-256": "sha256=" + hmac.new(webhook.secret.encode(), body, hashlib.sha256).hexdigest(),
    }
    request = urllib.request.Request(webhook.url, body, headers)  # noqa: S310 - the test's own loopback URL
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
