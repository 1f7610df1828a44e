"""Sweep: look at base branches and registries for what no webhook brought, through the same facts."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from app.core.errors import Refused, Unavailable
from app.core.images import ImageName, is_signature_tag, is_tag
from app.db import catalogue, lanes
from app.db.database import Database
from app.services.keep_selections import keep_selections
from app.services.ready_policies import ReadyPolicies
from app.services.systems import Clock, ConfigRepo, Systems

_AT_ONCE = 20


@dataclass(slots=True)
class Sweeper:
    """Notices moved branches and pull requests, and lists repositories that a lane asked for."""

    database: Database
    systems: Systems
    clock: Clock
    on_lanes_due: Callable[[], None]
    ready: ReadyPolicies
    last_seen: dict[str, str] = field(default_factory=dict)

    def look_at_branches(self, repo: ConfigRepo) -> bool:
        """Ask the remote for its refs; when any has moved since the last look, its lanes are due.

        The first look makes them due as well: what moved while nobody looked is not known.
        """
        refs = repo.look()
        seen = sha256("\n".join(f"{name} {commit}" for name, commit in sorted(refs.items())).encode()).hexdigest()
        if self.last_seen.get(repo.name) == seen:
            return False
        self._raise_lanes(repo)
        self.last_seen[repo.name] = seen
        return True

    def list_wanted(self) -> int:
        """List every repository that a lane waits for, in full; returns how many were listed.

        Raises Unavailable or Refused after the others were tried.
        """
        with self.database.transaction() as connection:
            wanted = list(catalogue.wanted_listings(connection, limit=_AT_ONCE))
        failure: Unavailable | Refused | None = None
        for image in wanted:
            try:
                self.list_repository(image)
            except (Unavailable, Refused) as error:
                failure = error
                with self.database.transaction() as connection:
                    catalogue.listing_failed(connection, image, self.clock())
        if failure is not None:
            raise failure
        return len(wanted)

    def list_repository(self, image: ImageName) -> None:
        """List one repository in full and learn the digest of each tag that is new."""
        registry = self.systems.registry_of(image)
        if registry is None:
            with self.database.transaction() as connection:
                catalogue.drop_wish(connection, image)
            return
        asked_at = self.clock()
        tags = [tag for tag in registry.tags(image.path) if is_tag(tag) and not is_signature_tag(tag)]
        now = self.clock()
        with self.database.transaction() as connection:
            catalogue.lock(connection, [image], now)
            touched = catalogue.record_listing(connection, image, tags, now, asked_at=asked_at)
            keep_selections(connection, self.ready, image, touched)
            timing = self.systems.timing
            keys = sorted(lanes.lanes_of_image(connection, image))
            lanes.raise_wanted(connection, keys, now=now, quiet=timing.quiet, max_wait=timing.max_wait)
        self.on_lanes_due()

    def _raise_lanes(self, repo: ConfigRepo) -> None:
        timing, now = self.systems.timing, self.clock()
        with self.database.transaction() as connection:
            keys = [lanes.key_of(repo.name, branch) for branch in repo.branches]
            lanes.raise_wanted(connection, keys, now=now, quiet=timing.quiet, max_wait=timing.max_wait)
        self.on_lanes_due()
