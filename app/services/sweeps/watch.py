"""Watch base branches, list what lanes wait for, and ask registries what they owe."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import structlog

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName
from app.db import lanes, listing_wishes, owed_answers
from app.db.database import Database, DatabaseUnavailable
from app.services.catalogue.ready_policies import ReadyPolicies
from app.services.intake.owed_answers import OwedAnswers
from app.services.sweeps.list_repository import list_repository
from app.services.sweeps.sweep_run import SweepRun
from app.services.sweeps.tags import ask_chosen_again
from app.services.systems import Clock, ConfigRepo, Systems

_AT_ONCE = 20
_SHORTEST_REST = timedelta(seconds=2)
_LONGEST_REST = timedelta(minutes=5)
_LONGEST_WISH = timedelta(hours=1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_log = structlog.get_logger("fluxbridge.sweeps")


@dataclass(frozen=True, slots=True)
class _Rest:
    """Until when a registry that did not answer is left alone, after how many failures in a row."""

    failures: int = 0
    until: datetime = _LONG_AGO


@dataclass(slots=True)
class Watch:
    """Notices moved branches and pull requests, lists repositories that a lane asked for, and asks what is owed."""

    database: Database
    systems: Systems
    clock: Clock
    ready: ReadyPolicies
    last_seen: dict[str, str] = field(default_factory=dict)
    _resting: dict[str, _Rest] = field(default_factory=dict)
    _often_at: dict[str, datetime] = field(default_factory=dict)

    def watch_branches(self, repo: ConfigRepo) -> bool:
        """Ask the remote for its refs; when any has moved since it was asked last, its lanes are due.

        The first time makes them due as well: what moved while nobody asked is not known.
        """
        refs = repo.refs()
        seen = sha256("\n".join(f"{name} {commit}" for name, commit in sorted(refs.items())).encode()).hexdigest()
        if self.last_seen.get(repo.name) == seen:
            return False
        self._raise_lanes(repo)
        self.last_seen[repo.name] = seen
        return True

    def list_wanted(self) -> int:
        """List every repository that a lane waits for, in full; returns how many were listed.

        One that cannot be listed is put off, and a registry that is down with all that it holds; no other waits for
        it. Raises Unavailable when the database is not there.
        """
        now = self.clock()
        self._wish_often(now)
        resting = [host for host, rest in self._resting.items() if rest.until > now]
        with self.database.transaction() as connection:
            wanted = list(listing_wishes.wanted_listings(connection, limit=_AT_ONCE, now=now, excluding=resting))
        return sum([self._list_one(image, now) for image in wanted])

    def ask_owed(self) -> int:
        """Ask the registries what they still owe, each thing when it is due; returns how much was asked.

        A registry that wants to be left alone, or whose lists do not come, is left alone here too. Raises Unavailable
        when the database is not there.
        """
        now = self.clock()
        resting = [host for host, rest in self._resting.items() if rest.until > now]
        with self.database.transaction() as connection:
            owed = list(owed_answers.due(connection, now, limit=_AT_ONCE, excluding=resting))
        asking = OwedAnswers(self.database, self.systems, self.clock, self.ready)
        for host, wish in asking.ask(owed).items():
            if wish:
                self._rest(host, now, wish)
            else:
                self._resting.pop(host, None)
        return len(owed)

    def _wish_often(self, now: datetime) -> None:
        """Wish for the lists of registries that are listed often, each as long after the one before as is set."""
        for registry, every in self.systems.sweeps.often.items():
            if self._often_at.get(registry, _LONG_AGO) <= now:
                with self.database.transaction() as connection:
                    listing_wishes.wish_stale_listings(connection, registry, before=now - every, now=now)
                self._often_at[registry] = now + every / 10

    def list_repository(self, image: ImageName) -> None:
        """List one repository in full; of one that is listed often, what policies choose is asked about as well.

        Raises Unavailable or Refused when its registry cannot be asked.
        """
        run = SweepRun(
            sweep="tags",
            database=self.database,
            systems=self.systems,
            clock=self.clock,
            ready=self.ready,
        )
        list_repository(run, image)
        if image.registry in self.systems.sweeps.often:
            ask_chosen_again(run, image)

    def _list_one(self, image: ImageName, now: datetime) -> bool:
        rest = self._resting.get(image.registry, _Rest())
        if rest.until > now:
            return False
        try:
            self.list_repository(image)
        except DatabaseUnavailable:
            raise
        except Refused as error:
            self._put_off(image, _LONGEST_REST, error)
            return False
        except Unavailable as error:
            self._put_off(image, self._rest(image.registry, now, error.retry_after), error)
            return False
        self._resting.pop(image.registry, None)
        return True

    def _rest(self, host: str, now: datetime, wish: timedelta | None) -> timedelta:
        """Leave a registry alone, longer each time; returns how long."""
        rest = self._resting.get(host, _Rest())
        span: timedelta = min(_SHORTEST_REST * 2 ** min(rest.failures, 9), _LONGEST_REST)
        span = max(span, min(wish or span, _LONGEST_WISH))
        self._resting[host] = _Rest(rest.failures + 1, now + span)
        return span

    def _put_off(self, image: ImageName, span: timedelta, error: Unavailable | Refused) -> None:
        _log.warning("a repository could not be listed", image=str(image), why=str(error), again_in_s=span.seconds)
        with self.database.transaction() as connection:
            listing_wishes.put_off_listing(connection, image, self.clock() + span)

    def _raise_lanes(self, repo: ConfigRepo) -> None:
        now = self.clock()
        with self.database.transaction() as connection:
            keys = [lanes.key_of(repo.name, branch) for branch in repo.branches]
            lanes.raise_wanted(connection, keys, now=now)
