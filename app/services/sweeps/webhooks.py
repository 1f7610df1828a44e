"""Ask for webhooks once more that could not be delivered here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from app.core.ports import FailedWebhook, RateLimited, WebhookSender
from app.db import forge_budgets, sweep_marks
from app.db.tables import milliseconds
from app.services.sweeps.sweep_run import Look
from app.services.systems import ConfigRepo

_SWEEP = "webhooks"
_ASKED_AGAIN = "webhooks.asked"
_KIND = "github"
_LONGEST_AGO = timedelta(days=3)
_OVERLAP = timedelta(minutes=10)
_NOT_AGAIN_WITHIN = timedelta(minutes=10)
_MOST_TIMES = 3


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
    """The mark moves on only when nothing is left to be asked for: what failed is found by the next look as well.

    Looks overlap, since the times are the sender's and the marks are ours.
    """
    began, place = look.now(), f"{repo.forge_repository} {source}"
    with look.database.transaction() as connection:
        mark = sweep_marks.of(connection, _SWEEP, [place]).get(place, 0)
    last = datetime.fromtimestamp(mark / 1000, UTC) - _OVERLAP if mark else began - _LONGEST_AGO
    with look.asking_forge(repo):
        failed = sender.failed_webhooks(path=f"/webhooks/{source}", since=max(last, began - _LONGEST_AGO))
    settled: list[FailedWebhook] = []
    steps = {f"{repo.name} {one.guid}": partial(_send, look, repo, sender, one, settled) for one in failed}
    look.each(repo.forge_repository, steps)
    if len(settled) == len(steps) and not look.is_dry:
        with look.database.transaction() as connection:
            sweep_marks.put(connection, _SWEEP, place, milliseconds(began), now=look.now())
            # Twice as long, so that what is still shown is not begun anew.
            sweep_marks.forget_before(connection, _ASKED_AGAIN, began - 2 * _LONGEST_AGO)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for again: its keys and marks, of which the first is when it failed first, and then each time."""

    keys: Sequence[str]
    marks: Mapping[str, int]

    @property
    def times(self) -> Sequence[int]:
        """When it was asked for, in milliseconds."""
        return [self.marks[key] for key in self.keys[1:] if key in self.marks]

    def failed_first(self, failed: FailedWebhook) -> int:
        """When it failed first, in milliseconds: a sender tells only of attempts since the last look."""
        at = milliseconds(failed.at)
        return min(at, self.marks.get(self.keys[0], at))

    def is_given_up(self, failed: FailedWebhook, now: datetime) -> bool:
        """Whether it was asked for often enough, or failed first too long ago."""
        too_old = milliseconds(now - _LONGEST_AGO)
        return len(self.times) >= _MOST_TIMES or self.failed_first(failed) < too_old


def _send(
    look: Look, repo: ConfigRepo, sender: WebhookSender, failed: FailedWebhook, settled: list[FailedWebhook]
) -> None:
    """Written down before the sender is asked: who is broken off in between does not ask twice."""
    now = look.now()
    keys = [f"{repo.forge_repository} {failed.guid} {number}" for number in range(_MOST_TIMES + 1)]
    with look.database.transaction() as connection:
        asked = _Asked(keys, sweep_marks.of(connection, _ASKED_AGAIN, keys))
        if not look.is_dry:
            sweep_marks.put(connection, _ASKED_AGAIN, keys[0], asked.failed_first(failed), now=now)
        if asked.is_given_up(failed, now):
            settled.append(failed)
            return
        is_just_asked = max(asked.times, default=0) > milliseconds(now - _NOT_AGAIN_WITHIN)
        if is_just_asked or not _may_write(connection, repo, now):
            return
        key = keys[len(asked.times) + 1]
        if not look.is_dry:
            sweep_marks.put(connection, _ASKED_AGAIN, key, milliseconds(now), now=now)
    look.find(f"{repo.name}: {failed.event} {failed.guid} of {failed.at:%Y-%m-%d %H:%M:%S}")
    if not look.is_dry:
        _redeliver(look, repo, sender, failed, key)
    settled.append(failed)


def _may_write(connection: Connection, repo: ConfigRepo, now: datetime) -> bool:
    """Pull requests come first: half of what a forge takes at once is left to them."""
    per_hour = repo.writes_per_hour
    return per_hour is None or forge_budgets.has_reserve(connection, repo.forge_budget, now=now, per_hour=per_hour)


def _redeliver(look: Look, repo: ConfigRepo, sender: WebhookSender, failed: FailedWebhook, key: str) -> None:
    try:
        with look.asking_forge(repo):
            sender.redeliver(failed)
    except RateLimited:
        # Nothing was sent, so it does not count.
        with look.database.transaction() as connection:
            sweep_marks.forget(connection, _ASKED_AGAIN, key)
        raise
