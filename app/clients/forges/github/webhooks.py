"""The webhooks that GitHub could not deliver, sent once more."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from itertools import groupby, islice
from urllib.parse import urlsplit

from github.Repository import Repository
from pydantic import TypeAdapter

from app.clients.forges.github.answers import DeliveryAnswer, HookAnswer, json_object
from app.clients.forges.github.errors import GitHubRefused
from app.clients.forges.github.forge import GitHub
from app.clients.forges.github.pages import PAGE, read_pages
from app.core.ports import FailedWebhook

_PERMISSION = "Webhooks: read and write"
_HOOKS = TypeAdapter(list[HookAnswer])
_DELIVERIES = TypeAdapter(list[DeliveryAnswer])
# GitHub allows 20 webhooks an event and repository.
_MOST_HOOK_PAGES = 3
_MOST_DELIVERY_PAGES = 200
# https://docs.github.com/en/webhooks/testing-and-troubleshooting-webhooks/redelivering-webhooks
_KEPT = timedelta(days=3)


class GitHubWebhooks:
    """The webhooks of one repository, asked for through the connection of its pull requests.

    Those of organizations and Apps are not seen.
    """

    def __init__(self, github: GitHub) -> None:
        self._github = github

    def failed_webhooks(self, *, path: str, since: datetime) -> Sequence[FailedWebhook]:
        """Those to an address that ends in `path` whose every attempt since then failed, oldest first.

        Nothing is older than the three days for which GitHub keeps them. Raises Refused where the token lacks the
        permission, or where a webhook was sent more often than anyone could look through.
        """
        with self._github.asking(permission=_PERMISSION) as repository:
            hooks = [hook.id for hook in _hooks(repository) if hook.active and _leads_to(hook, path)]
            failed = [each for hook in hooks for each in self._failed(repository, hook, since)]
        return sorted(failed, key=lambda each: (each.at, each.delivery))

    def redeliver(self, failed: FailedWebhook) -> None:
        """Send one once more, under the same id. It is on its way when this returns, not there."""
        with self._github.asking(permission=_PERMISSION) as repository:
            place = f"/hooks/{failed.hook:d}/deliveries/{failed.delivery:d}/attempts"
            status, headers, text = repository.requester.requestJson("POST", repository.url + place)
            if status != HTTPStatus.ACCEPTED:
                raise repository.requester.createException(status, headers, json_object(text))

    def _failed(self, repository: Repository, hook: int, since: datetime) -> Iterator[FailedWebhook]:
        attempts = sorted(self._attempts(repository, hook, since), key=lambda each: (each.guid, each.id))
        for guid, tried in groupby(attempts, key=lambda each: each.guid):
            first, *others = tried
            newest = others[-1] if others else first
            if not any(each.is_success for each in (first, *others)):
                yield FailedWebhook(hook, newest.id, guid, first.event, first.delivered_at)

    def _attempts(self, repository: Repository, hook: int, since: datetime) -> Iterator[DeliveryAnswer]:
        """Attempts since then, newest first; only these can tell of an event since then whether it arrived."""
        pages = read_pages(repository, f"/hooks/{hook}/deliveries", {}, _DELIVERIES)
        for number, (page, headers) in enumerate(pages):
            if number == _MOST_DELIVERY_PAGES:
                problem = f"webhook {hook} was sent more than {number * PAGE} times since {since:%Y-%m-%d %H:%M}"
                raise GitHubRefused(self._github.name, f"{problem}; let it be sent fewer kinds of events")
            oldest = max(since, _oldest_kept(headers, since))
            recent = [each for each in page if each.delivered_at >= oldest]
            yield from recent
            if len(recent) < len(page):
                return


def _hooks(repository: Repository) -> Iterator[HookAnswer]:
    for page, _ in islice(read_pages(repository, "/hooks", {}, _HOOKS), _MOST_HOOK_PAGES):
        yield from page


def _leads_to(hook: HookAnswer, path: str) -> bool:
    """Whether the receiver at `path` is meant, behind whatever a proxy puts before it."""
    try:
        return urlsplit(hook.config.url).path.rstrip("/").endswith("/" + path.strip("/"))
    except ValueError:
        return False


def _oldest_kept(headers: Mapping[str, str], otherwise: datetime) -> datetime:
    """Where GitHub's three days begin, by its own clock."""
    try:
        return parsedate_to_datetime(headers["date"]) - _KEPT
    except (KeyError, TypeError, ValueError):
        return otherwise
