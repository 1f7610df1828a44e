"""Ask for webhooks once more that could not be delivered here."""

from datetime import UTC, datetime, timedelta
from functools import partial

from app.core.ports import FailedWebhook, WebhookSender
from app.db import sweep_marks
from app.db.tables import milliseconds
from app.services.look import Look
from app.services.systems import ConfigRepo

_SWEEP = "webhooks"
_ASKED_AGAIN = "webhooks.asked"
_KIND = "github"
_LONGEST_AGO = timedelta(days=3)
_OVERLAP = timedelta(minutes=10)
_NOT_AGAIN_WITHIN = timedelta(minutes=10)


def ask_for_webhooks(look: Look) -> None:
    """Have each config repo's forge send again what it failed to deliver to our sources since the last look."""
    for repo in look.systems.config_repos.values():
        if repo.sender is None:
            continue
        for source in look.systems.sources.values():
            if source.kind == _KIND and source.config_repo in {None, repo.name}:
                with look.attempt(f"{repo.name} {source.name}"):
                    _ask_again(look, repo, repo.sender, source.name)


def _ask_again(look: Look, repo: ConfigRepo, sender: WebhookSender, source: str) -> None:
    """The mark moves on only when all were asked for: what failed is found by the next look as well.

    Looks overlap, since the times are the sender's and the marks are ours.
    """
    began, place = look.now(), f"{repo.forge_repository} {source}"
    with look.database.transaction() as connection:
        mark = sweep_marks.of(connection, _SWEEP, [place]).get(place, 0)
    last = datetime.fromtimestamp(mark / 1000, UTC) - _OVERLAP if mark else began - _LONGEST_AGO
    failed = sender.failed_webhooks(path=f"/webhooks/{source}", since=max(last, began - _LONGEST_AGO))
    sent: list[FailedWebhook] = []
    steps = {f"{repo.name} {one.guid}": partial(_send, look, repo, sender, one, sent) for one in failed}
    look.each(repo.forge_repository, steps)
    if len(sent) == len(steps) and not look.is_dry:
        with look.database.transaction() as connection:
            sweep_marks.put(connection, _SWEEP, place, milliseconds(began), now=look.now())
            sweep_marks.forget_before(connection, _ASKED_AGAIN, began - _LONGEST_AGO)


def _send(
    look: Look, repo: ConfigRepo, sender: WebhookSender, failed: FailedWebhook, sent: list[FailedWebhook]
) -> None:
    """Written down before the sender is asked: who is broken off in between does not ask twice."""
    now, key = look.now(), f"{repo.forge_repository} {failed.guid}"
    with look.database.transaction() as connection:
        asked = sweep_marks.of(connection, _ASKED_AGAIN, [key]).get(key)
        if asked is not None and asked > milliseconds(now - _NOT_AGAIN_WITHIN):
            return
        if not look.is_dry:
            sweep_marks.put(connection, _ASKED_AGAIN, key, milliseconds(now), now=now)
    look.find(f"{repo.name}: {failed.event} {failed.guid} of {failed.at:%Y-%m-%d %H:%M:%S}")
    if not look.is_dry:
        sender.redeliver(failed)
    sent.append(failed)
